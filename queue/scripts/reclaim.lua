-- reclaim.lua: claims of a lane that died go back to `ready` with one loss more, or to `dead`.
-- ARGV: claims key, worker id, reason, most
-- Reply: how many claims were moved; 0: the list is empty

-- A tile that takes its lane along each time is told by the signal.
local function reason_of(losses)
    local signal = string.match(ARGV[3], '^its lane was killed by (SIG.*)$')
    if losses == 1 then
        return ARGV[3]
    elseif signal then
        return string.format('killed its lane %d times, last by %s', losses, signal)
    end
    return string.format('lost %d times, last because %s', losses, ARGV[3])
end

local texts = call('LPOP', ARGV[1], ARGV[4]) or {}
for _, text in ipairs(texts) do
    local id, image, tile, fails, losses = parse(text)
    if id then
        local job = job_of(id)
        local again = id .. ':' .. image .. ':' .. tile .. ':' .. fails .. ':' .. (losses + 1)
        if job.state and job.state ~= 'cancelled' and losses + 1 >= job.max_losses then
            bury(job, again, ARGV[2], reason_of(losses + 1))
        else
            requeue(job, again)
        end
    end
end
settle()
return #texts

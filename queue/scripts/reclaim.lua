-- reclaim.lua: claims of a lane that died go back to `ready` with one loss more, or to `dead`.
-- ARGV: claims key, worker id, reason, most
-- Reply: how many claims were moved; 0: the list is empty
local texts = call('LPOP', ARGV[1], ARGV[4]) or {}
for _, text in ipairs(texts) do
    local id, image, tile, fails, losses = parse(text)
    if id then
        local job = job_of(id)
        local again = id .. ':' .. image .. ':' .. tile .. ':' .. fails .. ':' .. (losses + 1)
        if job.state and job.state ~= 'cancelled' and losses + 1 >= job.max_losses then
            bury(job, again, ARGV[2], ARGV[3])
        else
            requeue(job, again)
        end
    end
end
settle()
return #texts

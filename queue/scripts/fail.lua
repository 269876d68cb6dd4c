-- fail.lua: an attempt at a tile failed: it waits in `delayed`, or goes to `dead`.
-- ARGV: claims key, worker id, task, reason, "1" when permanent, a random number of 0..1
-- Reply: 1, or 0 when the claim had been taken away
-- The wait doubles with each failure up to retry_most_ms; half of it is random.
local id, image, tile, fails, losses = parse(ARGV[3])
local job = job_of(id)
if call('LREM', ARGV[1], 1, ARGV[3]) == 0 then
    count(job, 'fenced', 1)
    settle()
    return 0
end
if job.state == 'cancelled' then
    drop(job, ARGV[3])
elseif job.state then
    local field = call('HMGET', job.key, 'max_fails', 'retry_first_ms', 'retry_most_ms')
    local text = id .. ':' .. image .. ':' .. tile .. ':' .. (fails + 1) .. ':' .. losses
    if ARGV[5] == '1' or fails + 1 >= tonumber(field[1]) then
        bury(job, text, ARGV[2], ARGV[4])
    else
        local wait = math.min(tonumber(field[2]) * 2 ^ math.min(fails, 40), tonumber(field[3]))
        call('ZADD', prefix .. 'delayed', now() + math.floor(wait / 2 + ARGV[6] * wait / 2), text)
        count(job, 'retried', 1)
    end
end
settle()
return 1

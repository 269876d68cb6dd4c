-- cancel.lua: one step of cancelling a job: drops tiles from its list, then from `ready`, then from
-- `delayed`. What is claimed is dropped at its commit.
-- ARGV: id, cursor into `delayed` ("0" at first), most
-- Reply: 1 when another step is needed, the cursor for it
local job = job_of(ARGV[1])
if not job.state then
    return redis.error_reply('JOB there is no job ' .. ARGV[1])
end
if job.state == 'done' or call('HGET', job.key, 'finished_ms') ~= '0' then
    return {0, '0'}
end
go_on_when_full()
if job.state ~= 'cancelled' then
    job.state = 'cancelled'
    call('HSET', job.key, 'state', 'cancelled', 'reason', '')
end
job.ending = true

local texts = call('LPOP', job.key .. ':tiles', ARGV[3]) or {}
for _, text in ipairs(texts) do
    drop(job, text)
end
local cursor = ARGV[2]
local more = #texts > 0
if not more then
    take_from_ready(job, function(text)
        drop(job, text)
    end)
    local page = call('ZSCAN', prefix .. 'delayed', cursor, 'MATCH', job.id .. ':*', 'COUNT', ARGV[3])
    cursor = page[1]
    more = cursor ~= '0'
    for i = 1, #page[2], 2 do
        if call('ZREM', prefix .. 'delayed', page[2][i]) == 1 then
            drop(job, page[2][i])
        end
    end
end
settle()
return {more and 1 or 0, cursor}

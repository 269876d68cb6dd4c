-- reissue.lua: lists tiles again that an audit found nowhere, and corrects counters. `repairs` counts
-- calls, so that of two audits that saw the same only one does so.
-- ARGV: id, repairs as the audit saw them, what to add to tiles, left, dead, dropped and images_done,
--       task, ...
-- Reply: how many were listed, or -1 when another audit was first
local FIRST_TASK = 8
local job = job_of(ARGV[1])
if not job.state or job.state == 'cancelled' or call('HGET', job.key, 'repairs') ~= ARGV[2] then
    return -1
end
go_on_when_full()
for i, field in ipairs({'tiles', 'left', 'dead', 'dropped', 'images_done'}) do
    count(job, field, tonumber(ARGV[2 + i]))
end
for i = FIRST_TASK, #ARGV do
    call('RPUSH', job.key .. ':tiles', ARGV[i])
end
count(job, 'repairs', 1)
if job.state == 'done' and #ARGV >= FIRST_TASK then
    reopen(job)
end
job.ending = true
settle()
return #ARGV - FIRST_TASK + 1

-- reissue.lua: lists tiles again that an audit found nowhere. `repairs` counts calls, so that of two
-- audits that saw the same only one issues.
-- ARGV: id, repairs as the audit saw them, what to add to `left` to make it right, task, ...
-- Reply: how many were listed
local job = job_of(ARGV[1])
if not job.state or job.state == 'cancelled' or call('HGET', job.key, 'repairs') ~= ARGV[2] then
    return 0
end
go_on_when_full()
for i = 4, #ARGV do
    call('RPUSH', job.key .. ':tiles', ARGV[i])
end
count(job, 'repairs', 1)
count(job, 'left', tonumber(ARGV[3]))
if job.state == 'done' then
    reopen(job)
end
settle()
return #ARGV - 3

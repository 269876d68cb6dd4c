-- state.lua: seals, pauses, resumes or blocks a job. Each is idempotent.
-- ARGV: id, "seal" | "pause" | "resume" | "block", reason
-- Reply: the job's state
local job = job_of(ARGV[1])
local verb = ARGV[2]
if not job.state then
    return redis.error_reply('JOB there is no job ' .. ARGV[1])
end

local function become(state, reason)
    job.state = state
    call('HSET', job.key, 'state', state, 'reason', reason)
    emit('job_' .. state, job.id, reason)
end

-- A job that waits gets its tiles back from `ready`; those claimed already are finished.
local function hold(state, reason)
    become(state, reason)
    take_from_ready(job, function(text)
        call('LPUSH', job.key .. ':tiles', text)
    end)
end

go_on_when_full()
local open = job.state == 'submitting' or job.state == 'running'
if verb == 'seal' and not job.sealed and job.state ~= 'cancelled' then
    call('HSET', job.key, 'sealed', 1)
    job.sealed = true
    job.ending = true
    if job.state == 'submitting' then
        job.state = 'running'
        call('HSET', job.key, 'state', 'running')
    end
    emit('job_submitted', job.id, call('HGET', job.key, 'images') .. ' images')
elseif verb == 'pause' and (open or job.state == 'blocked') then
    hold('paused', '')
elseif verb == 'block' and open then
    hold('blocked', ARGV[3])
elseif verb == 'resume' and (job.state == 'paused' or job.state == 'blocked') then
    become(job.sealed and 'running' or 'submitting', '')
end
settle()
return job.state

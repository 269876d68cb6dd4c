-- jobs.lua: the ids of all jobs at one moment. (A script and not MULTI, which a Redis that is out of
-- memory refuses even for reading.)
-- Reply: unfinished jobs, finished jobs
return {call('LRANGE', prefix .. 'jobs', 0, -1), call('ZRANGE', prefix .. 'finished', 0, -1)}

-- tend.lua: the producer of a job gives a sign of life, or another takes its place.
-- ARGV: id, the producer as it is known, the producer from now on
-- Reply: 1, or 0 when the job is another's or gone
local key = prefix .. 'job:' .. ARGV[1]
if call('HGET', key, 'producer') ~= ARGV[2] then
    return 0
end
go_on_when_full()
call('HSET', key, 'producer', ARGV[3], 'tended_ms', now())
return 1

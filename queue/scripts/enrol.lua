-- enrol.lua: a worker comes into the books.
-- ARGV: id, then field, value, ...
local key = prefix .. 'worker:' .. ARGV[1]
local time = now()
go_on_when_full()
call('SADD', prefix .. 'workers', ARGV[1])
call('HSET', key, 'beat', 0, 'started_ms', time, 'seen_ms', time, unpack(ARGV, 2))
emit('worker_joined', '', ARGV[1])
return 1

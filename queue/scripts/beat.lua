-- beat.lua: a worker lives: bumps its beat and writes its rates.
-- ARGV: id, state as the worker sees itself, then field, value, ...
-- Reply: state as the queue sees it; "fenced" too for one that is not in the books
local key = prefix .. 'worker:' .. ARGV[1]
local state = call('HGET', key, 'state')
if not state or state == 'fenced' then
    return 'fenced'
end
if state ~= 'draining' then
    state = ARGV[2]
end
go_on_when_full()
call('HINCRBY', key, 'beat', 1)
call('HSET', key, 'state', state, 'seen_ms', now(), unpack(ARGV, 3))
return state

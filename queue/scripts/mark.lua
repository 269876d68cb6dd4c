-- mark.lua: fences a worker, if its beat is still the one that was seen, or tells it to drain.
-- ARGV: id, "fenced" | "draining", the beat or ""
-- Reply: 1 when this call changed its state
local key = prefix .. 'worker:' .. ARGV[1]
local field = call('HMGET', key, 'state', 'beat')
if not field[1] or field[1] == 'fenced' or field[1] == ARGV[2] or (ARGV[3] ~= '' and field[2] ~= ARGV[3]) then
    return 0
end
go_on_when_full()
call('HSET', key, 'state', ARGV[2])
emit('worker_' .. ARGV[2], '', ARGV[1])
return 1

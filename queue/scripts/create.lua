-- create.lua: a new job in state submitting.
-- ARGV: id, then field, value, ...
-- Reply: 1, or 0 when the id is taken
local key = prefix .. 'job:' .. ARGV[1]
if call('EXISTS', key) == 1 then
    return 0
end
call('HSET', key, 'state', 'submitting', 'reason', '', 'sealed', 0, 'created_ms', now(), 'started_ms', 0,
     'finished_ms', 0, 'tended_ms', now())
for _, counter in ipairs({'images', 'tiles', 'bits', 'left', 'pixels', 'images_done', 'images_failed', 'pixels_done',
                          'bytes_done', 'dead', 'dropped', 'fenced', 'retried', 'repairs'}) do
    call('HSET', key, counter, 0)
end
for i = 2, #ARGV, 2 do
    call('HSET', key, ARGV[i], ARGV[i + 1])
end
call('RPUSH', prefix .. 'jobs', ARGV[1])
return 1

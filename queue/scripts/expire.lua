-- expire.lua: removes a job that finished long ago and has no dead tiles, with all its keys.
-- ARGV: id, how long ago in ms
-- Reply: 1 when it was removed
local key = prefix .. 'job:' .. ARGV[1]
local finished = tonumber(call('ZSCORE', prefix .. 'finished', ARGV[1]) or 'inf')
if finished > now() - ARGV[2] or tonumber(call('HGET', key, 'dead') or 0) > 0 then
    return 0
end
call('UNLINK', key, key .. ':tiles', key .. ':images', key .. ':done', key .. ':dropped', key .. ':parts',
     key .. ':failed', key .. ':finished', key .. ':collecting', key .. ':blobs')
call('ZREM', prefix .. 'finished', ARGV[1])
return 1

-- claim.lua: claims without waiting, refilling `ready` when it has too few.
-- ARGV: claims key, worker id, most, ready_low, ready_batch
-- Reply: the tasks; error FENCED when the worker is fenced or unknown.
local state = call('HGET', prefix .. 'worker:' .. ARGV[2], 'state')
if not state or state == 'fenced' then
    return redis.error_reply('FENCED worker ' .. ARGV[2] .. ' is ' .. (state or 'not enrolled') .. ': enrol anew')
end
go_on_when_full()
local texts = claim(ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]))
settle()
return texts

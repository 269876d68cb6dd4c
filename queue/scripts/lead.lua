-- lead.lua: the lead among monitors. `monitor` holds "TOKEN COUNT"; its holder renews it at each
-- sweep, by which COUNT grows. It is free when it is gone, or still is what a monitor has seen
-- unchanged for a whole lease on its own clock; the expiry is there for monitors that have seen
-- nothing, and so that no key stays behind.
-- ARGV: token, "lead" | "resign", lease in ms, the value seen unchanged or ""
-- Reply: the value now ("": nobody leads), 1 when this call took the lead from nobody or another
local key = prefix .. 'monitor'
local value = call('GET', key)
local holder, count = string.match(value or '', '^(%S+) (%d+)$')
if ARGV[2] == 'resign' then
    if holder == ARGV[1] then
        call('DEL', key)
        value = nil
    end
    return {value or '', 0}
end
local mine = holder == ARGV[1]
if not mine and holder and value ~= ARGV[4] then
    return {value, 0}
end
go_on_when_full()
value = ARGV[1] .. ' ' .. (mine and count + 1 or 1)
call('SET', key, value, 'PX', ARGV[3])
if not mine then
    emit('monitor_leads', '', ARGV[1])
end
return {value, mine and 0 or 1}

-- wake.lua: the monitor's word to a backup worker: "wake" while it stands by, "stand_down" while it is
-- live. The list is bounded, and goes when nobody took the word in time.
-- ARGV: id, "wake" | "stand_down", how long the word is good for in ms
-- Reply: 1 when the word is on its way, 0 when there is no such worker in that state
local field = call('HMGET', prefix .. 'worker:' .. ARGV[1], 'state', 'backup')
if field[2] ~= '1' or field[1] ~= (ARGV[2] == 'wake' and 'standby' or 'live') then
    return 0
end
local list = prefix .. 'wake:' .. ARGV[1]
go_on_when_full()
call('DEL', list)
call('RPUSH', list, ARGV[2])
call('PEXPIRE', list, ARGV[3])
return 1

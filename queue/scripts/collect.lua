-- collect.lua: LMOVE that works in a Redis whose memory is full: collecting is what makes room.
-- ARGV: from, to, "LEFT" | "RIGHT" end of the former, end of the latter
-- Reply: what was moved, or nil
go_on_when_full()
return call('LMOVE', ARGV[1], ARGV[2], ARGV[3], ARGV[4])

-- tell.lua: an event that no other script has caused.
-- ARGV: kind, detail
go_on_when_full()
emit(ARGV[1], '', ARGV[2])
return 1

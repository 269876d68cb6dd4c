-- refill.lua: moves tiles from the jobs' lists to `ready` when it is low.
-- ARGV: low, batch
-- Reply: tiles moved, 1 when there are more jobs to look at
go_on_when_full()
local moved, more = refill(tonumber(ARGV[1]), tonumber(ARGV[2]))
settle()
return {moved, more and 1 or 0}

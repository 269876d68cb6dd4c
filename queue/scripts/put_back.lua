-- put_back.lua: claims go back to the front of `ready`, in the order in which they were claimed;
-- nothing is counted.
-- ARGV: claims key, task, ...
-- Reply: how many went back
local moved = 0
for i = #ARGV, 2, -1 do
    if call('LREM', ARGV[1], 1, ARGV[i]) == 1 then
        requeue(job_of((parse(ARGV[i]))), ARGV[i])
        moved = moved + 1
    end
end
settle()
return moved

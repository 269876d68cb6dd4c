-- promote.lua: retries whose time has come go to `ready`. So do those that are further away than any
-- wait of their job, of the `most` that are furthest: Redis's clock was put back.
-- ARGV: most
-- Reply: how many
local delayed, time = prefix .. 'delayed', now()
local moved = 0

local function promote(text)
    call('ZREM', delayed, text)
    requeue(job_of((parse(text))), text)
    moved = moved + 1
end

local longest = {} -- wait, by job
local function longest_wait(id)
    if not longest[id] then
        longest[id] = tonumber(call('HGET', job_of(id).key, 'retry_most_ms')) or 0
    end
    return longest[id]
end

for _, text in ipairs(call('ZRANGEBYSCORE', delayed, '-inf', time, 'LIMIT', 0, ARGV[1])) do
    promote(text)
end
local far = call('ZREVRANGEBYSCORE', delayed, '+inf', '(' .. time, 'WITHSCORES', 'LIMIT', 0, ARGV[1])
for i = 1, #far, 2 do
    if far[i + 1] - time > longest_wait((parse(far[i]))) then
        promote(far[i])
    end
end
settle()
return moved

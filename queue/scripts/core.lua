-- core.lua: put before every script. KEYS[1] is `ready`; the other keys share its prefix and its
-- hash tag. Scripts are bounded: none works through a whole backlog, the caller calls again.
local call = redis.call
local ready = KEYS[1]
local prefix = string.sub(ready, 1, -6)

local function now()
    local time = call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function emit(kind, job, detail)
    call('XADD', prefix .. 'events', 'MAXLEN', '~', 10000, '*', 'kind', kind, 'job', job, 'detail', detail)
end

-- A Redis whose memory is full refuses the first write of a script, unless it can only free memory,
-- and lets the rest pass. What keeps work going, and so makes room, begins with such a write.
local function go_on_when_full()
    call('DEL', prefix .. 'none')
end

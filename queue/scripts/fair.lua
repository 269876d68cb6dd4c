-- fair.lua: refill(low, batch) keeps `ready` short but never needlessly empty. Each job that has
-- tiles and may run gives its share, in proportion to its priority. low and batch are ceilings:
-- the size of a refill doubles while refills follow within 200 ms and halves when a second lies
-- between two, so that `ready` holds about a second of work and a pause, a cancel or a new job of
-- high priority acts soon. Looks at 64 jobs at most; returns tiles moved and whether there are
-- more jobs to look at.
local function refill_size(batch)
    local field = call('HMGET', prefix .. 'refill', 'size', 'at_ms')
    return math.min(tonumber(field[1]) or 64, batch), tonumber(field[2]) or 0
end

local function refill_takers(most)
    local jobs = prefix .. 'jobs'
    local takers, sum = {}, 0
    for _ = 1, most do
        local id = call('LMOVE', jobs, jobs, 'LEFT', 'RIGHT')
        local job = job_of(id)
        local tiles = job.key .. ':tiles'
        if job.state == 'cancelled' then
            for _, text in ipairs(call('LPOP', tiles, 256) or {}) do
                drop(job, text)
            end
        elseif (job.state == 'running' or job.state == 'submitting') and call('LLEN', tiles) > 0 then
            local field = call('HMGET', job.key, 'priority', 'started_ms')
            job.priority = math.max(1, tonumber(field[1]) or 10)
            job.started = field[2] ~= '0'
            sum = sum + job.priority
            takers[#takers + 1] = job
        end
    end
    return takers, sum
end

local function refill(low, batch)
    local size, at = refill_size(math.min(batch, 4096))
    if call('LLEN', ready) >= math.min(low, math.ceil(size / 4)) then
        return 0, false
    end
    local jobs = call('LLEN', prefix .. 'jobs')
    local takers, sum = refill_takers(math.min(jobs, 64))
    if #takers == 0 then
        return 0, jobs > 64
    end
    local time = now()
    if time - at < 200 then
        size = math.min(size * 2, batch, 4096)
    elseif time - at > 1000 then
        size = math.max(math.floor(size / 2), math.min(16, batch))
    end
    call('HSET', prefix .. 'refill', 'size', size, 'at_ms', time)
    local moved = 0
    for _, job in ipairs(takers) do
        local share = math.max(1, math.floor(size * job.priority / sum))
        local texts = call('LPOP', job.key .. ':tiles', share)
        call('LPUSH', ready, unpack(texts))
        moved = moved + #texts
        if not job.started then
            call('HSET', job.key, 'started_ms', time)
        end
    end
    return moved, false
end

-- Up to `most` tiles of `ready` become the lane's claims; fewer when there are no more.
local function claim(claims, most, low, batch)
    local texts = call('RPOP', ready, most) or {}
    if #texts < most and refill(low, batch) > 0 then
        for _, text in ipairs(call('RPOP', ready, most - #texts) or {}) do
            texts[#texts + 1] = text
        end
    end
    if #texts > 0 then
        call('LPUSH', claims, unpack(texts))
    end
    return texts
end

-- settle.lua: jobs and their counters. A script collects what changes and writes it once, in
-- settle(), which also ends a job that has nothing left. For each job, always:
--   left = tiles - done - dead - dropped
local touched = {}

local function job_of(id)
    local job = touched[id]
    if job == nil then
        local key = prefix .. 'job:' .. id
        local field = call('HMGET', key, 'state', 'sealed', 'store', 'max_losses')
        job = {id = id, key = key, state = field[1], sealed = field[2] == '1', collected = field[3] == 'redis',
               max_losses = tonumber(field[4]), add = {}}
        touched[id] = job
    end
    return job
end

local function count(job, field, number)
    job.add[field] = (job.add[field] or 0) + number
end

-- job, image, tile, fails, losses of a task; image and the rest stay text.
local function parse(text)
    return string.match(text, '^(%w+):(%d+):(%d+):(%d+):(%d+)$')
end

-- The image's first bit and its number of tiles; nil when its record is gone.
local function place_of(job, image)
    local record = call('HGET', job.key .. ':images', image)
    if not record then
        return nil
    end
    local first, tiles = string.match(record, '^(%d+) (%d+)')
    return tonumber(first), tonumber(tiles)
end

-- Is this the text of no tile of the job, or of one that has ended? Such a task was pushed by hand or twice;
-- to count it would end the job before its time.
local function is_stray(job, image, tile)
    local first, tiles = place_of(job, image)
    if not first then
        return tonumber(image) >= (tonumber(call('HGET', job.key, 'images')) or 0)
    end
    tile = tonumber(tile)
    return tile > tiles or (tile == tiles and tiles == 1) or
           call('GETBIT', job.key .. ':done', first + tile) == 1 or
           call('GETBIT', job.key .. ':dropped', first + tile) == 1
end

-- Tells the collector of a redis store.
local function image_ended(job, image, how)
    if job.collected then
        call('RPUSH', job.key .. ':finished', image .. ':' .. how)
    end
end

local function mark_dropped(job, image, tile)
    local first = place_of(job, image)
    if first then
        call('SETBIT', job.key .. ':dropped', first + tile, 1)
    end
    count(job, 'dropped', 1)
end

-- A tile that was taken out of a list or of `delayed` and will not be done.
local function drop(job, text)
    local _, image, tile = parse(text)
    if is_stray(job, image, tile) then
        return
    end
    mark_dropped(job, image, tile)
    count(job, 'left', -1)
end

-- A tile that was taken out of somewhere goes where its job wants it: first in line, as a rule.
local function requeue(job, text)
    if job.state == 'cancelled' then
        drop(job, text)
    elseif job.state == 'paused' or job.state == 'blocked' then
        call('LPUSH', job.key .. ':tiles', text)
    elseif job.state then
        call('RPUSH', ready, text)
    end
end

-- A tile is given up. Its image counts as failed once, and is at its end when no tile of it is open.
local function bury(job, text, worker, reason)
    local _, image, tile = parse(text)
    local _, tiles = place_of(job, image)
    if is_stray(job, image, tile) or call('HEXISTS', prefix .. 'dead:info', text) == 1 then
        emit('task_refused', job.id, text)
        return
    end
    local dead = call('HINCRBY', job.key .. ':failed', image, 1)
    call('RPUSH', prefix .. 'dead', text)
    call('HSET', prefix .. 'dead:info', text, string.format('%d %s %s', now(), worker, reason))
    count(job, 'dead', 1)
    count(job, 'left', -1)
    if dead == 1 then
        count(job, 'images_failed', 1)
    end
    if not tiles or tonumber(tile) == tiles or
       dead + (tonumber(call('HGET', job.key .. ':parts', image)) or 0) >= tiles then
        image_ended(job, image, 'failed')
    end
    emit('tile_dead', job.id, text .. ' ' .. reason)
end

-- Takes the job's tiles out of `ready`, which is short by design; at most 4096 are looked at. The
-- others keep their order. take(text) is called from the last in line to the first.
local function take_from_ready(job, take)
    local texts = call('LPOP', ready, 4096) or {}
    local kept = {}
    for i = 1, #texts do
        if parse(texts[i]) == job.id then
            take(texts[i])
        else
            kept[#kept + 1] = texts[i]
        end
    end
    for i = #kept, 1, -1 do
        call('LPUSH', ready, kept[i])
    end
end

local function finish(job)
    local time = now()
    local state = job.state == 'cancelled' and 'cancelled' or 'done'
    local field = call('HMGET', job.key, 'images', 'images_done', 'images_failed')
    call('HSET', job.key, 'state', state, 'reason', '', 'finished_ms', time)
    call('LREM', prefix .. 'jobs', 0, job.id)
    call('ZADD', prefix .. 'finished', time, job.id)
    if job.collected and state == 'cancelled' then -- nobody collects them any more
        call('UNLINK', job.key .. ':blobs', job.key .. ':finished', job.key .. ':collecting')
    end
    emit('job_' .. state, job.id, string.format('%s images, %s done, %s failed', field[1], field[2], field[3]))
    job.state = state
end

-- A job that had finished has tiles again.
local function reopen(job)
    call('HSET', job.key, 'state', 'running', 'finished_ms', 0)
    call('ZREM', prefix .. 'finished', job.id)
    call('RPUSH', prefix .. 'jobs', job.id)
    emit('job_reopened', job.id, '')
    job.state = 'running'
end

local function settle()
    for _, job in pairs(touched) do
        if job.state then
            for field, number in pairs(job.add) do
                if number ~= 0 then
                    call('HINCRBY', job.key, field, number)
                end
            end
            if job.ending or (job.add.left or 0) < 0 then
                local left = tonumber(call('HGET', job.key, 'left'))
                local over = call('HGET', job.key, 'finished_ms')
                if left <= 0 and over == '0' and (job.sealed or job.state == 'cancelled') then
                    finish(job)
                end
            end
        end
    end
end

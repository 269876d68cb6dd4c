-- commit.lua: ends tiles whose results are in place, and claims the next ones.
-- ARGV: claims key, worker id, most to claim, ready_low, ready_batch, then for each tile: task,
--       pixels, bytes
-- Reply: outcomes as one digit each (the values of QueueCommit), the tasks claimed
-- A claim that is no longer in the list was taken away: nothing changes but the count `fenced`.
local DONE, JOIN, FENCED, DUPLICATE, DROPPED = 0, 1, 2, 3, 4
local claims = ARGV[1]

-- A tile of a cut image is done: the last one puts the join first in line. The image is at its end
-- when its other tiles are dead.
local function part_done(job, image, tiles)
    local parts = call('HINCRBY', job.key .. ':parts', image, 1)
    if parts == tiles then
        requeue(job, job.id .. ':' .. image .. ':' .. tiles .. ':0:0')
        count(job, 'tiles', 1)
        count(job, 'left', 1)
        return JOIN
    end
    local dead = tonumber(call('HGET', job.key .. ':failed', image)) or 0
    if dead > 0 and parts + dead >= tiles then
        image_ended(job, image, 'failed')
    end
    return DONE
end

local function commit(text, pixels, bytes)
    local id, image, tile = parse(text)
    local job = job_of(id)
    if call('LREM', claims, 1, text) == 0 then
        count(job, 'fenced', 1)
        return FENCED
    end
    local first, tiles = place_of(job, image)
    if not first then
        if job.state then
            bury(job, text, ARGV[2], 'the queue lost the record of this image')
        end
        return DROPPED
    end
    if call('GETBIT', job.key .. ':done', first + tile) == 1 then
        return DUPLICATE
    end
    if job.state == 'cancelled' then
        drop(job, text)
        return DROPPED
    end
    call('SETBIT', job.key .. ':done', first + tile, 1)
    count(job, 'left', -1)
    count(job, 'pixels_done', pixels)
    count(job, 'bytes_done', bytes)
    if tiles > 1 and tonumber(tile) < tiles then
        return part_done(job, image, tiles)
    end
    count(job, 'images_done', 1)
    image_ended(job, image, 'done')
    return DONE
end

local outcomes = {}
for i = 6, #ARGV, 3 do
    outcomes[#outcomes + 1] = commit(ARGV[i], ARGV[i + 1], ARGV[i + 2])
end
local low, batch, most = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[3])
local texts = {}
if most > 0 then
    local state = call('HGET', prefix .. 'worker:' .. ARGV[2], 'state')
    if state and state ~= 'fenced' then
        texts = claim(claims, most, low, batch)
    end
end
refill(low, batch)
settle()
return {table.concat(outcomes), texts}

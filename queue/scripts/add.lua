-- add.lua: stores images of a job and lists their tiles, once: a call that comes again changes
-- nothing, since images are numbered and `images` says how many there are.
-- ARGV: id, number of the first image, ready_low, ready_batch, who adds ("": anyone), then for each
--       image: record, tiles, pixels
-- Reply: how many images the job has, how many bits they use
local job = job_of(ARGV[1])
if not job.state then
    return redis.error_reply('JOB there is no job ' .. ARGV[1])
end
if job.sealed or job.state == 'cancelled' then
    return redis.error_reply('JOB job ' .. ARGV[1] .. ' takes no more images: it is ' ..
                             (job.state == 'cancelled' and 'cancelled' or 'sealed'))
end
if ARGV[5] ~= '' then
    if call('HGET', job.key, 'producer') ~= ARGV[5] then
        return redis.error_reply('JOB job ' .. ARGV[1] .. ' was taken over by another submission of the same')
    end
    call('HSET', job.key, 'tended_ms', now())
end

local function list_tiles(image, tiles)
    local texts = {}
    for tile = 0, tiles - 1 do
        texts[#texts + 1] = string.format('%s:%d:%d:0:0', job.id, image, tile)
        if #texts == 1000 or tile == tiles - 1 then
            call('RPUSH', job.key .. ':tiles', unpack(texts))
            texts = {}
        end
    end
end

local image = tonumber(ARGV[2])
if image == tonumber(call('HGET', job.key, 'images')) then
    for i = 6, #ARGV, 3 do
        local tiles = tonumber(ARGV[i + 1])
        call('HSET', job.key .. ':images', image, ARGV[i])
        list_tiles(image, tiles)
        image = image + 1
        count(job, 'images', 1)
        count(job, 'tiles', tiles)
        count(job, 'left', tiles)
        count(job, 'bits', tiles > 1 and tiles + 1 or 1)
        count(job, 'pixels', ARGV[i + 2])
    end
end
settle()
refill(tonumber(ARGV[3]), tonumber(ARGV[4]))
return call('HMGET', job.key, 'images', 'bits')

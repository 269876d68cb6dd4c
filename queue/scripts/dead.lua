-- dead.lua: one step through `dead` for one job: its tiles are tried again, counts at 0, or
-- discarded; those of other jobs go to the end of the list.
-- ARGV: id, "retry" | "discard", most
-- Reply: tiles looked at, tiles of the job among them
local job = job_of(ARGV[1])
if not job.state then
    return redis.error_reply('JOB there is no job ' .. ARGV[1])
end
if ARGV[2] == 'retry' and job.state == 'cancelled' then
    return redis.error_reply('JOB job ' .. ARGV[1] .. ' was cancelled: submit its images again')
end

local function retry(image, tile)
    call('RPUSH', job.key .. ':tiles', job.id .. ':' .. image .. ':' .. tile .. ':0:0')
    count(job, 'left', 1)
    if call('HINCRBY', job.key .. ':failed', image, -1) == 0 then
        call('HDEL', job.key .. ':failed', image)
        count(job, 'images_failed', -1)
    end
end

local texts = call('LPOP', prefix .. 'dead', ARGV[3]) or {}
local others, moved = {}, 0
for _, text in ipairs(texts) do
    local id, image, tile = parse(text)
    if id ~= job.id then
        others[#others + 1] = text
    else
        call('HDEL', prefix .. 'dead:info', text)
        moved = moved + 1
        if ARGV[2] == 'retry' then
            retry(image, tile)
        else
            mark_dropped(job, image, tile)
        end
    end
end
if #others > 0 then
    call('RPUSH', prefix .. 'dead', unpack(others))
end
count(job, 'dead', -moved)
if moved > 0 and ARGV[2] == 'retry' and job.state == 'done' then
    reopen(job)
end
settle()
return {#texts, moved}

-- dead.lua: one step through `dead`: tiles of one job, or of all, whose reason has a text in it, are
-- tried again, counts at 0, or discarded; the others go to the end of the list.
-- ARGV: id or "", "retry" | "discard", most, text or ""
-- Reply: tiles looked at, tiles moved
-- Tiles of a cancelled job are not tried again: those of one that is named are refused.
local wanted, verb, text_wanted = ARGV[1], ARGV[2], ARGV[4]
if wanted ~= '' then
    local job = job_of(wanted)
    if not job.state then
        return redis.error_reply('JOB there is no job ' .. wanted)
    end
    if verb == 'retry' and job.state == 'cancelled' then
        return redis.error_reply('JOB job ' .. wanted .. ' was cancelled: submit its images again')
    end
end

local function is_meant(job, text)
    if (wanted ~= '' and job.id ~= wanted) or (verb == 'retry' and job.state == 'cancelled') then
        return false
    end
    if text_wanted == '' then
        return true
    end
    local info = call('HGET', prefix .. 'dead:info', text) or ''
    local reason = string.match(info, '^%S+ %S* (.*)$') or info
    return string.find(reason, text_wanted, 1, true) ~= nil
end

local function retry(job, image, tile)
    call('RPUSH', job.key .. ':tiles', job.id .. ':' .. image .. ':' .. tile .. ':0:0')
    count(job, 'left', 1)
    if call('HINCRBY', job.key .. ':failed', image, -1) == 0 then
        call('HDEL', job.key .. ':failed', image)
        count(job, 'images_failed', -1)
    end
    if job.state == 'done' then
        reopen(job)
    end
end

local texts = call('LPOP', prefix .. 'dead', ARGV[3]) or {}
local others, moved = {}, 0
for _, text in ipairs(texts) do
    local id, image, tile = parse(text)
    local job = job_of(id)
    if not is_meant(job, text) then
        others[#others + 1] = text
    else
        call('HDEL', prefix .. 'dead:info', text)
        moved = moved + 1
        count(job, 'dead', -1)
        if job.state and verb == 'retry' then
            retry(job, image, tile)
        elseif job.state then
            mark_dropped(job, image, tile)
        end
    end
end
if #others > 0 then
    call('RPUSH', prefix .. 'dead', unpack(others))
end
settle()
return {#texts, moved}

-- leave.lua: one step of a worker's leaving: what its lanes still hold goes back, nothing counted;
-- then its record goes. Also removes a fenced worker whose lists are empty ("forget").
-- ARGV: id, "leave" | "forget", most
-- Reply: 1 when another step is needed
local key = prefix .. 'worker:' .. ARGV[1]
local field = call('HMGET', key, 'state', 'lanes')
local left = tonumber(ARGV[3])
if not field[1] or (ARGV[2] == 'forget' and field[1] ~= 'fenced') then
    return 0
end
for lane = 0, tonumber(field[2]) - 1 do
    local claims = prefix .. 'processing:' .. ARGV[1] .. ':' .. lane
    if ARGV[2] == 'forget' and call('EXISTS', claims) == 1 then
        return 0
    end
    for _, text in ipairs(left > 0 and call('LPOP', claims, left) or {}) do
        local id = parse(text)
        if id then
            requeue(job_of(id), text)
        end
        left = left - 1
    end
end
if left > 0 then
    call('DEL', key, prefix .. 'wake:' .. ARGV[1])
    call('SREM', prefix .. 'workers', ARGV[1])
    if ARGV[2] == 'leave' then
        emit('worker_left', '', ARGV[1])
    end
end
settle()
return left > 0 and 0 or 1

-- promote.lua: retries whose time has come go to `ready`.
-- ARGV: most
-- Reply: how many
local texts = call('ZRANGEBYSCORE', prefix .. 'delayed', '-inf', now(), 'LIMIT', 0, ARGV[1])
for _, text in ipairs(texts) do
    call('ZREM', prefix .. 'delayed', text)
    requeue(job_of((parse(text))), text)
end
settle()
return #texts

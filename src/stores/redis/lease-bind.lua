-- Says which stream a live lease's answer travels on.
-- KEYS: the slots, their leases. ARGV: now (epoch ms; 0 = the server's clock), id, stream, repeatKey (none: no name).
-- Answers the holder's other live lease on that stream with that repeatKey, as readLease does, or nothing.

local slots = { slots = KEYS[1], leases = KEYS[2] }
local now = instantOf(ARGV[1])
local id, stream, repeatKey = ARGV[2], ARGV[3], ARGV[4]

if isLive(slots, id, now) then
  redis.call('HSET', slots.leases, 'b:' .. id, int(now), 's:' .. id, stream)
  if repeatKey then redis.call('HSET', slots.leases, 'r:' .. id, repeatKey) end
end
if not repeatKey then return false end
for _, other in ipairs(liveIds(slots, now)) do
  local bound = redis.call('HMGET', slots.leases, 's:' .. other, 'r:' .. other)
  if other ~= id and bound[1] == stream and bound[2] == repeatKey then return readLease(slots, other) end
end
return false

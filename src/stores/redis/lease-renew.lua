-- Lets a live lease run out later, or sooner. One that is gone stays gone.
-- KEYS: the slots, their leases. ARGV: now (epoch ms; 0 = the server's clock), id, leaseMs.

local slots = { slots = KEYS[1], leases = KEYS[2] }
local now = instantOf(ARGV[1])
if isLive(slots, ARGV[2], now) then
  redis.call('ZADD', slots.slots, int(now + ARGV[3]), ARGV[2])
  keepSlots(slots, now)
end

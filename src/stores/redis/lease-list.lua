-- A look at the live leases of a holder.
-- KEYS: the slots, their leases. ARGV: now (epoch ms; 0 = the server's clock).
-- Answers { at, lease… }, a lease as readLease does.

local slots = { slots = KEYS[1], leases = KEYS[2] }
local now = instantOf(ARGV[1])
local answer = { int(now) }
for _, id in ipairs(liveIds(slots, now)) do answer[#answer + 1] = readLease(slots, id) end
return answer

-- A look at the suspension in force.
-- KEYS: the subject's hash. ARGV: now (epoch ms; 0 = the server's clock).
-- Answers { ms that are left, reason, message }, or nothing.

local now = instantOf(ARGV[1])
local endsAt, reason, message = suspensionOf(KEYS[1], now)
if not endsAt then return false end
return { int(endsAt - now), reason, message }

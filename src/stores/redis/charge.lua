-- Charges or refunds one bucket outside a decision.
-- KEYS: the window. ARGV: now (epoch ms; 0 = the server's clock), charge or refund, kind (f, l, w, g), max, windowMs,
-- burst, cost; of a refund perhaps also when the places were taken, and how many were left then.

local now = instantOf(ARGV[1])
local rule = {
  key = KEYS[1], kind = ARGV[3], max = tonumber(ARGV[4]), windowMs = tonumber(ARGV[5]), burst = tonumber(ARGV[6]),
}
local cost = tonumber(ARGV[7])

if ARGV[2] == 'charge' then
  local state = lookAtWindow(rule, cost, now)
  chargeWindow(rule, state, cost, now)
else
  local taken = ARGV[8] and { at = tonumber(ARGV[8]), remaining = tonumber(ARGV[9]) } or nil
  refundWindow(rule, cost, now, taken)
end

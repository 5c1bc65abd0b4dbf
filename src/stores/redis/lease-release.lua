-- Gives a slot back.
-- KEYS: the slots, their leases. ARGV: id.

dropSlot({ slots = KEYS[1], leases = KEYS[2] }, ARGV[1])

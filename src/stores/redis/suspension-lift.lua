-- Ends a suspension; level and total stay, and the quiet time runs from now.
-- KEYS: the subject's hash. ARGV: now (epoch ms; 0 = the server's clock).
-- Answers 1; 0: none was in force.

local key, now = KEYS[1], instantOf(ARGV[1])
if not suspensionOf(key, now) then return 0 end
redis.call('HDEL', key, 'until', 'reason', 'message')
redis.call('HSET', key, 'contentUntil', int(math.min(now, numberIn(key, 'contentUntil'))))
return 1

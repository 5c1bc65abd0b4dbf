-- Notes messages that suspended nobody.
-- KEYS: the subject's hash. ARGV: [1] now (epoch ms; 0 = the server's clock), [2] how long ago they came (ms), [3] refused
-- (0, 1), [4] how many, [5] reset on (quiet, clean-message), [6] reset after (ms), [7] retention (ms).

local key, now = KEYS[1], instantOf(ARGV[1])
local at, isRefused = now - ARGV[2], ARGV[3] == '1'
local reset = { on = ARGV[5], afterMs = tonumber(ARGV[6]) }

if (reset.on == 'quiet' or not isRefused) and isQuiet(key, reset, at) then redis.call('HDEL', key, 'level') end
noteInstant(key, at)
if not isRefused then redis.call('HSET', key, 'total', int(numberIn(key, 'total') + ARGV[4])) end
keepSubject(key, now, tonumber(ARGV[7]))

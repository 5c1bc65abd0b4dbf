-- Says where a snapshot of the bans begins, and keeps their keys alive.
-- KEYS: [1] bans, [2] lifts, [3] changes, as in bans-put.lua. ARGV: [1] expiry of the keys (ms), [2] a generation for a
-- Redis that has none.
-- Answers {generation, number of the last change, its id in the stream}.

redis.call('HSETNX', KEYS[1], ':generation', ARGV[2])
for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], ARGV[1]) end
local last = redis.call('XREVRANGE', KEYS[3], '+', '-', 'COUNT', 1)[1]
return {
  redis.call('HGET', KEYS[1], ':generation'),
  tonumber(redis.call('HGET', KEYS[1], ':seq') or 0) or 0,
  last and last[1] or '0-0',
}

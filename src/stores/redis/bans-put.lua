-- Puts the state of one subject, its ban and its last lift, in place of the one that the caller knows, and tells all
-- instances. A lift on record never goes back.
-- KEYS: [1] bans (hash: subject -> JSON, and :generation, :seq), [2] lifts (sorted set: subject by instant of its lift),
-- [3] changes (stream). ARGV: [1] subject, [2] JSON that the caller knows, [3] JSON to put ('' = no ban, both),
-- [4] lift that the caller knows (epoch ms, -1 = none), [5] by whom, [6] the caller's instant, [7] lifts before this
-- instant are forgotten, [8] expiry of the keys (ms), [9] a generation for a Redis that has none.
-- A lift whose instant is not finite is none of ours: as if there were none.
-- Answers {1, number of the change; 0 = it was so already}, or {0, JSON found, lift found} and changes nothing.

local MAX_CHANGES, MAX_LIFTS = 10000, 100000
local subject, known, json, lift = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

local found = redis.call('HGET', KEYS[1], subject) or ''
local foundLift = redis.call('ZSCORE', KEYS[2], subject) or '-1'
if math.abs(tonumber(foundLift)) == math.huge then foundLift = '-1' end
if found == json and tonumber(foundLift) == lift then return {1, 0} end
if found ~= known or tonumber(foundLift) > lift then return {0, found, foundLift} end

-- First a write that a Redis without memory refuses: then nothing of the rest is done either.
redis.call('HSETNX', KEYS[1], ':generation', ARGV[9])
local seq = redis.call('HINCRBY', KEYS[1], ':seq', 1)
if json == '' then
  redis.call('HDEL', KEYS[1], subject)
else
  redis.call('HSET', KEYS[1], subject, json)
end
if lift >= 0 then
  redis.call('ZADD', KEYS[2], ARGV[4], subject)
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', '(' .. ARGV[7])
  redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -MAX_LIFTS - 1)
end
redis.call('XADD', KEYS[3], 'MAXLEN', '~', MAX_CHANGES, '*',
  'n', seq, 'subject', subject, 'ban', json, 'lift', ARGV[4], 'by', ARGV[5], 'at', ARGV[6])
for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], ARGV[8]) end
return {1, seq}

-- Removes bans that ran out, unless somebody has made them longer meanwhile. Nobody is told: they hold nowhere. Whoever
-- asks may have a fast clock, so that they must have run out by ours too.
-- KEYS: [1] bans, as in bans-put.lua. ARGV: [1] now (epoch ms; 0 = the server's clock), then triples of subject, the JSON
-- that ran out and its end (epoch ms).
-- Answers how many are gone.

local now = instantOf(ARGV[1])
local gone = 0
for i = 2, #ARGV, 3 do
  if tonumber(ARGV[i + 2]) <= now and redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    gone = gone + redis.call('HDEL', KEYS[1], ARGV[i])
  end
end
return gone

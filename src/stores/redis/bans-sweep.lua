-- Removes bans that ran out, unless somebody has made them longer meanwhile. Nobody is told: they hold nowhere.
-- KEYS: [1] bans, as in bans-put.lua. ARGV: pairs of subject and the JSON that ran out.
-- Answers how many are gone.

local gone = 0
for i = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    gone = gone + redis.call('HDEL', KEYS[1], ARGV[i])
  end
end
return gone

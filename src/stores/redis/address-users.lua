-- Notes when users were seen (or banned) on one address.
-- KEYS: [1] users of the address (sorted set: user id by instant). ARGV: [1] users kept at most, [2] instants before this
-- one are forgotten, [3] expiry (ms), then pairs of instant (epoch ms) and user id.

for i = 4, #ARGV, 2 do redis.call('ZADD', KEYS[1], 'GT', ARGV[i], ARGV[i + 1]) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[2])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -tonumber(ARGV[1]) - 1)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1

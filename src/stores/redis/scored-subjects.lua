-- Notes when subjects were last scored.
-- KEYS: the index (a sorted set, score = the instant until which the subject's scores may have changed).
-- ARGV: subject, instant, instant up to which entries are forgotten, most entries, ms that the index is kept.

redis.call('ZADD', KEYS[1], 'GT', ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[5])

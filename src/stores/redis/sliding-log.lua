-- The sliding log of src/limits/algorithms: a list of instants, ascending, the newest last, never more than max.
-- State: the list's length; nil = a whole bucket. Charging and refunding write at once.

local slidingLog = {}

local function hitAt (rule, index)
  -- What others wrote there happened long ago.
  return finite(redis.call('LINDEX', rule.key, index)) or 0
end

local function hasLeft (at, rule, now)
  return at <= now - rule.windowMs or isOfTheFuture(at, rule, now)
end

-- Index of the oldest hit that still counts: mostly the first, else a binary search.
local function firstLive (rule, length, now)
  local low, high = 0, length
  if length > 0 and hitAt(rule, 0) > now - rule.windowMs then high = 0 end
  while low < high do
    local middle = math.floor((low + high) / 2)
    if hitAt(rule, middle) <= now - rule.windowMs then low = middle + 1 else high = middle end
  end
  return low
end

local function push (rule, places, at)
  local hits = {}
  for place = 1, places do hits[place] = int(at) end
  redis.call('RPUSH', rule.key, unpackAll(hits))
end

function slidingLog.load (rule)
  local length = redis.call('LLEN', rule.key)
  return length > 0 and length or nil
end

function slidingLog.save (rule, length, ttlMs)
  if length > 0 then redis.call('PEXPIRE', rule.key, int(ttlMs)) end
end

function slidingLog.look (length, rule, cost, now)
  if length == nil or length == 0 then return rule.max, now, now end
  local newest = hitAt(rule, length - 1)
  if hasLeft(newest, rule, now) then return rule.max, now, now end
  local remaining = math.max(0, rule.max - (length - firstLive(rule, length, now)))
  local resetAt = newest + rule.windowMs
  if remaining >= cost then return remaining, resetAt, now end
  -- One passes as soon as the oldest of the last max has left; a dearer one waits for more to leave.
  return remaining, resetAt, hitAt(rule, length - rule.max + cost - 1) + rule.windowMs
end

function slidingLog.charge (length, rule, cost, now)
  local places = math.min(cost, rule.max)
  local newest = length and hitAt(rule, length - 1) or now
  if length == nil or hasLeft(newest, rule, now) then
    redis.call('DEL', rule.key)
    push(rule, places, now)
    return places
  end
  -- A clock that steps back a little must not break the order.
  push(rule, places, math.max(now, newest))
  length = length + places
  -- What lies before the last max decides nothing any more.
  local surplus = math.max(firstLive(rule, length, now), length - rule.max)
  if surplus > 0 then redis.call('LTRIM', rule.key, surplus, -1) end
  return length - surplus
end

function slidingLog.refund (length, rule, cost, _now, taken)
  -- Those of that instant, or the newest.
  if taken then return length - redis.call('LREM', rule.key, cost, int(taken.at)) end
  redis.call('LTRIM', rule.key, 0, -1 - cost)
  return math.max(0, length - cost)
end

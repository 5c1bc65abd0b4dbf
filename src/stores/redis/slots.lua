-- Leases: a sorted set a holder and rule (member = the lease's id, score = the instant at which it runs out), and a hash
-- with what belongs to them, in fields "<member>:<id>": t = takenAt, b = boundAt, s = stream, r = repeatKey.
-- Slots: { slots = the sorted set, leases = the hash }.

local MEMBERS = { 't:', 'b:', 's:', 'r:' }

local function membersOf (id)
  local fields = {}
  for index, member in ipairs(MEMBERS) do fields[index] = member .. id end
  return fields
end

local function dropSlot (slots, id)
  redis.call('ZREM', slots.slots, id)
  redis.call('HDEL', slots.leases, unpackAll(membersOf(id)))
end

local function dropExpired (slots, now)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', slots.slots, '-inf', int(now))) do dropSlot(slots, id) end
end

local function isLive (slots, id, now)
  local expiresAt = redis.call('ZSCORE', slots.slots, id)
  return expiresAt and tonumber(expiresAt) > now
end

local function liveIds (slots, now)
  return redis.call('ZRANGEBYSCORE', slots.slots, '(' .. int(now), '+inf')
end

-- id, expiresAt, takenAt, boundAt, stream, repeatKey; the last three are missing until it is bound.
local function readLease (slots, id)
  local members = redis.call('HMGET', slots.leases, unpackAll(membersOf(id)))
  return { id, redis.call('ZSCORE', slots.slots, id), unpackAll(members) }
end

-- The keys live as long as the lease that lives longest.
local function keepSlots (slots, now)
  local last = redis.call('ZRANGE', slots.slots, -1, -1, 'WITHSCORES')
  if last[2] == nil then return end
  local ttl = int(math.max(0, last[2] - now) + MARGIN_MS)
  redis.call('PEXPIRE', slots.slots, ttl)
  redis.call('PEXPIRE', slots.leases, ttl)
end

local function isRepeated (slots, repeatKey)
  for _, id in ipairs(redis.call('ZRANGE', slots.slots, 0, -1)) do
    if redis.call('HGET', slots.leases, 'r:' .. id) == repeatKey then return true end
  end
  return false
end

-- Slot: slots with { id, takenAt, max, leaseMs, unlessRepeated (nil: not looked for) }. Answers granted, held, repeated.
local function takeSlot (slot, now)
  dropExpired(slot, now)
  local held = redis.call('ZCARD', slot.slots)
  if slot.unlessRepeated ~= nil and isRepeated(slot, slot.unlessRepeated) then return false, held, true end
  if held >= slot.max then return false, held, false end
  redis.call('ZADD', slot.slots, int(now + slot.leaseMs), slot.id)
  redis.call('HSET', slot.leases, 't:' .. slot.id, slot.takenAt)
  keepSlots(slot, now)
  return true, held + 1, false
end

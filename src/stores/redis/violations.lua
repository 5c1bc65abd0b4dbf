-- Scores: a hash a subject, one field a type, each "total score updatedAt expiresAt"; "-" never expires. Scores are in
-- millionths, so that tenths add up. Beside it the last bookings, in two hashes of id -> "before after at crossed", one
-- after the other, so that forgetting costs nothing; ":age" is how many ms the younger has been filled for.
-- Breach: { scores, booked, bookedBefore, id, type, score, interval, scope, ttlMs (-1 = never), keepMs, ageMs }.

local MILLIONTHS = 1000000
local NEVER = math.huge
-- Remembered is a minute in which bookings are made, and 256 bookings, up to 10,000: as many as an instance has under way
-- at most, so that it may lose all their answers. At most twice of that is kept.
local FEWEST, MOST = 256, 10000
local LEAST_MS = 60000
-- Silence counts for no more: who was cut off tells the rest when he is back.
local SILENCE_MS = 10000
local REMEMBERED_MS = 3600000

-- score is what is left of it now; kept is as it stands there.
local function readRecord (text, now)
  local total, score, updatedAt, expiresAt = string.match(text or '', '^(%S+) (%S+) (%S+) (%S+)')
  local record = {
    total = finite(total), kept = finite(score), updatedAt = finite(updatedAt),
    expiresAt = expiresAt == '-' and NEVER or finite(expiresAt),
  }
  if not (record.total and record.kept and record.updatedAt and record.expiresAt) then return nil end
  record.score = now < record.expiresAt and record.kept or 0
  return record
end

local function writeRecord (key, type, record)
  local expiresAt = record.expiresAt == NEVER and '-' or int(record.expiresAt)
  local text = table.concat({ int(record.total), int(record.kept), int(record.updatedAt), expiresAt }, ' ')
  redis.call('HSET', key, type, text)
end

local function sumOf (key, now)
  local sum = 0
  for _, text in ipairs(redis.call('HVALS', key)) do
    local record = readRecord(text, now)
    if record ~= nil then sum = sum + record.score end
  end
  return sum
end

-- What a booking of this id answered the first time; nil: it is the first.
local function noted (breach)
  local booking = redis.call('HGET', breach.booked, breach.id) or redis.call('HGET', breach.bookedBefore, breach.id)
  return booking and { string.match(booking, '^(%S+) (%S+) (%S+) (%S+)$') } or nil
end

-- The expiry that is left tells when the last booking was noted.
local function makeRoom (breach)
  local left = redis.call('PTTL', breach.booked)
  if left < 0 then return end
  local silence = math.max(0, math.min(REMEMBERED_MS - left, SILENCE_MS))
  local age = redis.call('HINCRBY', breach.booked, ':age', silence)
  local count = redis.call('HLEN', breach.booked) - 1
  if count < FEWEST or (count < MOST and age < LEAST_MS) then return end
  redis.call('UNLINK', breach.bookedBefore)
  redis.call('RENAME', breach.booked, breach.bookedBefore)
end

local function note (breach, booking)
  makeRoom(breach)
  redis.call('HSET', breach.booked, breach.id, table.concat(booking, ' '))
  redis.call('PEXPIRE', breach.booked, REMEMBERED_MS)
end

-- Moves the record on; what happened long ago (the store was away) shortens nothing, and what would have run out
-- already is only counted. Answers whether the score moved.
local function move (record, breach, now)
  local at = now - breach.ageMs
  local runsOutAt = breach.ttlMs < 0 and NEVER or at + breach.ttlMs
  local isOver = breach.ageMs > 0 and runsOutAt <= now
  local isLive = now < record.expiresAt
  record.total = record.total + 1
  if not isOver then record.kept = record.score + breach.score end
  if isOver or (isLive and at < record.updatedAt) then
    record.expiresAt = math.max(record.expiresAt, runsOutAt)
  else
    record.expiresAt = runsOutAt
  end
  record.updatedAt = math.max(record.updatedAt, at)
  return not isOver
end

local function expireLater (key, ttlMs)
  redis.call('PEXPIRE', key, int(math.max(ttlMs, redis.call('PTTL', key))))
end

-- Answers before, after, at, crossed ('1' or '0').
local function book (breach, now)
  local known = noted(breach)
  if known ~= nil then return known end
  local record = readRecord(redis.call('HGET', breach.scores, breach.type), now)
  -- Past its retention, and only kept for another type's sake.
  if record == nil or (record.score == 0 and record.updatedAt < now - breach.keepMs) then
    record = { total = 0, score = 0, kept = 0, updatedAt = 0, expiresAt = 0 }
  end
  local before = breach.scope == 'total' and sumOf(breach.scores, now) or record.score
  local after = before
  if move(record, breach, now) then after = before + breach.score end
  writeRecord(breach.scores, breach.type, record)
  expireLater(breach.scores, breach.keepMs + MARGIN_MS)
  local function multiples (score) return math.floor(score / MILLIONTHS / breach.interval) end
  local crossed = multiples(before) < multiples(after) and '1' or '0'
  local booking = { int(before), int(after), int(now - breach.ageMs), crossed }
  note(breach, booking)
  return booking
end

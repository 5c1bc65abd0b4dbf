-- Suspensions: a hash a subject, the arithmetic of src/suspensions/ladder.ts over it. Fields: level, contentUntil,
-- lastMessageAt, total; until, reason, message of the latest suspension (missing: none); ids = the last infractions,
-- newest last, with spaces between, and answer:<id> = "until reason message", what each was answered.

local REMEMBERED = 16

local function numberIn (key, field)
  return finite(redis.call('HGET', key, field)) or 0
end

-- Answers until, reason, message of the suspension in force, or nothing.
local function suspensionOf (key, now)
  local latest = redis.call('HMGET', key, 'until', 'reason', 'message')
  local endsAt = finite(latest[1])
  if endsAt and endsAt > now then return endsAt, latest[2] or '', latest[3] or '' end
end

-- Reset: { on ('quiet', 'clean-message'; '-' = never), afterMs }. 'clean-message' asks for the last message alone.
local function isQuiet (key, reset, at)
  local since = numberIn(key, 'lastMessageAt')
  if reset.on == 'quiet' then since = math.max(since, numberIn(key, 'contentUntil')) end
  return at - since > reset.afterMs
end

-- The key outlives its suspension, and its last message, by the retention.
local function keepSubject (key, now, retentionMs)
  local last = math.max(now, numberIn(key, 'until'), numberIn(key, 'contentUntil'))
  redis.call('PEXPIRE', key, int(last - now + retentionMs + MARGIN_MS))
end

local function noteInstant (key, at)
  redis.call('HSET', key, 'lastMessageAt', int(math.max(at, numberIn(key, 'lastMessageAt'))))
end

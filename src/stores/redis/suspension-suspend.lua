-- Suspends a subject, or lengthens its suspension; an infraction that is known by its id is answered as the first time.
-- KEYS: the subject's hash. ARGV: [1] now (epoch ms; 0 = the server's clock), [2] how long ago it happened (ms), [3] id,
-- [4] reason (content, rate), [5] message, [6] retention (ms), [7] reset on (quiet, clean-message, -), [8] reset after
-- (ms), [9] severity, [10...] durations (ms) by level; of a rate suspension the only one.
-- Answers { ms that are left, reason, message } of the suspension that holds.

local key, now = KEYS[1], instantOf(ARGV[1])
local at, id, reason, message = now - ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local reset = { on = ARGV[7], afterMs = tonumber(ARGV[8]) }

local function durationOf (level)
  return tonumber(ARGV[10 + math.min(level, #ARGV - 10)])
end

-- Beside a content suspension in force an infraction is measured at that one's level: no further step.
local function climb (level)
  local contentUntil = numberIn(key, 'contentUntil')
  local own = contentUntil > at and math.max(0, numberIn(key, 'level') - 1) or level
  local reached = math.max(own, tonumber(ARGV[9]))
  local endsAt = at + durationOf(reached)
  redis.call('HSET', key, 'level', int(math.max(reached + 1, level)), 'contentUntil', int(math.max(contentUntil, endsAt)))
  return endsAt
end

local function remember (answer)
  local ids = {}
  for word in string.gmatch(redis.call('HGET', key, 'ids') or '', '%S+') do ids[#ids + 1] = word end
  ids[#ids + 1] = id
  if #ids > REMEMBERED then redis.call('HDEL', key, 'answer:' .. table.remove(ids, 1)) end
  redis.call('HSET', key, 'ids', table.concat(ids, ' '), 'answer:' .. id, answer)
end

local known = redis.call('HGET', key, 'answer:' .. id)
local endedAt, first, text = string.match(known or '', '^(%S+) (%S+) (.*)$')
if endedAt then return { int(endedAt - now), first, text } end

local level = numberIn(key, 'level')
if reset.on == 'quiet' and isQuiet(key, reset, at) then level = 0 end
local endsAt
if reason == 'content' then
  endsAt = climb(level)
else
  redis.call('HSET', key, 'level', int(level))
  endsAt = at + durationOf(0)
end
noteInstant(key, at)

-- The later end holds.
if numberIn(key, 'until') < endsAt then
  redis.call('HSET', key, 'until', int(endsAt), 'reason', reason, 'message', message)
end
local latest = redis.call('HMGET', key, 'until', 'reason', 'message')
remember(table.concat({ latest[1], latest[2] or reason, latest[3] or '' }, ' '))
keepSubject(key, now, tonumber(ARGV[6]))
return { int(latest[1] - now), latest[2] or reason, latest[3] or '' }

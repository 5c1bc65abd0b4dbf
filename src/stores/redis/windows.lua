-- The windows of limiters over their keys: what src/limits/window.ts is over states.
-- Rule: { key, kind, max, windowMs, burst }. The kind stands in the key's name too, so that the state of another
-- algorithm (before a reload) is no state: a whole bucket.

local SIZES = { f = 2, w = 3, g = 2 }

-- A state of numbers is one string; any other is no state, as nobody's charge could be added to it.
local function loadNumbers (rule)
  local text = redis.call('GET', rule.key)
  if not text then return nil end
  local numbers = {}
  for word in string.gmatch(text, '%S+') do
    local number = finite(word)
    if number == nil then return nil end
    numbers[#numbers + 1] = number
  end
  return #numbers == SIZES[rule.kind] and numbers or nil
end

local function saveNumbers (rule, state, ttlMs)
  local texts = {}
  for index, number in ipairs(state) do texts[index] = int(number) end
  redis.call('SET', rule.key, table.concat(texts, ' '), 'PX', int(ttlMs))
end

for _, algorithm in ipairs({ fixedWindow, slidingWeighted, gcra }) do
  algorithm.load = loadNumbers
  algorithm.save = saveNumbers
end

local algorithms = { f = fixedWindow, l = slidingLog, w = slidingWeighted, g = gcra }

-- Answers remaining, resetAt, retryAt. Whoever asks for more than a whole bucket is told when it is whole.
local function standingOf (rule, state, cost, now)
  -- Nothing passes. Whoever asks when to come back is told to wait a window.
  if rule.max <= 0 then return 0, now + rule.windowMs, now + rule.windowMs end
  local most = rule.kind == 'g' and rule.burst or rule.max
  return algorithms[rule.kind].look(state, rule, math.min(cost, most), now)
end

local function save (rule, state, cost, now)
  local remaining, resetAt, retryAt = standingOf(rule, state, cost, now)
  algorithms[rule.kind].save(rule, state, math.max(0, resetAt - now) + MARGIN_MS)
  return remaining, resetAt, retryAt
end

-- A look: changes nothing. The state is for chargeWindow.
local function lookAtWindow (rule, cost, now)
  local state = rule.max > 0 and algorithms[rule.kind].load(rule) or nil
  return state, standingOf(rule, state, cost, now)
end

-- Takes the places, room or not.
local function chargeWindow (rule, state, cost, now)
  return save(rule, algorithms[rule.kind].charge(state, rule, cost, now), cost, now)
end

-- Taken: { at, remaining } of a charge that is given back long after; nil = a moment ago.
local function refundWindow (rule, cost, now, taken)
  local state = algorithms[rule.kind].load(rule)
  if state ~= nil then save(rule, algorithms[rule.kind].refund(state, rule, cost, now, taken), cost, now) end
end

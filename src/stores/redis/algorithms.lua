-- The algorithms of src/limits/algorithms whose states are a few whole numbers: what is said there holds here.
-- State: an array, nil = a whole bucket. Rule: { max, windowMs, burst }.
-- look answers remaining, resetAt, retryAt; charge and refund answer the new state.

-- A clock that jumped back by a window or more must not hold people in windows of the future.
local function isOfTheFuture (at, rule, now)
  return at - now >= rule.windowMs
end

-- State: startedAt, count.
local fixedWindow = {}

local function hasEnded (state, rule, now)
  return now >= state[1] + rule.windowMs or isOfTheFuture(state[1], rule, now)
end

function fixedWindow.look (state, rule, cost, now)
  if state == nil or hasEnded(state, rule, now) then return rule.max, now, now end
  local endsAt = state[1] + rule.windowMs
  local remaining = math.max(0, rule.max - state[2])
  return remaining, endsAt, remaining >= cost and now or endsAt
end

function fixedWindow.charge (state, rule, cost, now)
  if state == nil or hasEnded(state, rule, now) then return { now, cost } end
  return { state[1], state[2] + cost }
end

function fixedWindow.refund (state, rule, cost, now, taken)
  if hasEnded(state, rule, now) or (taken and taken.at < state[1]) then return state end
  return { state[1], math.max(0, state[2] - cost) }
end

-- State: startedAt, current, previous.
local slidingWeighted = {}

-- The state as it reads now, with windows that have passed moved on.
local function viewAt (state, rule, now)
  if state == nil or isOfTheFuture(state[1], rule, now) then return now, 0, 0 end
  local passed = math.floor((now - state[1]) / rule.windowMs)
  if passed > 1 then return now, 0, 0 end
  local startedAt, current, previous = state[1], state[2], state[3]
  if passed == 1 then startedAt, current, previous = state[1] + rule.windowMs, 0, state[2] end
  if current + previous > 0 then return startedAt, current, previous end
  return now, 0, 0
end

-- When the weight of the past has sunk far enough; if not in this window, in the next one it is all past.
local function lightAt (startedAt, current, previous, rule, cost)
  local room = rule.max - cost - current
  if room >= 0 then return startedAt + rule.windowMs - math.floor(room * rule.windowMs / previous) end
  local shareMs = math.floor((rule.max - cost) * rule.windowMs / current)
  return startedAt + rule.windowMs + rule.windowMs - math.min(rule.windowMs, shareMs)
end

function slidingWeighted.look (state, rule, cost, now)
  local startedAt, current, previous = viewAt(state, rule, now)
  local weighted = previous * (rule.windowMs - math.max(0, now - startedAt))
  local remaining = math.max(0, math.floor(((rule.max - current) * rule.windowMs - weighted) / rule.windowMs))
  local resetAt = now
  if current > 0 then
    resetAt = startedAt + rule.windowMs + rule.windowMs
  elseif previous > 0 then
    resetAt = startedAt + rule.windowMs
  end
  if remaining >= cost then return remaining, resetAt, now end
  return remaining, resetAt, lightAt(startedAt, current, previous, rule, cost)
end

function slidingWeighted.charge (state, rule, cost, now)
  local startedAt, current, previous = viewAt(state, rule, now)
  return { startedAt, current + cost, previous }
end

function slidingWeighted.refund (state, rule, cost, now, taken)
  if taken then
    local startedAt, current, previous = viewAt(state, rule, now)
    if taken.at >= startedAt then
      current = math.max(0, current - cost)
    elseif taken.at >= startedAt - rule.windowMs then
      previous = math.max(0, previous - cost)
    end
    return { startedAt, current, previous }
  end
  local ofCurrent = math.min(cost, state[2])
  return { state[1], state[2] - ofCurrent, math.max(0, state[3] - (cost - ofCurrent)) }
end

-- State: debt, at. The debt is in places times windowMs.
local gcra = {}

local function debtAt (state, rule, now)
  if state == nil or isOfTheFuture(state[2], rule, now) then return 0 end
  local paid = math.max(0, now - state[2]) * rule.max
  return math.min(math.max(0, state[1] - paid), rule.burst * rule.windowMs)
end

function gcra.look (state, rule, cost, now)
  local debt = debtAt(state, rule, now)
  local remaining = math.floor((rule.burst * rule.windowMs - debt) / rule.windowMs)
  local at = now
  if state ~= nil and debt > 0 then at = math.max(now, state[2]) end
  local resetAt = at + math.ceil(debt / rule.max)
  if remaining >= cost then return remaining, resetAt, now end
  return remaining, resetAt, at + math.ceil((debt - (rule.burst - cost) * rule.windowMs) / rule.max)
end

function gcra.charge (state, rule, cost, now)
  local debt = math.min(debtAt(state, rule, now) + cost * rule.windowMs, rule.burst * rule.windowMs)
  if state == nil or isOfTheFuture(state[2], rule, now) then return { debt, now } end
  return { debt, math.max(now, state[2]) }
end

-- No more than what has not come back by itself, or it would be taken from those who came later.
function gcra.refund (state, rule, cost, now, taken)
  local places = cost * rule.windowMs
  if taken then
    local debt = (rule.burst - taken.remaining) * rule.windowMs
    places = math.min(places, math.max(0, debt - math.max(0, now - taken.at) * rule.max))
  end
  return { math.max(0, state[1] - places), state[2] }
end

-- One decision, atomic: books what is due from elsewhere, looks whether the watched subject is suspended, charges the
-- hits in order until one refuses, books that refusal, and takes the slots if none did.
-- KEYS: those that the arguments name by their place: windows, scores, bookings, slots, leases, suspension.
-- ARGV: now (epoch ms; 0 = the server's clock), key of the watched subject's suspension?, then three counts, each
-- followed by so many of
--   breaches that are due;
--   hits: key, "kind(f, l, w, g) max windowMs burst cost peek(0, 1) observe(0, 1)", breach?;
--   slots: key of the sorted set, key of the hash, id, "takenAt max leaseMs", repeatKey?, breach?
--   where "...?" is 0, or 1 and the thing, and a breach is: key of the scores, keys of the bookings, id, type,
--   "score(millionths) interval scope(type, total) ttlMs(-1 = never) keepMs ageMs".
-- Answers { at, bookings due, standings, full, slots, suspension }, numbers as text; the suspension in force, which ends
-- all, is { ms that are left, reason, message }, else {}:
--   booking: before, after, at, crossed; standing of each hit, flat: charged, remaining, resetAt, retryAt;
--   full: { place of the hit, booking... }; slot, up to the first not granted: { granted, held, repeated, booking... }.

local HIT = '^(%a) (%S+) (%S+) (%S+) (%S+) (%d) (%d)$'
local SLOT = '^(%S+) (%S+) (%S+)$'
local BREACH = '^(%S+) (%S+) (%a+) (%S+) (%S+) (%S+)$'

local place = 0

local function text ()
  place = place + 1
  return ARGV[place]
end

local function number () return tonumber(text()) end
local function key () return KEYS[number()] end
local function perhaps (read) if text() == '1' then return read() end end

local function readBreach ()
  local breach = { scores = key(), booked = key(), bookedBefore = key(), id = text(), type = text() }
  local score, interval, scope, ttlMs, keepMs, ageMs = string.match(text(), BREACH)
  breach.score, breach.interval, breach.scope = tonumber(score), tonumber(interval), scope
  breach.ttlMs, breach.keepMs, breach.ageMs = tonumber(ttlMs), tonumber(keepMs), tonumber(ageMs)
  return breach
end

local function readHit ()
  local hit = { key = key() }
  local kind, max, windowMs, burst, cost, peek, observe = string.match(text(), HIT)
  hit.kind, hit.max, hit.windowMs, hit.burst = kind, tonumber(max), tonumber(windowMs), tonumber(burst)
  hit.cost, hit.peek, hit.observe = tonumber(cost), peek == '1', observe == '1'
  hit.breach = perhaps(readBreach)
  return hit
end

local function readSlot ()
  local slot = { slots = key(), leases = key(), id = text() }
  local takenAt, max, leaseMs = string.match(text(), SLOT)
  slot.takenAt, slot.max, slot.leaseMs = takenAt, tonumber(max), tonumber(leaseMs)
  slot.unlessRepeated, slot.breach = perhaps(text), perhaps(readBreach)
  return slot
end

local function append (list, ...)
  for _, value in ipairs({ ... }) do list[#list + 1] = value end
end

local now = instantOf(text())
local watched = perhaps(key)
local due, standings, full, slots = {}, {}, {}, {}

for index = 1, number() do due[index] = book(readBreach(), now) end

if watched then
  local endsAt, reason, message = suspensionOf(watched, now)
  if endsAt then return { int(now), due, standings, full, slots, { int(endsAt - now), reason, message } } end
end

local isRefused = false
for index = 0, number() - 1 do
  local hit = readHit()
  local state, remaining, resetAt, retryAt = lookAtWindow(hit, hit.cost, now)
  local isFull = remaining < hit.cost
  local charged = 0
  if not (isRefused or isFull or hit.peek) then
    charged = hit.cost
    remaining, resetAt, retryAt = chargeWindow(hit, state, hit.cost, now)
  end
  append(standings, int(charged), int(remaining), int(resetAt), int(retryAt))
  if isFull and not isRefused then
    local entry = { int(index) }
    if hit.breach then append(entry, unpackAll(book(hit.breach, now))) end
    full[#full + 1] = entry
    isRefused = not hit.observe
  end
end

local count = isRefused and 0 or number()
for index = 1, count do
  local slot = readSlot()
  local granted, held, repeated = takeSlot(slot, now)
  slots[index] = { granted and '1' or '0', int(held), repeated and '1' or '0' }
  if not granted then
    if slot.breach and not repeated then append(slots[index], unpackAll(book(slot.breach, now))) end
    break
  end
end

return { int(now), due, standings, full, slots, {} }

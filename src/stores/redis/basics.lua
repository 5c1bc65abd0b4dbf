-- What every script of ours begins with. Numbers that leave a script do so as text: they are whole and may be larger
-- than an integer reply says exactly.

-- Keys outlive what they say by this much: the clock of a replica that takes over may be behind.
local MARGIN_MS = 5000

-- Lua 5.1 has it apart.
local unpackAll = table.unpack or unpack

-- nil for what is no number of ours: others may have written into our keys.
local function finite (text)
  local number = text and tonumber(text)
  if not number or number ~= number or math.abs(number) == math.huge then return nil end
  return number
end

local function int (number)
  return string.format('%.0f', number)
end

-- The instant that was given, or the server's for 0.
local function instantOf (given)
  local instant = tonumber(given)
  if instant > 0 then return instant end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

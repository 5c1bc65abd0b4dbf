-- Sets a subject's scores to 0; totals stay.
-- KEYS: the scores, the shadows. ARGV: a type; none: every type.

for _, key in ipairs(KEYS) do
  for _, type in ipairs(ARGV[1] and { ARGV[1] } or redis.call('HKEYS', key)) do
    local record = readRecord(redis.call('HGET', key, type), 0)
    if record ~= nil then
      record.kept = 0
      writeRecord(key, type, record)
    end
  end
end

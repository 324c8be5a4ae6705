-- Raises the fence counter to the server's clock; never lowers it. Sent on every new connection, so that fences keep
-- growing after the server lost or forgot its counter.
-- KEYS  1 counter
-- ARGV  none
-- Reply the counter's number as text; FENCEBAD if the counter holds something else

local now = clock()
local count, failure = read_counter(KEYS[1])
if failure then
  return failure
end
if count < now then
  count = now
  redis.call('SET', KEYS[1], whole(count))
end
return whole(count)

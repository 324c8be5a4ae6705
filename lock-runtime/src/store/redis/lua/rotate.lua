-- Hands a lock that the token holds to those who find room at the head of the queue, and enqueues the next token; or
-- retains it, with new fences, if nobody else waits. A lease is never shortened. If no fences or no lease can be
-- written, on a server that is out of memory for instance, the lock is freed. So it is if nobody waits but entries that
-- are not known: they cannot be granted it, and a lock that was retained again and again would never be free when they
-- look. One of a set of holders does not rotate.
-- KEYS  as in queue.lua
-- ARGV  as in queue.lua, and 4 ttl in ms, 5 fences, 6 entry of the next token, 7 its place at the earliest, 8 for how
--       many ms it counts as alive, 9 for how many ms the queue is kept at least, 10 the next token; 7 to 9 may be empty
-- Reply {1, first fence as text} retained; {2, the clock as text} handed over, and the next token queues;
--       {3} freed; {0} the token does not hold the lock

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  redis.call('DEL', KEYS[4]) -- a replica answers READONLY here instead of a false no
  return {0}
end
local now = clock()
local left = redis.call('PTTL', KEYS[1])
local heir, _, _, of_a_set = promote(now)
local set = of_a_set and set_of(nil, now)
if set then
  set.advance()
  heir = set.value
end
if heir then
  return enqueue(ARGV[6], ARGV[10], ARGV[7], ARGV[8], ARGV[9], now) or {2, whole(now)}
end
if unknown[1] or set and set.stepped_over > 0 then
  redis.call('DEL', KEYS[1])
  return {3}
end
local fence, failure = mint_by_incr(KEYS[2], ARGV[2], ARGV[5], now)
local ttl = whole(math.max(left, tonumber(ARGV[4])))
if failed(failure or redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ttl)) then
  redis.call('DEL', KEYS[1])
  return {3}
end
return {1, fence}

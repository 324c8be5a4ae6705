-- Reserves the fence of a grant whose INCR gave none, or one that was too small. A grant that cannot be given a fence
-- is undone, so that a server that is out of memory or a broken counter leaves no key behind.
-- KEYS  1 lock, 2 counter, 3 a name that never exists
-- ARGV  1 token, 2 the greatest fence that the client saw
-- Reply {1, fence as text}; {0} if the token does not hold the lock;
--       FENCEBAD if the counter holds no number, after the lock was freed

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  redis.call('DEL', KEYS[3]) -- a replica answers READONLY here instead of a false no
  return {0}
end
local fence, failure = mint(KEYS[2], ARGV[2], 1, clock())
if failure then
  redis.call('DEL', KEYS[1])
  return failure
end
return {1, fence}

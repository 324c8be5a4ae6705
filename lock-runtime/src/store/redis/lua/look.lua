-- Takes the lock if it is free or held by this token already, and mints a new fence; says else for how long it
-- is held. A lease that the token has is never made shorter.
-- KEYS  1 lock, 2 counter, 3 a name that never exists
-- ARGV  1 token, 2 ttl in ms, 3 the greatest fence that the client saw
-- Reply {1, fence as text}; {0, ttl left in ms, -1 if the key has none};
--       FENCEBAD if the counter holds no number; WRONGTYPE if the key is no lock. An error leaves no new key

local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
  redis.call('DEL', KEYS[3]) -- a replica answers READONLY here instead of what it remembers
  return {0, redis.call('PTTL', KEYS[1])}
end
local fence, failure = next_fence(KEYS[2], ARGV[3])
if failure then
  return failure
end
if not holder then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
elseif redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
local written = redis.pcall('SET', KEYS[2], fence)
if failed(written) then
  if not holder then
    redis.call('DEL', KEYS[1])
  end
  return written
end
return {1, fence}

-- Frees a lock that the token holds, if there is no queue. It is tried before release.lua when no waiter is known:
-- creating that script's functions and passing its many arguments would cost the server a fifth of a whole acquire and
-- release.
-- KEYS  1 lock, 2 queue
-- ARGV  1 token
-- Reply 1 freed; nil, and nothing was done, if there is more to it

if redis.call('GET', KEYS[1]) == ARGV[1] and redis.pcall('EXISTS', KEYS[2]) == 0 then
  return redis.call('DEL', KEYS[1])
end

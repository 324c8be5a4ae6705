-- Takes an entry of the token out of the queue, if one is given. Then, if the token holds the lock, hands it to the
-- first waiter who is alive, or frees it; or sets what is left of its ttl, be that more or less than before. Whatever
-- is wrong with the queue, the counter or the channel, the lock is freed.
-- KEYS  as in queue.lua
-- ARGV  as in queue.lua, and 4 ttl in ms to keep the key for, empty to free it, 5 entry, may be empty
-- Reply 1 freed, 0 the token does not hold the lock

local holder = redis.call('GET', KEYS[1])
local now = clock()
if ARGV[5] ~= '' then
  leave(ARGV[5], ARGV[1])
end
if holder ~= ARGV[1] then
  redis.call('DEL', KEYS[4]) -- a replica answers READONLY here instead of a false no
  return 0
end
if ARGV[4] ~= '' then
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  return 1
end
if not promote(now) then
  redis.call('DEL', KEYS[1])
end
return 1

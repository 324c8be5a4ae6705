-- Removes an entry of the token from the queue, if one is given. Then, if the token holds the lock, hands it to the
-- first live waiter, or frees it; or keeps it for a while, longer or shorter than its ttl: as `kept|token`, which no
-- token equals, so that nothing that arrives late about the token can touch it, and whose it was can still be told.
-- Whatever is wrong with the queue, the counter or the channel, the lock is freed.
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
  -- After its first write, a server that is out of memory lets a script go on. If anything else forbids this one, what
  -- matters is done; and a key that is kept for no time at all is gone by now.
  redis.pcall('SET', KEYS[1], 'kept|' .. ARGV[1], 'XX', 'KEEPTTL')
  return 1
end
if not promote(now) then
  redis.call('DEL', KEYS[1])
end
return 1

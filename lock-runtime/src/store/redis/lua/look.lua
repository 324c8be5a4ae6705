-- Takes the lock, with new fences, if the token holds it already, or if it is free and no live waiter is ahead. Else
-- enqueues the token, if an entry is given, and says how long the lock is held. A free lock is handed to the first live
-- waiter. A lease that the token has is never shortened.
-- KEYS  as in queue.lua
-- ARGV  as in queue.lua, and 4 ttl in ms, 5 fences, 6 entry, 7 its place at the earliest, 8 for how many ms it counts
--       as alive, 9 for how many ms the queue is kept at least; 6 to 9 may be empty
-- Reply {1, first fence as text}; {0, ttl left in ms, -1 if the key has none, the clock as text if the token queues};
--       FENCEBAD if the counter holds no number; QUEUEBAD if the queue is none; WRONGTYPE if the key is no lock.
--       An error leaves no new lock

local token, entry = ARGV[1], ARGV[6]

-- An error about the queue, with a code of its own if the key is not a queue: `WRONGTYPE` is about the lock.
local function in_queue(failure)
  if string.find(failure.err, 'WRONGTYPE', 1, true) then
    return redis.error_reply('QUEUEBAD the queue holds another type')
  end
  return failure
end

local now = clock()
local holder = redis.call('GET', KEYS[1])
local left = holder and redis.call('PTTL', KEYS[1])
if holder == token then
  local fence, failure = mint(KEYS[2], ARGV[2], ARGV[5], now)
  if failure then
    return failure
  end
  if left < tonumber(ARGV[4]) then
    redis.call('PEXPIRE', KEYS[1], ARGV[4])
  end
  leave(entry, token)
  return {1, fence}
end

local queued_at = entry ~= '' and left ~= -1 and whole(now) or nil
local unqueued = queued_at and enqueue(entry, token, ARGV[7], ARGV[8], ARGV[9], now)
if unqueued then
  return in_queue(unqueued)
end
if queued_at and ARGV[8] == '' then
  redis.call('ZREM', KEYS[3], 'seen|' .. token) -- it may have polled before
end
if holder then
  redis.call('DEL', KEYS[4]) -- a replica answers READONLY here instead of its outdated state
  return {0, left, queued_at}
end

local granted_to, lease, failure = promote(now, token)
if granted_to and granted_to ~= token then
  return {0, tonumber(lease), queued_at}
end
local fence = nil
if not failure then
  fence, failure = mint(KEYS[2], ARGV[2], ARGV[5], now)
end
if failure then
  redis.call('DEL', KEYS[1]) -- a dead waiter may hold it
  return in_queue(failure)
end
redis.call('SET', KEYS[1], token, 'PX', ARGV[4])
-- An entry that is not known is its own token's, if no other's.
if ARGV[8] ~= '' or unknown[1] then
  leave(entry, token)
end
return {1, fence}

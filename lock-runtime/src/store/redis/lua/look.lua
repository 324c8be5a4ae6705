-- Takes the lock, with new fences, if the token holds it already, or if there is room for one of its kind and no live
-- waiter is ahead. Else enqueues the token, if an entry is given, and says how long the lock is held. Live waiters at the
-- head of the queue who find room are let in. A lease that the token has is never shortened.
-- KEYS  as in queue.lua
-- ARGV  as in queue.lua, and 4 ttl in ms, 5 fences, 6 entry, 7 its place at the earliest, 8 for how many ms it counts
--       as alive, 9 for how many ms the queue is kept at least, 10 kind; 6 to 9 may be empty
-- Reply {1, first fence as text}; {0, ttl left in ms, -1 if the key has none, the clock as text if the token queues};
--       {2, ttl left in ms} if what was to be done is done, and the token queues no longer;
--       FENCEBAD if the counter holds no number; QUEUEBAD if the queue is none; WRONGTYPE if the key is no lock.
--       An error leaves no new lock of this token

local token, entry, kind = ARGV[1], ARGV[6], ARGV[10]

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

if holder and left ~= -1 and string.sub(holder, 1, 5) == 'done|' then
  leave(entry, token)
  redis.call('DEL', KEYS[4]) -- a replica answers READONLY here instead of its outdated state
  return {2, left}
end

local set = is_marker(holder) and set_of(holder, now)
local letter, most, weight = of_kind(kind)
local member = member_of(token, weight)
if set and letter ~= 'x' and set.has(member) then
  local fence, failure = mint(KEYS[2], ARGV[2], ARGV[5], now)
  if failure then
    return failure
  end
  set.lengthen(member, tonumber(ARGV[4]))
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
if holder and not set then
  redis.call('DEL', KEYS[4]) -- a replica answers READONLY here instead of its outdated state
  return {0, left, queued_at}
end

if not holder and letter == 'x' then
  local granted_to, lease, failure, of_a_set = promote(now, token)
  if granted_to and granted_to ~= token then
    return {0, tonumber(lease), queued_at}
  end
  local fence = nil
  if not failure and not of_a_set then
    fence, failure = mint(KEYS[2], ARGV[2], ARGV[5], now)
  end
  if failure then
    redis.call('DEL', KEYS[1]) -- a dead waiter may hold it
    return in_queue(failure)
  end
  if not of_a_set then
    redis.call('SET', KEYS[1], token, 'PX', ARGV[4])
    -- An entry that is not known is its own token's, if no other's.
    if ARGV[8] ~= '' or unknown[1] then
      leave(entry, token)
    end
    return {1, fence}
  end
end

set = set or set_of(nil, now)
local reached, failure = set.advance(token, true)
if failure then
  return in_queue(failure)
end
if reached == 'own' or reached and set.has_room(letter, most, weight) then
  local fence
  fence, failure = mint(KEYS[2], ARGV[2], ARGV[5], now)
  failure = failure or set.add(token, letter, weight, tonumber(ARGV[4]))
  if failure then
    return failure
  end
  if entry ~= '' then
    leave(entry, token)
  end
  if reached == 'own' then
    set.advance() -- the next may find room beside it
  end
  return {1, fence}
end
redis.call('DEL', KEYS[4]) -- as above
return {0, set.left(letter), queued_at}

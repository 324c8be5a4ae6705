-- What the scripts that queue and hand over have in common; it stands between fence.lua and each of them, which all
-- have these
-- KEYS  1 lock, 2 counter, 3 queue, 4 a name that never exists
-- ARGV  1 token, 2 the greatest fence that the client saw, 3 how the names of wake channels begin
-- The queue is a sorted set. An entry is `token|listener|first lease in ms|fences`, at the server's clock in
-- microseconds when it came. A waiter who looks by itself has a mark `seen|token`, at the clock until which it counts
-- as alive, negative so that marks stand before all entries and are never among them.

-- The first entry, nothing if there is none; or nil and an error reply if the queue cannot be read.
local function first()
  local found = redis.pcall('ZRANGEBYSCORE', KEYS[3], 0, '+inf', 'LIMIT', 0, 1)
  if failed(found) then
    return nil, found
  end
  return found[1]
end

local function leave(entry, token)
  return redis.pcall('ZREM', KEYS[3], entry, 'seen|' .. token)
end

-- The queue outlasts the last look or hand-over by this, and everybody who waits looks far more often.
local function outlast()
  redis.pcall('PEXPIRE', KEYS[3], 30000)
end

-- Puts an entry in its place unless it stands there already, and writes its mark anew. Nobody comes from the future.
local function enqueue(entry, token, since, alive_for_ms, now)
  local place = since == '' and now or math.min(tonumber(since), now)
  local added = redis.pcall('ZADD', KEYS[3], 'NX', whole(place), entry)
  if failed(added) then
    return added
  end
  if alive_for_ms == '' then
    redis.call('ZREM', KEYS[3], 'seen|' .. token)
  else
    redis.call('ZADD', KEYS[3], whole(-now - alive_for_ms * 1000), 'seen|' .. token)
  end
  outlast()
end

-- Whether a waiter looks by itself, and so is alive although nobody listens for it.
local function looks(token, now)
  local mark = redis.pcall('ZSCORE', KEYS[3], 'seen|' .. token)
  return mark and not failed(mark) and now < -tonumber(mark)
end

-- Gives the lock to a waiter and tells its listener; whether the waiter is alive, or nil and an error reply.
local function hand_over(token, listener, lease, fences, now)
  local fence, failure = mint(KEYS[2], ARGV[2], fences, now)
  if failure then
    return nil, failure
  end
  local set = redis.pcall('SET', KEYS[1], token, 'PX', lease)
  if failed(set) then
    return nil, set
  end
  local message = table.concat({token, fence, fences, lease, whole(now), KEYS[1]}, ' ')
  local heard = redis.pcall('PUBLISH', ARGV[3] .. listener, message)
  return not failed(heard) and heard > 0 or looks(token, now)
end

-- Gives the lock, which nobody holds, to the first waiter who is alive, and says its token and first lease. The dead
-- before it lose their places. If `own` is reached it is taken out, and what becomes of the lock is left to the caller;
-- so it is when nobody is found: nil, nil, and an error reply if there was one. The lock can be a dead waiter's then.
local function promote(now, own)
  local entry, failure = first()
  while entry do
    local token, listener, lease, fences = string.match(entry, '^(%x+)|(%x+)|(%d+)|(%d+)$')
    local alive = token and token == own
    if token and not alive then
      alive, failure = hand_over(token, listener, lease, fences, now)
    end
    local left = failure or leave(entry, token or '')
    if failed(left) then
      return nil, nil, left
    end
    if alive then
      outlast()
      return token, lease
    end
    entry, failure = first()
  end
  return nil, nil, failure
end

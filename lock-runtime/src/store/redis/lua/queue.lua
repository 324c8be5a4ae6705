-- What the scripts that queue and hand over have in common; it stands between fence.lua and each of them, which all
-- have these
-- KEYS  1 lock, 2 counter, 3 queue, 4 a name that never exists
-- ARGV  1 token, 2 the greatest fence that the client saw, 3 how the names of wake channels begin
-- The queue is a sorted set. An entry is `token|listener|first lease in ms|fences`, at the server's clock in
-- microseconds when it came. A waiter who looks by itself has a mark `seen|token`, at the clock until which it counts
-- as alive, so far behind that marks stand behind all entries. What is no entry, or asks for what no client asks for,
-- loses its place and gets nothing: a lease or a block of fences without bounds would cost more than this lock.
-- A hand-over is what many wait for, so it makes few calls: each costs more than what it does.

local MARKS = 4000000000000000 -- more than the clock will say for 70 years
local LONGEST_LEASE = 3153600000000 -- a hundred years in ms, as names.rs has it; a server refuses what overflows its clock
local MOST_FENCES = 1024 -- as store/waiting.rs has it
local QUEUE_LASTS = 30000 -- ms
local LONGEST_ALIVE = 86400000 -- a day in ms, as store/waiting.rs has it

local function leave(entry, token)
  return redis.pcall('ZREM', KEYS[3], entry, 'seen|' .. token)
end

-- Takes the first entry out of the queue, and says its place: nothing if there is none; or nil, nil and an error reply
-- if there is no queue.
local function pop()
  local popped = redis.pcall('ZPOPMIN', KEYS[3])
  if failed(popped) then
    return nil, nil, popped
  end
  if popped[1] and tonumber(popped[2]) >= MARKS then
    redis.call('DEL', KEYS[3]) -- marks alone are of no use
    return nil
  end
  return popped[1], popped[2]
end

-- Puts an entry in its place unless it stands there already, and writes the mark of a waiter who looks by itself.
-- Nobody comes from the future. The queue outlasts the last look by half a minute, or by what somebody asked for who
-- looks less often; it is only ever made to last longer.
local function enqueue(entry, token, since, alive_for_ms, lasts_ms, now)
  local place = since == '' and now or math.min(tonumber(since), now)
  local added = redis.pcall('ZADD', KEYS[3], 'NX', whole(place), entry)
  if failed(added) then
    return added
  end
  if alive_for_ms ~= '' then
    redis.call('ZADD', KEYS[3], whole(MARKS + now + math.min(alive_for_ms, LONGEST_ALIVE) * 1000), 'seen|' .. token)
  end
  local lasts = math.max(QUEUE_LASTS, math.min(tonumber(lasts_ms) or 0, LONGEST_ALIVE))
  local left = redis.pcall('PTTL', KEYS[3])
  if type(left) == 'number' and left < lasts then
    redis.pcall('PEXPIRE', KEYS[3], lasts)
  end
end

-- Whether a waiter looks by itself, and so is alive although nobody listens for it. Its mark is of no more use. One that
-- says more than a client can say is somebody else's work.
local function looks(token, now)
  local mark = redis.pcall('ZSCORE', KEYS[3], 'seen|' .. token)
  if not mark or failed(mark) then
    return false
  end
  redis.call('ZREM', KEYS[3], 'seen|' .. token)
  local left = tonumber(mark) - MARKS - now
  return 0 < left and left <= LONGEST_ALIVE * 1000
end

-- Token, listener, first lease and fences of an entry; nothing of what is none.
local function read(entry)
  local token, listener, lease, fences = string.match(entry, '^([0-9a-f]+)|([0-9a-f]+)|([1-9]%d*)|([1-9]%d*)$')
  if token and #token == 32 and #listener == 32
      and tonumber(lease) <= LONGEST_LEASE and tonumber(fences) <= MOST_FENCES then
    return token, listener, lease, fences
  end
end

-- Tells a listener, and says how many heard it: those who are connected to this server. A message is replicated like a
-- write, and a subscription lasts when its server becomes a replica, so that a waiter who has not noticed a failover
-- would hear of its grant there after it was counted as gone here and passed over. So this server keeps it to itself.
-- What is written behind it is replicated again, as the message cannot end the script.
local function publish(channel, message)
  if not redis.set_repl then
    return redis.pcall('PUBLISH', channel, message)
  end
  redis.set_repl(redis.REPL_NONE)
  local heard = redis.pcall('PUBLISH', channel, message)
  redis.set_repl(redis.REPL_ALL)
  return heard
end

-- Gives the lock to a waiter and tells its listener; whether the waiter is alive, or nil and an error reply.
local function hand_over(token, listener, lease, fences, now)
  local fence, failure = count_on(KEYS[2], ARGV[2], fences, now)
  if failure then
    return nil, failure
  end
  local set = redis.pcall('SET', KEYS[1], token, 'PX', lease)
  if failed(set) then
    return nil, set
  end
  local message = table.concat({token, fence, fences, lease, whole(now), KEYS[1]}, ' ')
  local heard = publish(ARGV[3] .. listener, message)
  return not failed(heard) and heard > 0 or looks(token, now)
end

-- Gives the lock to the first waiter who is alive, and says its token and first lease; the dead before it lose their
-- places. If `own` is reached, what becomes of the lock is left to the caller; so it is when nobody is found: nil, nil,
-- and an error reply if there was one. The lock can be a dead waiter's then.
local function promote(now, own)
  local entry, place, failure = pop()
  while entry do
    local token, listener, lease, fences = read(entry)
    local alive = token and token == own
    if token and not alive then
      alive, failure = hand_over(token, listener, lease, fences, now)
    end
    if failure then
      redis.pcall('ZADD', KEYS[3], place, entry)
      redis.pcall('PEXPIRE', KEYS[3], QUEUE_LASTS) -- it may have been the last, and the queue gone with it
      return nil, nil, failure
    end
    if alive then
      return token, lease
    end
    entry, place, failure = pop()
  end
  return nil, nil, failure
end

-- Functions of the scripts that enqueue and hand over; it stands between fence.lua and each of them, which all have
-- these
-- KEYS  1 lock, 2 counter, 3 queue, 4 a name that never exists, 5 the holders, if a set holds the lock
-- ARGV  1 token, 2 the greatest fence that the client saw, 3 how the names of wake channels begin
-- The queue is a sorted set. An entry is `1|token|listener|first lease in ms|fences|kind`, with the server's clock in
-- microseconds at its first enqueue as its score. A kind is one word, with its numbers: `x` is exclusive, `s` shared,
-- `p5` one of five permits, `p5x2` two of them.
-- A waiter that polls has a mark `seen|token`, whose score is
-- the clock until which it counts as alive, plus an offset that puts marks behind all entries. A malformed entry, or
-- one that asks for more than any client does, is removed without a grant: an unbounded lease or block of fences would
-- cost more than this lock. Many wait for a hand-over, so it makes few calls: a call costs more than what it does.
-- The 1 is the version of the entry. One of another version, of another kind, or of the former format that had no
-- version, is a waiter of a process that runs another release. What it asks for cannot be known, so it is left in its
-- place, and its own process serves it by its looks. Those behind it are served, because whether it is alive cannot be
-- known either.

local MARKS = 4000000000000000 -- more than the clock will say for 70 years
local LONGEST_LEASE = 3153600000000 -- a hundred years in ms, as in names.rs; a server refuses what overflows its clock
local MOST_FENCES = 1024 -- the same constant as in lock-core
local QUEUE_KEPT_FOR = 30000 -- ms
local LONGEST_ALIVE = 86400000 -- a day in ms, the same constant as in lock-core
local MOST_STEPPED_OVER = 64 -- the same constant as in lock-core

local function leave(entry, token)
  return redis.pcall('ZREM', KEYS[3], entry, 'seen|' .. token)
end

-- Scores and entries that are not known, which `pop` has taken out, to be put back by `put_back`.
local unknown = {}

-- The numbers of a kind that clients can ask for.
local function is_number(digits)
  return string.find(digits, '^[1-9]%d*$') and tonumber(digits) <= 4294967295
end

-- Whether a kind is known that is not `x`.
local function is_of_a_set(kind)
  local most, weight = string.match(kind, '^p(%d+)x(%d+)$')
  most = most or string.match(kind, '^p(%d+)$')
  return kind == 's' or most and is_number(most) and (not weight or is_number(weight))
end

local OF_SOME_KIND = '^1|([0-9a-f]+)|([0-9a-f]+)|%d+|%d+|([a-z][0-9a-z]*)$'
local WITHOUT_VERSION = '^([0-9a-f]+)|([0-9a-f]+)|%d+|%d+$'

-- Whether an entry is of a version or a kind that this script does not know.
local function is_unknown(entry)
  local version = string.match(entry, '^([1-9]%d?%d?%d?)|')
  if version and version ~= '1' then
    return true
  end
  if version and string.sub(entry, -2) == '|x' then
    return false
  end
  local token, listener, kind = string.match(entry, version and OF_SOME_KIND or WITHOUT_VERSION)
  return token and #token == 32 and #listener == 32 and not (kind and is_of_a_set(kind))
end

-- Removes the first entry that is known, and returns it with its score; nothing if there is none, or too many others
-- stand before it; or nil, nil and an error reply if the key is not a queue.
local function pop()
  while true do
    local popped = redis.pcall('ZPOPMIN', KEYS[3])
    if failed(popped) then
      return nil, nil, popped
    end
    local entry, place = popped[1], popped[2]
    local is_mark = entry and tonumber(place) >= MARKS
    if is_mark and not unknown[1] then
      redis.call('DEL', KEYS[3]) -- marks alone are of no use
      return nil
    end
    if not entry or not is_mark and not is_unknown(entry) then
      return entry, place
    end
    unknown[#unknown + 1] = place
    unknown[#unknown + 1] = entry
    if is_mark or #unknown >= 2 * MOST_STEPPED_OVER then
      return nil
    end
  end
end

-- Puts back what `pop` stepped over. The queue had this ttl in ms, and would have none if it was gone in between.
local function put_back(ttl)
  if unknown[1] then
    redis.pcall('ZADD', KEYS[3], unpack(unknown))
    if ttl ~= -1 then
      redis.pcall('PEXPIRE', KEYS[3], type(ttl) == 'number' and ttl or QUEUE_KEPT_FOR)
    end
  end
end

-- Adds an entry at its place unless it is in the queue already, and sets the mark of a waiter that polls. A
-- place in the future counts as now. The queue outlasts the last look by half a minute, or by what a waiter asked for
-- that looks less often; its ttl is only ever raised.
local function enqueue(entry, token, since, alive_for_ms, lasts_ms, now)
  local place = since == '' and now or math.min(tonumber(since), now)
  local added = redis.pcall('ZADD', KEYS[3], 'NX', whole(place), entry)
  if failed(added) then
    return added
  end
  if alive_for_ms ~= '' then
    redis.call('ZADD', KEYS[3], whole(MARKS + now + math.min(alive_for_ms, LONGEST_ALIVE) * 1000), 'seen|' .. token)
  end
  local lasts = math.max(QUEUE_KEPT_FOR, math.min(tonumber(lasts_ms) or 0, LONGEST_ALIVE))
  local left = redis.pcall('PTTL', KEYS[3])
  if type(left) == 'number' and left < lasts then
    redis.pcall('PEXPIRE', KEYS[3], lasts)
  end
end

-- Whether a waiter that polls is alive by its mark, which is removed. A mark with a longer life than any client
-- asks for does not count.
local function is_alive_by_mark(token, now)
  local mark = redis.pcall('ZSCORE', KEYS[3], 'seen|' .. token)
  if not mark or failed(mark) then
    return false
  end
  redis.call('ZREM', KEYS[3], 'seen|' .. token)
  local left = tonumber(mark) - MARKS - now
  return 0 < left and left <= LONGEST_ALIVE * 1000
end

local ENTRY = '^1|([0-9a-f]+)|([0-9a-f]+)|([1-9]%d*)|([1-9]%d*)|([a-z][0-9a-z]*)$'

-- Token, listener, first lease, fences and kind of an entry that is known; nothing if it is malformed.
local function read(entry)
  local token, listener, lease, fences, kind = string.match(entry, ENTRY)
  if token and #token == 32 and #listener == 32
      and tonumber(lease) <= LONGEST_LEASE and tonumber(fences) <= MOST_FENCES then
    return token, listener, lease, fences, kind
  end
end

-- Sends a message to a listener, and returns how many sessions on this server received it. A message is replicated like
-- a write, and a subscription survives when its server becomes a replica: a waiter that has not noticed a failover
-- would receive its grant there after it was skipped here as dead. So the message is not replicated. What is written
-- after it is replicated again, because the message cannot end the script.
local function publish(channel, message)
  if not redis.set_repl then
    return redis.pcall('PUBLISH', channel, message)
  end
  redis.set_repl(redis.REPL_NONE)
  local heard = redis.pcall('PUBLISH', channel, message)
  redis.set_repl(redis.REPL_ALL)
  return heard
end

-- Gives the lock to a waiter and tells its listener. Returns whether the waiter is alive, or nil and an error reply.
local function hand_over(token, listener, lease, fences, now)
  local fence, failure = mint_by_incr(KEYS[2], ARGV[2], fences, now)
  if failure then
    return nil, failure
  end
  local set = redis.pcall('SET', KEYS[1], token, 'PX', lease)
  if failed(set) then
    return nil, set
  end
  local message = table.concat({token, fence, fences, lease, whole(now), KEYS[1]}, ' ')
  local heard = publish(ARGV[3] .. listener, message)
  return not failed(heard) and heard > 0 or is_alive_by_mark(token, now)
end

-- The same as `promote`, which puts back what is stepped over.
local function promote_known(now, own)
  local entry, place, failure = pop()
  while entry do
    local token, listener, lease, fences, kind = read(entry)
    if token and kind ~= 'x' then
      redis.pcall('ZADD', KEYS[3], place, entry)
      return nil, nil, nil, true
    end
    local alive = token and token == own
    if token and not alive then
      alive, failure = hand_over(token, listener, lease, fences, now)
    end
    if failure then
      redis.pcall('ZADD', KEYS[3], place, entry)
      redis.pcall('PEXPIRE', KEYS[3], QUEUE_KEPT_FOR) -- it may have been the last, and the queue gone with it
      return nil, nil, failure
    end
    if alive then
      return token, lease
    end
    entry, place, failure = pop()
  end
  return nil, nil, failure
end

-- Gives the lock to the first live waiter, and returns its token and first lease; dead waiters before it are removed.
-- When it reaches `own`, or finds no live waiter, the lock is left to the caller. In the latter case it returns nil,
-- nil, an error reply if there was one, and a dead waiter may hold the lock; or nil, nil, nil and true, if the first
-- one wants to be of a set of holders. Then the lock is free.
local function promote(now, own)
  local ttl = redis.pcall('PTTL', KEYS[3])
  if ttl == -2 then
    return nil -- there is no queue
  end
  local token, lease, failure, of_a_set = promote_known(now, own)
  put_back(ttl)
  if of_a_set then
    redis.call('DEL', KEYS[1])
    if ttl ~= -1 then
      redis.pcall('PEXPIRE', KEYS[3], ttl) -- it may have been the last, and the queue gone with it
    end
  end
  return token, lease, failure, of_a_set
end

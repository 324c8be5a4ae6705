-- Functions of the scripts that reserve fences; it precedes each of them and returns nothing by itself.
-- A fence is an integer below 2^53: Lua cannot represent every larger one.

-- A fence that a client says it saw is accepted up to a year, in microseconds, ahead of the clock. A server counts from
-- its clock and by less than one per microsecond, so a fence further ahead came from a counter that somebody wrote, and
-- would outlive that counter's deletion in every client that saw it.
local AHEAD = 31536000000000

local function failed(reply)
  return type(reply) == 'table' and reply.err ~= nil
end

-- An integer as text; tostring would lose digits.
local function whole(number)
  return string.format('%.0f', number)
end

-- The server's clock in microseconds. Called before anything is written.
local function clock()
  local now = redis.call('TIME')
  return now[1] * 1000000 + now[2]
end

-- The counter, zero if there is none; or nil and an error reply if it holds anything else, or a number so near to 2^53
-- that a block of fences could pass it.
local function read_counter(counter)
  local text = redis.pcall('GET', counter)
  if not text then
    return 0
  end
  if failed(text) and not string.find(text.err, 'WRONGTYPE', 1, true) then
    return nil, text
  end
  if failed(text) or not string.find(text, '^%d+$') or tonumber(text) >= 9007190000000000 then
    return nil, redis.error_reply('FENCEBAD the counter holds no number below 2^53')
  end
  return tonumber(text)
end

local function plausible(seen, now)
  local number = tonumber(seen) or 0
  return number <= now + AHEAD and number or 0
end

-- Reserves fences greater than the counter, the clock and the greatest that the client saw. Returns the first of them
-- as text; or nil and an error reply, with nothing reserved.
local function mint(counter, seen, fences, now)
  local count, failure = read_counter(counter)
  if failure then
    return nil, failure
  end
  local first = math.max(count, now, plausible(seen, now)) + 1
  local written = redis.pcall('SET', counter, whole(first + fences - 1))
  if failed(written) then
    return nil, written
  end
  return whole(first)
end

-- The same with one call, if the counter is up to date with the client and the clock; else by `mint`.
local function mint_by_incr(counter, seen, fences, now)
  local last = redis.pcall('INCRBY', counter, fences)
  if type(last) == 'number' and last - fences >= plausible(seen, now) and last > 1600000000000000
      and last < 9007190000000000 then
    return whole(last - fences + 1)
  end
  return mint(counter, seen, fences, now)
end
-- Functions of the scripts that enqueue and hand over; it stands between fence.lua and each of them, which all have
-- these
-- KEYS  1 lock, 2 counter, 3 queue, 4 a name that never exists
-- ARGV  1 token, 2 the greatest fence that the client saw, 3 how the names of wake channels begin
-- The queue is a sorted set. An entry is `1|token|listener|first lease in ms|fences|kind`, with the server's clock in
-- microseconds at its first enqueue as its score. A kind is one word, with its numbers; `x` is exclusive.
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

local OF_SOME_KIND = '^1|([0-9a-f]+)|([0-9a-f]+)|%d+|%d+|[a-z][0-9a-z]*$'
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
  local token, listener = string.match(entry, version and OF_SOME_KIND or WITHOUT_VERSION)
  return token and #token == 32 and #listener == 32
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

-- Token, listener, first lease and fences of an entry that is known; nothing if it is malformed.
local function read(entry)
  local token, listener, lease, fences = string.match(entry, '^1|([0-9a-f]+)|([0-9a-f]+)|([1-9]%d*)|([1-9]%d*)|x$')
  if token and #token == 32 and #listener == 32
      and tonumber(lease) <= LONGEST_LEASE and tonumber(fences) <= MOST_FENCES then
    return token, listener, lease, fences
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
    local token, listener, lease, fences = read(entry)
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
-- nil, and an error reply if there was one, and a dead waiter may hold the lock.
local function promote(now, own)
  local ttl = redis.pcall('PTTL', KEYS[3])
  if ttl == -2 then
    return nil -- there is no queue
  end
  local token, lease, failure = promote_known(now, own)
  put_back(ttl)
  return token, lease, failure
end
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

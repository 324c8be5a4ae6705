-- Extends the leases of many who each hold a lock beside others, with a reply for each; never creates a key or a holder,
-- never shortens a lease. One whose downgrade has not arrived holds its lock alone still, and is renewed too.
-- KEYS  1 lock, 2 its holders, and so on in turn; the last a name that never exists
-- ARGV  token, kind and ttl in ms of each in turn
-- Reply the number of all if all are renewed; else one for each: 1 renewed, 0 the token does not hold it, else an
--       error's text

local function failed(reply)
  return type(reply) == 'table' and reply.err ~= nil
end

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)

-- The lock lasts for the longest of its leases.
local function outlast(lock, ttl)
  local left = redis.pcall('PTTL', lock)
  return type(left) == 'number' and left >= ttl and 1 or redis.pcall('PEXPIREAT', lock, now_ms + ttl)
end

local function renewed(lock, held, token, kind, ttl)
  local holder = redis.pcall('GET', lock)
  if holder == token then
    return outlast(lock, ttl)
  end
  if failed(holder) or not holder or string.sub(holder, 1, 1) ~= '*' then
    return failed(holder) and holder or 0
  end
  local weight = string.match(kind, 'x(%d+)$')
  local member = weight and token .. ':' .. weight or token
  local expiry = redis.pcall('ZSCORE', held, member)
  if failed(expiry) or not expiry or tonumber(expiry) <= now_ms then
    return failed(expiry) and expiry or 0
  end
  if tonumber(expiry) < now_ms + ttl then
    -- After its first write, which is not the one that takes memory, a server that is out of it lets a script go on.
    local left = redis.pcall('PTTL', held)
    redis.pcall('PEXPIREAT', held, now_ms + math.max(ttl, type(left) == 'number' and left or 0))
    local set = redis.pcall('ZADD', held, 'XX', now_ms + ttl, member)
    if failed(set) then
      return set
    end
  end
  return outlast(lock, ttl)
end

local many = (#KEYS - 1) / 2
local replies, all, stranger = {}, true, false
for i = 1, many do
  local reply = renewed(KEYS[2 * i - 1], KEYS[2 * i], ARGV[3 * i - 2], ARGV[3 * i - 1], tonumber(ARGV[3 * i]))
  replies[i] = failed(reply) and reply.err or reply
  all = all and reply == 1
  stranger = stranger or reply == 0
end
if all then
  return many
end
if stranger then
  redis.call('DEL', KEYS[#KEYS]) -- a replica answers READONLY here instead of a false no
end
return replies

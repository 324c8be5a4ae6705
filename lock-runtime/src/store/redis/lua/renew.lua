-- Makes many leases last longer, each answered for by itself; never creates a key, never shortens a lease.
-- PEXPIRE, unlike SET, works on a full server.
-- KEYS  1 to n locks, n + 1 a name that never exists
-- ARGV  token and ttl in ms of each lock in turn
-- Reply one for each lock: 1 renewed, 0 the token does not hold it, else an error's text

local function renewed(lock, token, ttl)
  local holder = redis.pcall('GET', lock)
  if type(holder) == 'table' then
    return holder.err
  end
  if holder ~= token then
    return 0
  end
  local left = redis.pcall('PTTL', lock)
  if type(left) == 'number' and left >= tonumber(ttl) then
    return 1
  end
  local set = redis.pcall('PEXPIRE', lock, ttl)
  return type(set) == 'table' and set.err or set
end

local replies, stranger = {}, false
for i = 1, #KEYS - 1 do
  replies[i] = renewed(KEYS[i], ARGV[2 * i - 1], ARGV[2 * i])
  stranger = stranger or replies[i] == 0
end
if stranger then
  redis.call('DEL', KEYS[#KEYS]) -- a replica answers READONLY here instead of a false no
end
return replies

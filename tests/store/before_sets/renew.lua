-- Extends many leases, with a reply for each; never creates a key, never shortens a lease.
-- PEXPIRE, unlike SET, works on a server that is out of memory.
-- KEYS  1 to n locks, n + 1 a name that never exists
-- ARGV  1 ttl in ms of all of them, then their tokens; or 1 empty, then token and ttl in ms of each lock in turn
-- Reply n if all are renewed; else one for each lock: 1 renewed, 0 the token does not hold it, else an error's text

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

local locks, common = #KEYS - 1, ARGV[1] ~= ''
local replies, all, stranger = {}, true, false
for i = 1, locks do
  if common then
    replies[i] = renewed(KEYS[i], ARGV[i + 1], ARGV[1])
  else
    replies[i] = renewed(KEYS[i], ARGV[2 * i], ARGV[2 * i + 1])
  end
  all = all and replies[i] == 1
  stranger = stranger or replies[i] == 0
end
if all then
  return locks
end
if stranger then
  redis.call('DEL', KEYS[#KEYS]) -- a replica answers READONLY here instead of a false no
end
return replies

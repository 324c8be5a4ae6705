-- Makes the lease of a token that holds the lock alone a shared one, which is never shortened, and lets in those who find
-- room beside it. A token that holds it shared already is renewed.
-- KEYS  as in queue.lua
-- ARGV  as in queue.lua, and 4 ttl in ms
-- Reply 1 downgraded, 0 the token does not hold the lock

local token, ttl = ARGV[1], tonumber(ARGV[4])
local holder = redis.call('GET', KEYS[1])
local now = clock()
if holder == token then
  ttl = math.max(ttl, redis.call('PTTL', KEYS[1]))
  -- After its first write, a server that is out of memory lets a script go on.
  redis.call('PEXPIRE', KEYS[1], ttl)
  local set = set_of(nil, now)
  local failure = set.add(token, 's', 1, ttl)
  if failure then
    return failure
  end
  set.advance()
  return 1
end
local set = holder == '*s' and set_of(holder, now)
if set and set.has(token) then
  set.lengthen(token, ttl)
  return 1
end
redis.call('DEL', KEYS[4]) -- a replica answers READONLY here instead of a false no
return 0

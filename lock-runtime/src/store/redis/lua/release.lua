-- Frees a lock that the token holds, or sets what is left of its ttl, be that more or less than before.
-- KEYS  1 lock, 2 a name that never exists
-- ARGV  1 token, 2 ttl in ms to keep the key for, empty to free it
-- Reply 1 freed, 0 the token does not hold the lock

if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  redis.call('DEL', KEYS[2]) -- a replica answers READONLY here instead of a false no
  return 0
end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 1

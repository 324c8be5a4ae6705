-- Removes an entry of the token from the queue, if one is given. Then, if the token holds the lock, gives its place to
-- those who find room at the head of the queue, or frees it; or keeps it for a while, longer or shorter than its ttl:
-- as `kept|token`, which no token equals, so that nothing that arrives late about the token can touch it, and whose it
-- was can still be told; as `done|token` if what was to be done is done. Whatever is wrong with the queue, the counter
-- or the channel, the place is freed.
-- KEYS  as in queue.lua
-- ARGV  as in queue.lua, and 4 ttl in ms to keep the place for, empty to free it, 5 entry, may be empty, 6 kind,
--       7 what a place is kept as
-- Reply 1 freed, 0 the token does not hold the lock

local holder = redis.call('GET', KEYS[1])
local now = clock()
local leaves = ARGV[5] ~= ''
if leaves then
  leave(ARGV[5], ARGV[1])
end
if holder == ARGV[1] then
  if ARGV[4] ~= '' then
    redis.call('PEXPIRE', KEYS[1], ARGV[4])
    -- After its first write, a server that is out of memory lets a script go on. If anything else forbids this one, what
    -- matters is done; and a key that is kept for no time at all is gone by now.
    redis.pcall('SET', KEYS[1], ARGV[7] .. '|' .. ARGV[1], 'XX', 'KEEPTTL')
    return 1
  end
  local heir, _, _, of_a_set = promote(now)
  if of_a_set then
    set_of(nil, now).advance()
  elseif not heir then
    redis.call('DEL', KEYS[1])
  end
  return 1
end

local freed = 0
if is_marker(holder) or leaves and not holder then
  local set = set_of(holder, now)
  local _, _, weight = of_kind(ARGV[6])
  local member = member_of(ARGV[1], weight)
  local is_held = set.has(member)
  if is_held and ARGV[4] ~= '' then
    set.keep(member, tonumber(ARGV[4]))
    return 1
  end
  if is_held then
    freed = 1
    set.drop(member)
  end
  -- Whoever leaves the queue may have held up those behind, too.
  if is_held or leaves then
    set.advance()
  end
end
if freed == 0 then
  redis.call('DEL', KEYS[4]) -- a replica answers READONLY here instead of a false no
end
return freed

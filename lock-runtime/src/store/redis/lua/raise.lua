-- Raises the fence counter to the server's clock; never lowers it. Sent on every new connection, so that fences keep
-- growing after the server lost or forgot its counter. Also says which process of a server this is, and so whose clock
-- the scripts read, and what a server says of itself that does not answer HELLO.
-- KEYS  1 counter
-- ARGV  none
-- Reply {the counter's number as text, the server's run_id, its mode, its role}, each empty if it may not be asked;
--       FENCEBAD if the counter holds something else

-- Whether the user may send INFO is asked first, which servers can tell since 7.0: a refusal would be noted in ACL LOG.
local function info()
  local known, may = pcall(redis.acl_check_cmd, 'INFO', 'server')
  local said = known and may and redis.pcall('INFO', 'server', 'replication')
  return type(said) == 'string' and said or ''
end

local now = clock()
local said = info()
local count, failure = read_counter(KEYS[1])
if failure then
  return failure
end
if count < now then
  count = now
  redis.call('SET', KEYS[1], whole(count))
end
local function of(what)
  return string.match(said, what .. ':(%w+)') or ''
end
return {whole(count), of('run_id'), of('redis_mode'), of('role')}

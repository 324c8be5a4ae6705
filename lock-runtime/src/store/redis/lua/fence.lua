-- What the scripts that mint have in common; it stands before each of them and answers nothing by itself.
-- A fence is a whole number below 2^53 (Lua keeps no larger one exactly), written by '%.0f' because tostring
-- would lose digits.

local function failed(reply)
  return type(reply) == 'table' and reply.err ~= nil
end

-- The server's clock in microseconds. Called before anything is written.
local function clock()
  local now = redis.call('TIME')
  return now[1] * 1000000 + now[2]
end

-- The counter's number, zero if there is none; or nil and an error reply if it holds something else.
local function counted(counter)
  local text = redis.pcall('GET', counter)
  if not text then
    return 0
  end
  if failed(text) and not string.find(text.err, 'WRONGTYPE', 1, true) then
    return nil, text
  end
  if failed(text) or not string.find(text, '^%d+$') or tonumber(text) >= 9007199254740990 then
    return nil, redis.error_reply('FENCEBAD the counter holds no number below 2^53')
  end
  return tonumber(text)
end

-- The next fence as text: greater than the counter, the clock and the greatest that the client saw.
local function next_fence(counter, seen)
  local now = clock()
  local count, failure = counted(counter)
  if failure then
    return nil, failure
  end
  return string.format('%.0f', math.max(count, now, tonumber(seen)) + 1)
end

-- What the scripts that mint have in common; it stands before each of them and answers nothing by itself.
-- A fence is a whole number below 2^53 (Lua keeps no larger one exactly).

-- What a client says that it saw counts if it is no more than a year, in microseconds, ahead of the clock. A server counts
-- from its clock and by less than one in a microsecond, so that a fence further ahead came from a counter that somebody
-- wrote, and would outlive its deletion in every client that saw it.
local AHEAD = 31536000000000

local function failed(reply)
  return type(reply) == 'table' and reply.err ~= nil
end

-- A whole number as text; tostring would lose digits.
local function whole(number)
  return string.format('%.0f', number)
end

-- The server's clock in microseconds. Called before anything is written.
local function clock()
  local now = redis.call('TIME')
  return now[1] * 1000000 + now[2]
end

-- The counter's number, zero if there is none; or nil and an error reply if it holds something else, or one so near
-- to 2^53 that a block of fences could pass it.
local function counted(counter)
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

local function believed(seen, now)
  local number = tonumber(seen) or 0
  return number <= now + AHEAD and number or 0
end

-- Reserves fences greater than the counter, the clock and the greatest that the client saw. The first of them as
-- text; or nil and an error reply, and nothing is reserved.
local function mint(counter, seen, fences, now)
  local count, failure = counted(counter)
  if failure then
    return nil, failure
  end
  local first = math.max(count, now, believed(seen, now)) + 1
  local written = redis.pcall('SET', counter, whole(first + fences - 1))
  if failed(written) then
    return nil, written
  end
  return whole(first)
end

-- The same by one call, if the counter is still what the client and the clock make of it; by `mint` else.
local function count_on(counter, seen, fences, now)
  local last = redis.pcall('INCRBY', counter, fences)
  if type(last) == 'number' and last - fences >= believed(seen, now) and last > 1600000000000000
      and last < 9007190000000000 then
    return whole(last - fences + 1)
  end
  return mint(counter, seen, fences, now)
end

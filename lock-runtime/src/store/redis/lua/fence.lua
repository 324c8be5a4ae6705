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

-- Functions of the scripts that know of sets of holders; it stands behind queue.lua, whose KEYS and ARGV it uses, and
-- makes them only where a set is at hand: most locks never are.
-- KEYS  5 the holders
-- A lock that a set holds has a marker for its value, which no token begins like: `*s` shared, `*p` permits, `*w`
-- permits of which some holder took several. The holders are a sorted set of tokens, with `:` and the weight behind
-- that is not one, and with `kept|` before that is kept and nobody's; their scores are their expiries in ms of the
-- server's clock. Who has expired is nobody, also while others keep the lock alive. The marker lasts as long as the
-- longest of them, so that the lock is free when that is over, for a plain `SET NX` too. Holders without a marker are
-- none: whoever writes the marker where there was none deletes them first.

local MOST_HEIRS = 256 -- the same constant as in lock-core

local function is_marker(value)
  return value == '*s' or value == '*p' or value == '*w'
end

-- A kind as its letter, how many permits there are, and how many it takes.
local function of_kind(kind)
  local most, weight = string.match(kind, '^p(%d+)x?(%d*)$')
  if most then
    return 'p', tonumber(most), tonumber(weight) or 1
  end
  return kind, 0, 1
end

local function member_of(token, weight)
  return weight == 1 and token or token .. ':' .. whole(weight)
end

-- The set that holds the lock, or the empty one if nobody does. `value` is what the lock holds, as it was just read;
-- nobody may hold it as a token.
local function set_of(value, now)
  local lock, queue, held = KEYS[1], KEYS[3], KEYS[5]
  local now_ms, set = math.floor(now / 1000), {value = nil, stepped_over = 0}

  -- The greatest expiry; nothing if nobody holds.
  local function last()
    return tonumber(redis.call('ZRANGE', held, -1, -1, 'WITHSCORES')[2])
  end

  if is_marker(value) then
    redis.call('ZREMRANGEBYSCORE', held, '-inf', now_ms)
    set.last = last()
    set.value = set.last and value
  end

  -- How many permits are taken.
  local function taken()
    if set.value ~= '*w' then
      return redis.call('ZCARD', held)
    end
    local sum = 0
    for _, member in ipairs(redis.call('ZRANGE', held, 0, -1)) do
      sum = sum + (tonumber(string.match(member, ':(%d+)$')) or 1)
    end
    return sum
  end

  -- Whether one of this kind may hold beside the others.
  function set.has_room(letter, most, weight)
    if not set.value then
      return true
    end
    if letter == 's' then
      return set.value == '*s'
    end
    return letter == 'p' and (set.value == '*p' or set.value == '*w') and taken() + weight <= most
  end

  -- Whether that one holds.
  function set.has(member)
    return is_marker(set.value) and redis.call('ZSCORE', held, member)
  end

  -- The lock and its holders last until then.
  local function last_until(expiry)
    redis.call('PEXPIREAT', lock, expiry)
    redis.call('PEXPIREAT', held, expiry)
    set.last = expiry
  end

  -- The lease of one who holds ends in so many ms, unless it ends later.
  function set.lengthen(member, ttl)
    local expiry = now_ms + ttl
    if expiry > tonumber(redis.call('ZSCORE', held, member)) then
      redis.call('ZADD', held, 'XX', expiry, member)
      if expiry > set.last then
        last_until(expiry)
      end
    end
  end

  -- Adds one who has found room; returns an error reply if that failed.
  function set.add(token, letter, weight, ttl)
    if letter == 'x' then
      set.value = token
      local reply = redis.pcall('SET', lock, token, 'PX', ttl)
      return failed(reply) and reply
    end
    local expiry = now_ms + ttl
    local marker = letter == 's' and '*s' or (weight ~= 1 or set.value == '*w') and '*w' or '*p'
    if not set.value then
      redis.call('DEL', held)
      set.last = 0
    end
    local reply = redis.pcall('ZADD', held, expiry, member_of(token, weight))
    if failed(reply) then
      return reply
    end
    local latest = math.max(expiry, set.last)
    if set.value ~= marker then
      reply = redis.pcall('SET', lock, marker, 'PX', latest - now_ms)
      if failed(reply) then
        return reply
      end
    end
    if set.value ~= marker or expiry > set.last then
      last_until(latest)
    end
    set.value = marker
  end

  -- One holds no longer; the lock lasts as long as the others.
  function set.drop(member)
    redis.call('ZREM', held, member)
    local latest = last()
    if not latest then
      redis.call('DEL', lock, held)
      set.value = nil
    elseif latest < set.last then
      last_until(latest)
    end
  end

  -- The place of one is nobody's for so many ms, be that longer or shorter than it had.
  function set.keep(member, ms)
    redis.call('ZREM', held, member)
    if ms > 0 then
      redis.call('ZADD', held, now_ms + ms, 'kept|' .. member)
    end
    local latest = last()
    if latest then
      last_until(latest)
    else
      redis.call('DEL', lock, held)
      set.value = nil
    end
  end

  -- How many ms it takes at most until one may have the lock who wants such a lease.
  function set.left(letter)
    if letter == 'p' and (set.value == '*p' or set.value == '*w') then
      return tonumber(redis.call('ZRANGE', held, 0, 0, 'WITHSCORES')[2]) - now_ms
    end
    return redis.call('PTTL', lock)
  end

  -- Whether somebody hears for a waiter, or it looks by itself.
  local function is_alive(token, listener)
    local heard = publish(ARGV[3] .. listener, '')
    if not failed(heard) and heard > 0 then
      return true
    end
    local mark = redis.pcall('ZSCORE', queue, 'seen|' .. token)
    local left = mark and not failed(mark) and tonumber(mark) - MARKS - now or 0
    return 0 < left and left <= LONGEST_ALIVE * 1000
  end

  -- Adds the first waiter, who has found room, and tells its listener; it is taken out again if nobody hears. Returns
  -- whether it is alive, or nil and an error reply.
  local function let_in(token, listener, lease, fences, kind)
    local letter, _, weight = of_kind(kind)
    local fence, failure = mint_by_incr(KEYS[2], ARGV[2], fences, now)
    failure = failure or set.add(token, letter, weight, tonumber(lease))
    if failure then
      return nil, failure
    end
    local message = table.concat({token, fence, fences, lease, whole(now), lock}, ' ')
    local heard = publish(ARGV[3] .. listener, message)
    if not failed(heard) and heard > 0 or is_alive_by_mark(token, now) then
      return true
    end
    if letter == 'x' then
      redis.call('DEL', lock)
      set.value = nil
    else
      set.drop(member_of(token, weight))
    end
    return false
  end

  -- Lets in those at the head of the queue who find room, one after the other. Returns `own` if it reaches that token,
  -- who finds room and is left to the caller; `end` if nobody is left who is known; else nothing, and an error reply if
  -- there was one. If it probes, a head that finds no room is removed if it is dead.
  function set.advance(own, probes)
    local heirs, at = 0, 0
    while heirs < MOST_HEIRS and (not set.value or is_marker(set.value)) do
      local first = redis.pcall('ZRANGE', queue, at, at, 'WITHSCORES')
      if failed(first) then
        return nil, first
      end
      local entry, place = first[1], first[2]
      if not entry or tonumber(place) >= MARKS or at >= MOST_STEPPED_OVER then
        if entry and at == 0 then
          redis.call('DEL', queue) -- marks alone are of no use
        end
        set.stepped_over = at
        return 'end'
      end
      local token, listener, lease, fences, kind = read(entry)
      if is_unknown(entry) then
        at = at + 1
      elseif not token then
        redis.call('ZREM', queue, entry)
      elseif not set.has_room(of_kind(kind)) then
        if token == own or not probes or is_alive(token, listener) then
          return nil
        end
        redis.call('ZREM', queue, entry, 'seen|' .. token)
      elseif token == own then
        redis.call('ZREM', queue, entry)
        return 'own'
      else
        redis.call('ZREM', queue, entry)
        local alive, failure = let_in(token, listener, lease, fences, kind)
        if failure then
          redis.pcall('ZADD', queue, place, entry)
          redis.pcall('PEXPIRE', queue, QUEUE_KEPT_FOR) -- it may have been the last, and the queue gone with it
          return nil, failure
        end
        heirs = heirs + (alive and 1 or 0)
      end
    end
  end

  return set
end

-- Frees a lock that the token holds if it need not be kept and there is no queue. It stands before everything else of
-- the release script: making the functions and reading the queue would cost the server two thirds more.
-- KEYS, ARGV and reply as in release.lua; says nothing, and did nothing, if there is more to do

if ARGV[4] == '' and ARGV[5] == '' and redis.call('GET', KEYS[1]) == ARGV[1]
    and redis.pcall('EXISTS', KEYS[3]) == 0 then
  redis.call('DEL', KEYS[1])
  return 1
end

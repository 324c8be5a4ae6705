//! What a user of a shared server must be allowed to do with locks, as the documentation says it.

/// Commands; the first nine are those that were needed before there were queues.
pub const RIGHTS: [&str; 21] = [
    "+set",
    "+incr",
    "+incrby",
    "+get",
    "+pttl",
    "+pexpire",
    "+del",
    "+time",
    "+eval",
    "+evalsha",
    "+exists",
    "+zadd",
    "+zrem",
    "+zscore",
    "+zpopmin",
    "+zrange",
    "+zcard",
    "+zremrangebyscore",
    "+pexpireat",
    "+publish",
    "+subscribe",
];

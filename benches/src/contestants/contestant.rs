//! All contestants, by name, and what is said of each.

use lock_tests::Server;

use super::CONTENDED;

/// All there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Contestant {
    /// With local hand-over off: each grant is the server's.
    OursByServer,
    OursAsShipped,
    Blpop,
    LocalQueue,
    Rslock,
    RslockEveryMillisecond,
    Rlock,
    RlockEveryMillisecond,
    RlockReadWrite,
    RlockReadWriteEveryMillisecond,
    Nothing,
}

impl Contestant {
    pub(crate) const ALL: [Self; 11] = [
        Self::OursByServer,
        Self::OursAsShipped,
        Self::Blpop,
        Self::LocalQueue,
        Self::Rslock,
        Self::RslockEveryMillisecond,
        Self::Rlock,
        Self::RlockEveryMillisecond,
        Self::RlockReadWrite,
        Self::RlockReadWriteEveryMillisecond,
        Self::Nothing,
    ];

    pub(crate) fn is_ours(self) -> bool {
        matches!(self, Self::OursByServer | Self::OursAsShipped)
    }

    /// Its name on a command line and in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OursByServer => "ours-by-server",
            Self::OursAsShipped => "ours",
            Self::Blpop => "BLPOP",
            Self::LocalQueue => "local-queue",
            Self::Rslock => "rslock",
            Self::RslockEveryMillisecond => "rslock-1ms",
            Self::Rlock => "rlock",
            Self::RlockEveryMillisecond => "rlock-1ms",
            Self::RlockReadWrite => "rlock-rw",
            Self::RlockReadWriteEveryMillisecond => "rlock-rw-1ms",
            Self::Nothing => "nothing",
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|contestant| contestant.name() == name)
    }

    /// What it is, for those who read the report.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::OursByServer => "this library with `local_handover(false)`: each grant is the server's",
            Self::OursAsShipped => "this library as shipped",
            Self::Blpop => {
                "the floor of a fair hand-over and no lock: redis-rs, a list with one element, BLPOP takes it and \
                 RPUSH gives it back, a connection for each waiter"
            }
            Self::LocalQueue => {
                "a fair tokio mutex in front of SET NX PX and a compare-and-delete by EVALSHA, over one connection of \
                 redis-rs"
            }
            Self::Rslock => "rslock 0.10 at its defaults: a random pause below 200 ms, `acquire` until it is granted",
            Self::RslockEveryMillisecond => {
                "rslock 0.10 with `set_retry(u32::MAX, 3 ms)`: pauses of 0, 1 or 2 ms, so 1 ms on average"
            }
            Self::Rlock => "rlock 0.2 at its defaults: asks every 100 ms",
            Self::RlockEveryMillisecond => "rlock 0.2 with a `retry_interval` of 1 ms",
            Self::RlockReadWrite => {
                "rlock 0.2's lock for readers and writers at its defaults: asks every 100 ms, and prefers readers"
            }
            Self::RlockReadWriteEveryMillisecond => {
                "rlock 0.2's lock for readers and writers with a `retry_interval` of 1 ms"
            }
            Self::Nothing => {
                "no lock at all: the floor where nobody has to wait, and else to see that the check of exclusion sees"
            }
        }
    }

    /// Puts into the server what has to be there before the start.
    pub(crate) fn prepare(self, server: &Server) {
        // A run that failed may have left clients that still wait; the server may not know yet that they are gone.
        server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
        server.flushall();
        if self == Self::Blpop {
            server.command(&["RPUSH", CONTENDED, "the turn"]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contestant_is_found_by_its_name() {
        for contestant in Contestant::ALL {
            assert_eq!(Contestant::of_name(contestant.name()), Some(contestant));
        }
        assert_eq!(Contestant::of_name("redlock"), None);
    }
}

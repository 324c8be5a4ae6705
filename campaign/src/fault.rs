//! The faults that there are, as a table.

use std::fmt;

/// Something that goes wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// The server stands still.
    StopServer,
    /// The server is killed, and comes back with all that it had acknowledged.
    RestartServer,
    KillClients,
    KillSubscribers,
    PauseAll,
    PauseWrites,
    Sleep,
    ScriptFlush,
    FullMemory,
    /// The user of the workers may do nothing any more.
    RevokeRights,
    /// The server and its replica change places, as planned, and each worker comes to the new primary in its own time.
    FailOver,

    StopWorker,
    KillWorker,
    DelayRequests,
    DelayReplies,
    DropReplies,
    SwallowRequests,
    Freeze,
    Reset,
    CutReplies,
    HoldRequests,
    HoldReplies,
    RefuseConnections,

    /// The server is killed, and comes back with nothing.
    RestartEmpty,
    FlushAll,
    DeleteKey,
    /// Somebody writes a lock key without asking.
    Stranger,
}

impl Fault {
    /// Faults of the server that a lock must survive.
    pub(crate) const OF_SERVER: [Self; 11] = [
        Self::StopServer,
        Self::RestartServer,
        Self::KillClients,
        Self::KillSubscribers,
        Self::PauseAll,
        Self::PauseWrites,
        Self::Sleep,
        Self::ScriptFlush,
        Self::FullMemory,
        Self::RevokeRights,
        Self::FailOver,
    ];
    /// Faults of one worker or of its network.
    pub(crate) const OF_WORKER: [Self; 12] = [
        Self::StopWorker,
        Self::KillWorker,
        Self::DelayRequests,
        Self::DelayReplies,
        Self::DropReplies,
        Self::SwallowRequests,
        Self::Freeze,
        Self::Reset,
        Self::CutReplies,
        Self::HoldRequests,
        Self::HoldReplies,
        Self::RefuseConnections,
    ];
    /// Faults of the server that break what exclusion rests on.
    pub(crate) const BREAKING: [Self; 4] = [Self::RestartEmpty, Self::FlushAll, Self::DeleteKey, Self::Stranger];

    pub(crate) fn keeps_assumptions(self) -> bool {
        !Self::BREAKING.contains(&self)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::StopServer => "stop server",
            Self::RestartServer => "restart server",
            Self::KillClients => "kill clients",
            Self::KillSubscribers => "kill subscribers",
            Self::PauseAll => "pause all",
            Self::PauseWrites => "pause writes",
            Self::Sleep => "sleep",
            Self::ScriptFlush => "flush scripts",
            Self::FullMemory => "full memory",
            Self::RevokeRights => "revoke rights",
            Self::FailOver => "fail over",
            Self::StopWorker => "stop worker",
            Self::KillWorker => "kill worker",
            Self::DelayRequests => "delay requests",
            Self::DelayReplies => "delay replies",
            Self::DropReplies => "drop replies",
            Self::SwallowRequests => "swallow requests",
            Self::Freeze => "freeze",
            Self::Reset => "reset",
            Self::CutReplies => "cut replies",
            Self::HoldRequests => "hold requests",
            Self::HoldReplies => "hold replies",
            Self::RefuseConnections => "refuse connections",
            Self::RestartEmpty => "restart empty",
            Self::FlushAll => "flush all",
            Self::DeleteKey => "delete key",
            Self::Stranger => "stranger",
        })
    }
}

/// How the two kinds of phases and of faults are called.
pub(crate) fn kind(intact: bool) -> &'static str {
    if intact { "S" } else { "X" }
}

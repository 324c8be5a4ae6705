//! The events of a simulation, one after the other.

use lock_core::key::{Number, SessionId};
use lock_core::store::{Grant, StoreError};
use lock_core::{LockKey, Moment};

use super::packet::Packet;
use super::plan::Over;
use crate::request::Reply;

#[derive(Debug)]
pub(super) enum Event {
    /// A task arrives at a process.
    TaskArrives(usize),
    /// A task without a time limit arrives for each key, and then no more.
    Probes,
    /// One arrives for this key, which was done when the last one came.
    ProbesAgain(LockKey),
    Polls(usize),
    StepEnds(usize),
    GivesUp(usize),
    /// A task should have an answer by now, unless its process was stopped.
    Overdue(usize),
    /// The keeper of a process wakes.
    KeeperWakes(usize, u64),
    Arrives(Box<Packet>),
    Returns(Box<Packet>, Result<Reply, StoreError>),
    /// An answer, or the news that there will be none, reaches whoever awaits it.
    Answered(Box<Packet>, Result<Reply, StoreError>),
    /// A request is answered that the store has forgotten its script.
    ScriptForgotten(Box<Packet>),
    /// The keeper had no answer in time.
    TimesOut(usize, u64, u64),
    /// A session was probed: whether it answered in time.
    Probed(usize, u64, SessionId, bool),
    /// The store, or the server that was the store before, ends a session.
    Ends(usize, u64, SessionId),
    ReceivesGrant(usize, u64, SessionId, Box<Grant>),
    /// A stranger forges a grant message, and goes on until then.
    Forges(usize, Moment),
    /// A task renews its lease manually.
    RenewsManually(usize),
    /// A manual renewal should have an outcome by now.
    ManualOverdue(usize, Number),
    /// An attempt to open a connection ends.
    Opens(usize, u64, Over),
    SnapshotIsTaken,
    Begins(usize),
    Over(usize),
    Watches,
}

impl Event {
    /// The process that has to be awake for it, or one of its tasks.
    pub(super) fn concerns(&self) -> Option<Whom> {
        match self {
            Self::TaskArrives(process)
            | Self::TimesOut(process, ..)
            | Self::Probed(process, ..)
            | Self::KeeperWakes(process, _)
            | Self::ReceivesGrant(process, ..)
            | Self::Forges(process, _)
            | Self::Opens(process, ..) => Some(Whom::Process(*process)),
            Self::Polls(task)
            | Self::StepEnds(task)
            | Self::GivesUp(task)
            | Self::Overdue(task)
            | Self::RenewsManually(task)
            | Self::ManualOverdue(task, _) => Some(Whom::Task(*task)),
            Self::Returns(packet, _) | Self::Answered(packet, _) | Self::ScriptForgotten(packet) => {
                Some(Whom::Process(packet.process))
            }
            _ => None,
        }
    }
}

/// Who has to be awake.
pub(super) enum Whom {
    Process(usize),
    Task(usize),
}

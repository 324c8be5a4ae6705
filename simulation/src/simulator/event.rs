//! What happens in a simulation, one thing after the other.

use lock_core::Moment;
use lock_core::key::{Number, SessionId};
use lock_core::store::{Grant, StoreError};

use super::mail::Mail;
use super::plan::Over;
use super::request::Reply;

#[derive(Debug)]
pub(super) enum Event {
    /// A task comes to a process.
    Comes(usize),
    /// A task that waits for as long as it takes comes to each key, and then no more.
    Probes,
    Polls(usize),
    StepEnds(usize),
    GivesUp(usize),
    /// A task should have an answer by now; it was not stopped in the meantime.
    Overdue(usize),
    /// The keeper of a process wakes.
    Works(usize, u64),
    Arrives(Box<Mail>),
    Returns(Box<Mail>, Result<Reply, StoreError>),
    /// An answer, or the news that there will be none, comes to whoever waits for it.
    Answered(Box<Mail>, Result<Reply, StoreError>),
    /// A request comes back, to be sent once more.
    Bounces(Box<Mail>),
    /// Nothing came back to the keeper in time.
    TimesOut(usize, u64, u64),
    /// Something on a session had no answer in time, and that is a reason to doubt it.
    IsDoubted(usize, u64, SessionId),
    /// The store, or whoever was the store before, ends a session.
    Ends(usize, u64, SessionId),
    Hears(usize, u64, SessionId, Box<Grant>),
    /// A stranger tells of a grant, and goes on until then.
    Forges(usize, Moment),
    /// A task renews its lease by hand.
    RenewsByHand(usize),
    /// A renewal by hand should have come to something by now.
    ByHandOverdue(usize, Number),
    /// A connection has been tried to be opened.
    Opens(usize, u64, Over),
    CopyIsMade,
    Begins(usize),
    Over(usize),
    Watches,
}

impl Event {
    /// The process that has to be awake for it, or the task of one.
    pub(super) fn concerns(&self) -> Option<Whom> {
        match self {
            Self::Comes(process)
            | Self::TimesOut(process, ..)
            | Self::IsDoubted(process, ..)
            | Self::Works(process, _)
            | Self::Hears(process, ..)
            | Self::Forges(process, _)
            | Self::Opens(process, ..) => Some(Whom::Process(*process)),
            Self::Polls(task)
            | Self::StepEnds(task)
            | Self::GivesUp(task)
            | Self::Overdue(task)
            | Self::RenewsByHand(task)
            | Self::ByHandOverdue(task, _) => Some(Whom::Task(*task)),
            Self::Returns(mail, _) | Self::Answered(mail, _) | Self::Bounces(mail) => Some(Whom::Process(mail.process)),
            _ => None,
        }
    }
}

/// Who has to be awake.
pub(super) enum Whom {
    Process(usize),
    Task(usize),
}

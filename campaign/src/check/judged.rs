//! What a check has to say: what is wrong, what would be, and why it is not.

use std::fmt;

use crate::clock::Moment;
use crate::fault::Fault;
use crate::history::{Call, History};

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Check {
    /// Two bodies were there at once.
    Overlap,
    /// A fence that is not greater than that of an earlier grant.
    FenceRegression,
    /// A step that began at or after the deadline.
    LatePoll,
    /// A register that compares fences let the wrong one in, or kept the right one out.
    WrongWriter,
    /// An increment that was overwritten.
    LostUpdate,
    /// A call or a body without an end, or a loss that was told before its body was gone.
    Unended,
    /// A key that nobody was granted any more.
    StuckKey,
    /// A call that did not come back, or a worker that ended by itself.
    StuckWaiter,
    /// A key in Redis without an expiry, or one that was left over.
    StrayKey,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) check: Check,
    pub(crate) at: Moment,
    /// For how long it was so, in nanoseconds, where that can be said.
    pub(crate) lasted: u64,
    pub(crate) what: String,
}

/// Why something is not wrong that would be otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Excuse {
    /// The nemesis had stopped the process.
    Stopped,
    /// The machine had no time for the process, as far as the nemesis alone does not explain it.
    Starved,
}

/// What a check has to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) findings: Vec<Finding>,
    /// What would be wrong, had the one who did it not stood still.
    pub(crate) excused: Vec<(Finding, Excuse)>,
    /// What would be wrong, had nothing broken the assumptions; with what did.
    pub(crate) caused: Vec<(Finding, Option<Fault>)>,
}

impl Check {
    pub(crate) const ALL: [Self; 9] = [
        Self::Overlap,
        Self::FenceRegression,
        Self::LatePoll,
        Self::WrongWriter,
        Self::LostUpdate,
        Self::Unended,
        Self::StuckKey,
        Self::StuckWaiter,
        Self::StrayKey,
    ];

    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Overlap => "overlaps",
            Self::FenceRegression => "fence regressions",
            Self::LatePoll => "late polls",
            Self::WrongWriter => "wrong writers",
            Self::LostUpdate => "lost updates",
            Self::Unended => "unended calls",
            Self::StuckKey => "stuck keys",
            Self::StuckWaiter => "stuck waiters",
            Self::StrayKey => "stray keys",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.check.plural(), self.at, self.what)
    }
}

impl Judged {
    pub(super) fn add(&mut self, one: Self) {
        self.findings.extend(one.findings);
        self.excused.extend(one.excused);
    }

    /// Adds what is only forbidden while the assumptions hold.
    pub(super) fn add_if_intact(&mut self, history: &History, one: Self) {
        if history.intact {
            return self.add(one);
        }
        self.excused.extend(one.excused);
        self.caused.extend(one.findings.into_iter().map(|finding| {
            let broken_before = history.faults.iter().filter(|planted| planted.from <= finding.at);
            let cause = broken_before.filter(|planted| !planted.fault.keeps_assumptions()).max_by_key(|it| it.from);
            let cause = cause.map(|planted| planted.fault);
            (finding, cause)
        }));
    }

    pub(super) fn note(&mut self, excuse: Option<Excuse>, check: Check, at: Moment, what: String) {
        self.note_for(excuse, Finding { check, at, lasted: 0, what });
    }

    pub(super) fn note_for(&mut self, excuse: Option<Excuse>, finding: Finding) {
        match excuse {
            Some(excuse) => self.excused.push((finding, excuse)),
            None => self.findings.push(finding),
        }
    }
}

/// How a finding speaks of a call.
pub(super) fn named(call: &Call) -> String {
    let fence = call.grant.map_or_else(|| "none".to_owned(), |grant| grant.fence.to_string());
    format!("worker {} task {} fence {fence}", call.process, call.task)
}

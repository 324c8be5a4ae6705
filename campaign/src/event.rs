//! What workers write down: one line an event, with the time on the one clock.
//!
//! A worker appends to a file of its own, each line by one write, so what it wrote before it was killed is there.
//! Deliberately absent: any judgement.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::str::FromStr;

use lock_core::store::Kind;

use super::clock::Moment;

/// Something that happened to a call of a task, or to its process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A call begins: it wants this key, beside others of this kind, with a lease of so many nanoseconds.
    Try { key: u64, ttl: u64, kind: Kind },
    /// Its body is about to be polled for the first time.
    Grant { fence: u64, deadline: Moment },
    /// A step of the body begins.
    PollStart(PollStart),
    /// The step is over.
    PollEnd,
    /// The body and what it owned is gone.
    DropBody,
    /// The caller heard that the lock was lost.
    Lost { reason: String },
    /// The call is over.
    End { outcome: String },
    /// The process could not run when it wanted to, since then: the machine had no time for it.
    Stalled { since: Moment },
}

/// A step of a body begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PollStart {
    /// When the call, with the library in it, was polled: the library looked at its deadline after this.
    pub(crate) entered: Moment,
    /// Whether the lease was alive at that moment, where it was there to be asked.
    pub(crate) was_held: Option<bool>,
    /// The deadline that the library says there is; zero when it says that it has passed.
    pub(crate) deadline: Moment,
}

/// An event, its time, and the task that it happened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) at: Moment,
    pub(crate) task: u32,
    pub(crate) event: Event,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.at, self.task, self.event)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Try { key, ttl, kind } => write!(f, "try {key} {ttl} {}", word(*kind)),
            Self::Grant { fence, deadline } => write!(f, "grant {fence} {deadline}"),
            Self::PollStart(PollStart { entered, was_held, deadline }) => {
                let was_held = was_held.map_or("unknown", |held| if held { "held" } else { "over" });
                write!(f, "poll_start {entered} {was_held} {deadline}")
            }
            Self::PollEnd => f.write_str("poll_end"),
            Self::DropBody => f.write_str("drop_body"),
            Self::Lost { reason } => write!(f, "lost {reason}"),
            Self::End { outcome } => write!(f, "end {outcome}"),
            Self::Stalled { since } => write!(f, "stalled {since}"),
        }
    }
}

impl FromStr for Line {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        parse(line).ok_or_else(|| format!("a worker wrote `{line}`"))
    }
}

fn parse(line: &str) -> Option<Line> {
    let mut words = line.split(' ');
    let at = words.next()?.parse().ok()?;
    let task = words.next()?.parse().ok()?;
    let kind = words.next()?;
    let mut number = || words.next()?.parse::<u64>().ok();
    let event = match kind {
        "try" => Event::Try { key: number()?, ttl: number()?, kind: of_word(words.next()?)? },
        "grant" => Event::Grant { fence: number()?, deadline: number()? },
        "poll_start" => {
            let entered = number()?;
            let was_held = match words.next()? {
                "held" => Some(true),
                "over" => Some(false),
                "unknown" => None,
                _ => return None,
            };
            let deadline = words.next()?.parse().ok()?;
            Event::PollStart(PollStart { entered, was_held, deadline })
        }
        "poll_end" => Event::PollEnd,
        "drop_body" => Event::DropBody,
        "lost" => Event::Lost { reason: words.next()?.to_owned() },
        "end" => Event::End { outcome: words.next()?.to_owned() },
        "stalled" => Event::Stalled { since: number()? },
        _ => return None,
    };
    words.next().is_none().then_some(Line { at, task, event })
}

/// A kind as one word.
pub(crate) fn word(kind: Kind) -> String {
    match kind {
        Kind::Exclusive => "exclusive".to_owned(),
        Kind::Shared => "shared".to_owned(),
        Kind::Permits { most, weight, .. } => format!("{weight}-of-{most}"),
        other => unreachable!("no worker asks for {other}"),
    }
}

fn of_word(word: &str) -> Option<Kind> {
    match word {
        "exclusive" => Some(Kind::Exclusive),
        "shared" => Some(Kind::Shared),
        permits => {
            let (weight, most) = permits.split_once("-of-")?;
            Some(Kind::permits(most.parse().ok()?).with_weight(weight.parse().ok()?))
        }
    }
}

/// Where a worker writes its events.
#[derive(Debug)]
pub(crate) struct Journal(File);

impl Journal {
    pub(crate) fn at(path: &Path) -> Self {
        let file = OpenOptions::new().append(true).create(true).open(path);
        Self(file.unwrap_or_else(|error| panic!("{} cannot be written: {error}", path.display())))
    }

    /// Writes down what happened at that moment.
    pub(crate) fn note_at(&self, at: Moment, task: u32, event: Event) {
        let line = format!("{}\n", Line { at, task, event });
        (&self.0).write_all(line.as_bytes()).expect("a journal can be written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let start = |was_held| Event::PollStart(PollStart { entered: 5, was_held, deadline: 9 });
        let events = [
            Event::Try { key: 1, ttl: 2, kind: Kind::Exclusive },
            Event::Try { key: 1, ttl: 2, kind: Kind::Shared },
            Event::Try { key: 1, ttl: 2, kind: Kind::permits(3) },
            Event::Try { key: 1, ttl: 2, kind: Kind::permits(3).with_weight(2) },
            Event::Grant { fence: 3, deadline: 4 },
            start(Some(true)),
            start(Some(false)),
            start(None),
            Event::PollEnd,
            Event::DropBody,
            Event::Lost { reason: "Stolen".into() },
            Event::End { outcome: "busy".into() },
            Event::Stalled { since: 6 },
        ];
        for event in events {
            let line = Line { at: 7, task: 8, event };
            assert_eq!(line.to_string().parse(), Ok(line));
        }
    }

    #[test]
    fn nonsense_is_not_read() {
        for line in [
            "",
            "1 2",
            "1 2 try 3",
            "1 2 try 3 4",
            "1 2 try 3 4 p",
            "1 2 try 3 4 y",
            "1 2 poll_end 3",
            "x 2 poll_end",
            "1 2 poll_start 3 maybe 4",
        ] {
            assert!(line.parse::<Line>().is_err(), "{line}");
        }
    }
}

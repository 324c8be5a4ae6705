//! The history of one simulation, for those who have to understand it.

use std::fmt;
use std::time::Duration;

/// One entry.
#[derive(Debug, Clone)]
pub struct Note {
    /// When, from the beginning.
    pub at: Duration,
    /// To which process; to the store if there is none.
    pub process: Option<usize>,
    /// What.
    pub what: What,
}

/// What happened. Tasks are numbered by arrival, keys are named.
#[derive(Debug, Clone)]
pub enum What {
    /// A task asks for a key.
    Comes(About, String),
    /// Its body begins, with this fence.
    Begins(About, u64),
    /// Its body has ended, and how.
    Ends(About, &'static str),
    /// It is refused, and why.
    Refused(About, String),
    /// The store executes a request, and answers.
    Executes(String, String),
    /// A process receives a grant message.
    Receives(String),
    /// A fault begins, and lasts for so long.
    Fault(String, Duration),
    /// Anything else.
    Text(String),
}

/// Which task, and which key it wants.
#[derive(Debug, Clone)]
pub struct About {
    /// Its number.
    pub task: usize,
    /// The key's name.
    pub key: String,
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {} on {}", self.task, self.key)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lane = self.process.map_or_else(|| "store    ".to_owned(), |n| format!("process {n}"));
        write!(f, "{:>10.3} ms  {lane}  ", self.at.as_secs_f64() * 1000.0)?;
        match &self.what {
            What::Comes(who, terms) => write!(f, "{who} asks: {terms}"),
            What::Begins(who, fence) => write!(f, "{who} begins, fence {fence}"),
            What::Ends(who, how) => write!(f, "{who} {how}"),
            What::Refused(who, why) => write!(f, "{who} gets no lock: {why}"),
            What::Executes(request, reply) => write!(f, "{request} -> {reply}"),
            What::Receives(grant) => write!(f, "is told that {grant}"),
            What::Fault(fault, lasts) => write!(f, "FAULT {fault}, for {} ms", lasts.as_millis()),
            What::Text(text) => f.write_str(text),
        }
    }
}

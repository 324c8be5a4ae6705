//! The resource that the lock protects, outside Redis: per key a register that compares fences and one that does not.
//!
//! It lives in the campaign's process, behind a Unix socket; workers ask one line and read one line. It writes down
//! what was done in the order in which it happened, and refuses what a fence forbids; whether all that was right is for
//! the checks to say.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::clock::{Moment, now};

/// The name of its socket.
pub(crate) const SOCKET: &str = "oracle";

/// Something that was done to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deed {
    pub(crate) at: Moment,
    pub(crate) key: u64,
    /// Of the grant that did it.
    pub(crate) fence: u64,
    pub(crate) act: Act,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// A body began.
    Enter,
    /// A write to the register that compares fences, and whether it was accepted.
    Fenced { accepted: bool },
    /// A look at it by one who does not write, and whether no later one had written.
    Looked { accepted: bool },
    /// A read of the other register.
    Read { value: u64 },
    /// A write to it, of one more than what was read, and what was there just before.
    Write { value: u64, found: u64 },
}

/// The resources of one phase, served until the process ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Oracle {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    entered: Condvar,
}

#[derive(Debug, Default)]
struct State {
    deeds: Vec<Deed>,
    resources: BTreeMap<u64, Resource>,
}

#[derive(Debug, Default)]
struct Resource {
    greatest_fence: u64,
    unfenced: u64,
    last_entered: Moment,
}

impl Oracle {
    /// One that listens on this socket. Its threads end with their clients, the one that accepts with the process.
    pub(crate) fn listen(socket: &Path) -> Self {
        let listener = UnixListener::bind(socket).expect("a socket can be made in a directory of ours");
        let oracle = Self::default();
        let shared = Arc::clone(&oracle.shared);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || shared.serve(client));
            }
        });
        oracle
    }

    /// All that was done so far.
    pub(crate) fn deeds(&self) -> Vec<Deed> {
        self.shared.lock().deeds.clone()
    }

    /// Waits until a body began for each of the keys after this moment; which ones it did not within `patience`.
    pub(crate) fn not_entered_since(&self, since: Moment, keys: &[u64], patience: Duration) -> Vec<u64> {
        let deadline = Instant::now() + patience;
        let mut state = self.shared.lock();
        loop {
            let entered = |key| state.resources.get(key).is_some_and(|resource| resource.last_entered > since);
            let missing: Vec<u64> = keys.iter().filter(|key| !entered(key)).copied().collect();
            let left = deadline.saturating_duration_since(Instant::now());
            if missing.is_empty() || left.is_zero() {
                return missing;
            }
            state = self.shared.entered.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one client until it goes.
    fn serve(&self, client: UnixStream) {
        let Ok(mut answers) = client.try_clone() else { return };
        for line in BufReader::new(client).lines().map_while(Result::ok) {
            let answer = self.lock().answer(&line, now()).unwrap_or_else(|| panic!("a worker asked `{line}`"));
            if line.starts_with("enter") {
                self.entered.notify_all();
            }
            // A worker that was killed hears no answer.
            if answers.write_all(format!("{answer}\n").as_bytes()).is_err() {
                return;
            }
        }
    }
}

impl State {
    /// Does what a line asks for; none if it makes no sense.
    fn answer(&mut self, line: &str, at: Moment) -> Option<u64> {
        let mut words = line.split(' ');
        let what = words.next()?;
        let mut number = || words.next()?.parse::<u64>().ok();
        let (key, fence) = (number()?, number()?);
        let resource = self.resources.entry(key).or_default();
        let (act, answer) = match what {
            "enter" => {
                resource.last_entered = at;
                (Act::Enter, 0)
            }
            "fenced" => {
                let accepted = fence >= resource.greatest_fence;
                resource.greatest_fence = resource.greatest_fence.max(fence);
                (Act::Fenced { accepted }, u64::from(accepted))
            }
            "looked" => {
                let accepted = fence >= resource.greatest_fence;
                (Act::Looked { accepted }, u64::from(accepted))
            }
            "read" => (Act::Read { value: resource.unfenced }, resource.unfenced),
            "write" => {
                let value = number()?;
                let found = std::mem::replace(&mut resource.unfenced, value);
                (Act::Write { value, found }, found)
            }
            _ => return None,
        };
        self.deeds.push(Deed { at, key, fence, act });
        Some(answer)
    }
}

/// A worker's end of the line. A question blocks its thread for some microseconds.
#[derive(Debug)]
pub(crate) struct Asking {
    answers: BufReader<UnixStream>,
}

impl Asking {
    pub(crate) fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).expect("the oracle listens");
        Self { answers: BufReader::new(stream) }
    }

    pub(crate) fn enter(&mut self, key: u64, fence: u64) {
        self.ask(&format!("enter {key} {fence}"));
    }

    pub(crate) fn write_fenced(&mut self, key: u64, fence: u64) {
        self.ask(&format!("fenced {key} {fence}"));
    }

    pub(crate) fn look_fenced(&mut self, key: u64, fence: u64) {
        self.ask(&format!("looked {key} {fence}"));
    }

    pub(crate) fn read(&mut self, key: u64, fence: u64) -> u64 {
        self.ask(&format!("read {key} {fence}"))
    }

    pub(crate) fn write(&mut self, key: u64, fence: u64, value: u64) {
        self.ask(&format!("write {key} {fence} {value}"));
    }

    fn ask(&mut self, question: &str) -> u64 {
        let asked = self.answers.get_mut().write_all(format!("{question}\n").as_bytes());
        asked.expect("the oracle is there for as long as its workers are");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the oracle answers");
        answer.trim().parse().expect("the oracle answers with a number")
    }
}

#[cfg(test)]
mod tests {
    use super::{Act, State};

    #[test]
    fn a_smaller_fence_is_refused_and_an_equal_one_is_not() {
        let mut state = State::default();
        let answers = ["fenced 1 5", "fenced 1 5", "fenced 1 4", "fenced 2 4", "fenced 1 6"];
        assert_eq!(answers.map(|line| state.answer(line, 0)), [Some(1), Some(1), Some(0), Some(1), Some(1)]);
    }

    #[test]
    fn a_write_knows_what_it_overwrote() {
        let mut state = State::default();
        for line in ["read 1 5", "write 1 5 1", "write 1 6 1"] {
            state.answer(line, 0).expect("a line that makes sense");
        }
        let acts: Vec<Act> = state.deeds.iter().map(|deed| deed.act).collect();
        let expected = [Act::Read { value: 0 }, Act::Write { value: 1, found: 0 }, Act::Write { value: 1, found: 1 }];
        assert_eq!(acts, expected);
    }

    #[test]
    fn nonsense_is_not_answered() {
        let mut state = State::default();
        for line in ["", "enter", "enter 1", "write 1 2", "leave 1 2", "read x 2"] {
            assert_eq!(state.answer(line, 0), None, "{line}");
        }
    }
}

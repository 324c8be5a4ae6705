//! Who was inside, told by files alone: finds two that were inside at once, whatever the lock says.
//!
//! Being inside is a file that can only be created when it is not there, so one of two that overlap, in one process or
//! in several, always sees the other. It is a hard link to a note that is complete by then, so it always says whose it
//! is. What happened is appended to files, each line by one write.
//!
//! A worker that is killed leaves its file behind. Whoever comes next finds that the process is gone and takes the
//! place over, which is no overlap. So an overlap with a process that was killed in the very moment between is not
//! found; and outside Linux a killed process counts as gone when it was waited for, as [`crate::Worker::kill`] does.
//! A process that is stopped while it is inside stays inside: if it was stopped between two steps of a body, that is
//! nobody's fault, and such tests should enter for each step ([`Ledger::step`]).
//! Deliberately absent: times, and any judgement; a test decides which findings it forgives.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::Pid;

use crate::temporary::TemporaryDir;

/// How often a place of a dead process is tried; each time, another one was quicker and died in turn.
const ATTEMPTS: u32 = 100;

/// A directory that knows who is inside.
#[derive(Debug)]
pub struct Ledger {
    directory: PathBuf,
    /// In the process that made it.
    _made: Option<TemporaryDir>,
}

/// One that was inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// The fence of its grant.
    pub fence: u64,
    /// Its process.
    pub pid: u32,
}

/// Two that were inside at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// What was locked.
    pub key: String,
    /// Who came.
    pub newcomer: Visitor,
    /// Who was there, if it was not gone already when we looked who it is.
    pub inside: Option<Visitor>,
}

/// A grant whose fence is not greater than that of every grant before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutOfOrder {
    /// What was locked.
    pub key: String,
    /// The grant before it with the greatest fence.
    pub before: Visitor,
    /// The grant.
    pub after: Visitor,
}

/// All that a ledger saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// How many grants there were.
    pub grants: usize,
    /// Those that were inside at once.
    pub overlaps: Vec<Overlap>,
    /// The fences that did not grow, in the order in which their grants came inside.
    pub out_of_order: Vec<OutOfOrder>,
}

/// Being inside, until it is dropped.
#[derive(Debug)]
#[must_use = "one is inside for as long as this lives"]
pub struct Inside {
    /// The file to remove; none for one whose place somebody else holds.
    place: Option<PathBuf>,
}

impl Findings {
    /// Panics when two were inside at once or a fence did not grow.
    #[track_caller]
    pub fn assert_clean(&self) {
        assert!(self.overlaps.is_empty() && self.out_of_order.is_empty(), "{self:#?}");
    }
}

impl Ledger {
    /// A new one, whose directory is removed with it.
    #[expect(clippy::new_without_default, reason = "it makes a directory")]
    pub fn new() -> Self {
        let made = TemporaryDir::new("ledger");
        Self { directory: made.path().to_owned(), _made: Some(made) }
    }

    /// The one that another process made, for its workers.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), _made: None }
    }

    /// Its directory, to be given to workers.
    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// Comes inside with a new grant.
    pub fn enter(&self, key: &str, fence: u64) -> Inside {
        let inside = self.step(key, fence);
        self.append(&format!("{}.grants", encoded(key)), &Visitor::us(fence).to_line());
        inside
    }

    /// Comes inside again with a grant that [`Self::enter`] has seen.
    pub fn step(&self, key: &str, fence: u64) -> Inside {
        let us = Visitor::us(fence);
        let note = self.unique("note");
        fs::write(&note, us.to_line()).unwrap_or_else(|error| panic!("{} cannot be written: {error}", note.display()));
        let inside = self.take_place(key, us, &note);
        let _ = fs::remove_file(&note);
        inside
    }

    /// All that was found so far, by this and by all other processes.
    pub fn check(&self) -> Findings {
        let mut findings = Findings { overlaps: self.overlaps(), ..Findings::default() };
        for file in fs::read_dir(&self.directory).expect("the ledger's directory is there").map_while(Result::ok) {
            let name = file.file_name().to_string_lossy().into_owned();
            if let Some(key) = name.strip_suffix(".grants") {
                let grants: Vec<Visitor> = self.read(&name).lines().map(Visitor::of_line).collect();
                findings.grants += grants.len();
                findings.out_of_order.extend(out_of_order(&decoded(key), &grants));
            }
        }
        findings
    }

    /// All grants of a key that came inside so far, in this order.
    pub fn grants(&self, key: &str) -> Vec<Visitor> {
        self.read(&format!("{}.grants", encoded(key))).lines().map(Visitor::of_line).collect()
    }

    fn take_place(&self, key: &str, us: Visitor, note: &Path) -> Inside {
        let place = self.directory.join(format!("{}.inside", encoded(key)));
        for _ in 0..ATTEMPTS {
            match fs::hard_link(note, &place) {
                Ok(()) => return Inside { place: Some(place) },
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => panic!("{} cannot be created: {error}", place.display()),
            }
            // Whoever was there when we tried was inside with us, even if it is gone by now, unless it was dead.
            let met = fs::read_to_string(&place).ok().map(|line| Visitor::of_line(&line));
            match met {
                Some(dead) if !dead.is_alive() && self.clear(&place, dead) => {}
                _ => return self.overlap(key, us, met),
            }
        }
        panic!("`{key}` was left by the dead {ATTEMPTS} times");
    }

    /// Takes away the file of a dead process; `false` when somebody alive had taken it over meanwhile.
    fn clear(&self, place: &Path, dead: Visitor) -> bool {
        let away = self.unique("dead");
        // Of several who try, one moves it.
        if fs::rename(place, &away).is_err() {
            return false;
        }
        let moved = fs::read_to_string(&away).map(|line| Visitor::of_line(&line));
        let _ = fs::remove_file(&away);
        moved.is_ok_and(|moved| moved == dead)
    }

    fn overlap(&self, key: &str, newcomer: Visitor, inside: Option<Visitor>) -> Inside {
        let met = inside.map_or_else(String::new, Visitor::to_line);
        self.append("overlaps", &format!("{} {} {met}", encoded(key), newcomer.to_line()));
        Inside { place: None }
    }

    fn overlaps(&self) -> Vec<Overlap> {
        let overlap = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (key, visitors) = words.split_first()?;
            let mut visitors = visitors.chunks(2).map(|visitor| Visitor::of_line(&visitor.join(" ")));
            Some(Overlap { key: decoded(key), newcomer: visitors.next()?, inside: visitors.next() })
        };
        self.read("overlaps").lines().filter_map(overlap).collect()
    }

    fn append(&self, name: &str, line: &str) {
        let file = OpenOptions::new().append(true).create(true).open(self.directory.join(name));
        let appended = file.and_then(|mut file: File| file.write_all(format!("{line}\n").as_bytes()));
        appended.unwrap_or_else(|error| panic!("{name} of the ledger cannot be written: {error}"));
    }

    /// The text of a file; none for one that nobody has written to yet.
    fn read(&self, name: &str) -> String {
        match fs::read_to_string(self.directory.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            read => read.unwrap_or_else(|error| panic!("{name} of the ledger cannot be read: {error}")),
        }
    }

    /// A name that nobody else uses.
    fn unique(&self, what: &str) -> PathBuf {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        self.directory.join(format!("{}-{number}.{what}", std::process::id()))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        if let Some(place) = &self.place {
            let _ = fs::remove_file(place);
        }
    }
}

impl Visitor {
    fn us(fence: u64) -> Self {
        Self { fence, pid: std::process::id() }
    }

    fn to_line(self) -> String {
        format!("{} {}", self.fence, self.pid)
    }

    #[track_caller]
    fn of_line(line: &str) -> Self {
        let numbers =
            line.trim().split_once(' ').and_then(|(fence, pid)| Some((fence.parse().ok()?, pid.parse().ok()?)));
        let (fence, pid) = numbers.unwrap_or_else(|| panic!("a line of the ledger is `{line}`"));
        Self { fence, pid }
    }

    fn is_alive(self) -> bool {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw).expect("a process has a positive number");
        let gone = rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH);
        !gone && !is_zombie(self.pid)
    }
}

/// Whether a process has ended and only its parent does not know; where there is no `/proc`, nobody is.
fn is_zombie(pid: u32) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name before the state is in brackets, and may hold brackets itself.
    state.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with(['Z', 'X']))
}

fn out_of_order(key: &str, grants: &[Visitor]) -> Vec<OutOfOrder> {
    let mut found = Vec::new();
    let mut greatest: Option<Visitor> = None;
    for &after in grants {
        match greatest {
            Some(before) if after.fence <= before.fence => {
                found.push(OutOfOrder { key: key.to_owned(), before, after });
            }
            _ => greatest = Some(after),
        }
    }
    found
}

/// A key as the name of a file.
fn encoded(key: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02x}"),
    };
    key.bytes().map(byte).collect()
}

fn decoded(name: &str) -> String {
    let mut pieces = name.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let (code, rest) = piece.split_at(2);
        bytes.push(u8::from_str_radix(code, 16).expect("the ledger wrote its names itself"));
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

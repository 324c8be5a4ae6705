//! What the parent knows of its workers, and how it shows it.

use std::io::{self, Write as _};
use std::time::Instant;

/// Who holds what, and what happened so far.
pub(crate) struct Board {
    started: Instant,
    jobs: u32,
    holds: Vec<Option<String>>,
    done: u32,
    /// Found held by somebody else.
    busy: u32,
    lost: u32,
    /// Done a second time.
    again: u32,
    overlapped: u32,
}

impl Board {
    pub(crate) fn new(workers: u32, jobs: u32) -> Self {
        let holds = (0..workers).map(|_| None).collect();
        Self { started: Instant::now(), jobs, holds, done: 0, busy: 0, lost: 0, again: 0, overlapped: 0 }
    }

    /// A line that a worker printed.
    pub(crate) fn hear(&mut self, worker: usize, line: &str) {
        let (what, job) = line.split_once(' ').unwrap_or((line, ""));
        self.holds[worker] = (what == "hold" || what == "overlap").then(|| job.to_owned());
        match what {
            "done" => self.done += 1,
            "busy" => self.busy += 1,
            "lost" => self.lost += 1,
            "again" => self.again += 1,
            "overlap" => self.overlapped += 1,
            _ => {}
        }
    }

    /// The last word, as far as the workers could not tell it: some may have been killed.
    pub(crate) fn ended(&mut self, done: u32) -> bool {
        self.done = done;
        self.done == self.jobs && self.overlapped == 0 && self.again == 0
    }

    pub(crate) fn counts(&self) -> String {
        let Self { jobs, done, busy, lost, again, overlapped, started, .. } = self;
        let time = started.elapsed().as_secs_f32();
        let twice = if *again == 0 { String::new() } else { format!(", {again} done twice") };
        let rest = format!("{busy} skipped (busy), {lost} lost{twice}, {overlapped} overlapped");
        format!("{done} of {jobs} jobs done, {rest}, {time:.1} s")
    }

    /// Draws over what was drawn before.
    pub(crate) fn draw(&self) {
        let held =
            |held: &Option<String>| held.as_ref().map_or_else(|| "-".to_owned(), |job| format!("holds job {job}"));
        println!("{}\x1b[K", self.counts());
        for (worker, holds) in self.holds.iter().enumerate() {
            println!("  worker {worker:2}  {}\x1b[K", held(holds));
        }
        print!("\x1b[{}A", self.holds.len() + 1);
        let _ = io::stdout().flush();
    }

    /// Clears what was drawn.
    pub(crate) fn clear() {
        print!("\x1b[J");
    }
}

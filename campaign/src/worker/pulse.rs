//! Notices when the process could not run although it wanted to, so that the machine is not taken for the library.
//!
//! Two witnesses: the kernel, which counts for each thread how long it waited for a processor, and a task among the
//! others, which is late when the executor is. Neither is fooled by a library that is slow while it runs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Shared;
use crate::clock::{nanos, now};
use crate::event::{Event, Journal};

/// How often is looked.
const BEAT: Duration = Duration::from_millis(3);
/// What is not worth a line: much less than the shortest margin.
const NOTHING: Duration = Duration::from_millis(2);
/// Lines of no task.
const NOBODY: u32 = u32::MAX;

/// Watches all threads of this process for as long as it lives.
pub(crate) fn watch_threads(journal: Arc<Journal>) {
    std::thread::spawn(move || {
        let mut before: BTreeMap<PathBuf, u64> = waited().collect();
        loop {
            // There is no event for a thread that got no processor.
            std::thread::sleep(BEAT);
            let after: BTreeMap<PathBuf, u64> = waited().collect();
            let longest = after.iter().map(|(thread, after)| after - before.get(thread).unwrap_or(after)).max();
            note(&journal, longest.unwrap_or_default());
            before = after;
        }
    });
}

/// Watches the executor that drives this, until the worker is to end.
pub(crate) async fn watch_executor(shared: Arc<Shared>) {
    while !shared.over.load(Ordering::Relaxed) {
        let asked = now();
        shared.alarm.after(BEAT).await;
        let late = (now() - asked).saturating_sub(nanos(BEAT));
        note(&shared.journal, late);
    }
}

/// Somebody waited so long, and got on just now, or a beat ago: nobody can know better.
fn note(journal: &Journal, waited: u64) {
    if waited > nanos(NOTHING) {
        let at = now();
        journal.note_at(at, NOBODY, Event::Stalled { since: at - waited });
    }
}

/// For how long each thread of this process has waited for a processor so far; nothing where the kernel does not say.
fn waited() -> impl Iterator<Item = (PathBuf, u64)> {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().map_while(Result::ok);
    threads.filter_map(|thread| {
        let counters = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        let waited = counters.split_whitespace().nth(1)?.parse().ok()?;
        Some((thread.path(), waited))
    })
}

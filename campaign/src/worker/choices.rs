//! What workers and their tasks are chosen from.

/// The ttls that tasks choose from, in milliseconds.
pub(crate) const TTLS_MS: [u64; 5] = [300, 500, 800, 1_200, 2_000];
/// How far the numbers are apart of what a task does for one key and for the next of the same call.
pub(crate) const TASKS_APART: u32 = 1_000;
/// What drives each worker's tasks.
pub(crate) const EXECUTORS: [&str; 4] = ["current_thread", "multi_thread", "outside tokio", "multi_thread 2"];
/// The places of those that have one thread for all tasks.
pub(super) const SINGLE_THREADED: [usize; 2] = [0, 2];

//! Threads that keep every core awake and give way to everybody: policy `SCHED_IDLE`.

use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use thread_priority::unix::{NormalThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy};
use thread_priority::{ThreadPriority, thread_native_id};

/// One for each core, until it is dropped.
pub(super) struct Spinners {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Spinners {
    pub(super) fn start() -> Result<Self, String> {
        let cores = thread::available_parallelism().map_err(|error| format!("nobody knows how many cores: {error}"))?;
        let over = Arc::new(AtomicBool::new(false));
        let threads = (0..cores.get()).map(|_| {
            let over = Arc::clone(&over);
            thread::spawn(move || spin(&over))
        });
        Ok(Self { threads: threads.collect(), over })
    }
}

fn spin(over: &AtomicBool) {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    if set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle).is_err() {
        // Where there is no such policy, a spinner would take the core from those that are measured.
        return;
    }
    while !over.load(Ordering::Relaxed) {
        spin_loop();
    }
}

impl Drop for Spinners {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

//! A timer for any executor: one thread that wakes whoever is due.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

#[derive(Clone, Debug)]
pub(crate) struct Alarm {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    due: Mutex<Due>,
    sooner: Condvar,
}

/// Who is to be woken when; as many as there are futures of ours.
#[derive(Debug, Default)]
struct Due {
    wakers: BTreeMap<(Instant, u64), Waker>,
    next: u64,
}

impl Alarm {
    /// Its thread ends with the process.
    pub(crate) fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let alarm = Self { shared: Arc::clone(&shared) };
        std::thread::spawn(move || shared.ring());
        alarm
    }

    /// Comes back when so much time has passed since it was first polled.
    pub(crate) fn after(&self, time: Duration) -> impl Future<Output = ()> + Send + use<> {
        let shared = Arc::clone(&self.shared);
        async move {
            let due = Instant::now() + time;
            // Removed when it is over, however it ends.
            let entry = Entry { due: (due, shared.number()), shared };
            poll_fn(|cx| {
                if Instant::now() >= due {
                    return Poll::Ready(());
                }
                entry.shared.lock().wakers.insert(entry.due, cx.waker().clone());
                entry.shared.sooner.notify_one();
                Poll::Pending
            })
            .await;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Due> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self) -> u64 {
        let mut due = self.lock();
        due.next += 1;
        due.next
    }

    fn ring(&self) -> ! {
        let mut due = self.lock();
        loop {
            let now = Instant::now();
            let later = due.wakers.split_off(&(now, u64::MAX));
            let ringing = std::mem::replace(&mut due.wakers, later);
            drop(due);
            ringing.into_values().for_each(Waker::wake);
            due = self.lock();
            let first = due.wakers.first_key_value().map(|(&(first, _), _)| first);
            due = match first.map(|first| first.saturating_duration_since(Instant::now())) {
                Some(left) => self.sooner.wait_timeout(due, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.sooner.wait(due).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

struct Entry {
    due: (Instant, u64),
    shared: Arc<Shared>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let waker = self.shared.lock().wakers.remove(&self.due);
        drop(waker);
    }
}

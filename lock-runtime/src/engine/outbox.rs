//! The keeper's releases: so many on their way at once, and the others in the order in which they came.
//!
//! A session is one connection, and what is sent over it stands in one line. When very many locks end together, a
//! renewal must not stand behind all of their releases. As many may wait here as the client has releases.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lock_core::Moment;
use lock_core::walk::ReleaseErrand;

use crate::engine::shared::Shared;

/// How many releases are on their way at once.
const MOST: usize = 1024;

/// See the module.
#[derive(Default)]
pub(crate) struct Outbox {
    waiting: VecDeque<(Moment, ReleaseErrand)>,
    on_their_way: Arc<AtomicUsize>,
}

impl Outbox {
    pub(crate) fn push(&mut self, now: Moment, errand: ReleaseErrand) {
        self.waiting.push_back((now, errand));
    }

    /// The next release, with the moment at which it was put in here, if one more may be on its way.
    pub(crate) fn pop(&mut self, shared: &Arc<Shared>) -> Option<(Moment, ReleaseErrand, OnItsWay)> {
        if self.on_their_way.load(Ordering::SeqCst) >= MOST {
            return None;
        }
        let (since, errand) = self.waiting.pop_front()?;
        self.on_their_way.fetch_add(1, Ordering::SeqCst);
        let on_its_way = OnItsWay { all: Arc::clone(&self.on_their_way), shared: Arc::clone(shared) };
        Some((since, errand, on_its_way))
    }
}

/// Until it is dropped, one more is on its way. When half of them have arrived, the keeper wakes to send others.
pub(crate) struct OnItsWay {
    all: Arc<AtomicUsize>,
    shared: Arc<Shared>,
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        if self.all.fetch_sub(1, Ordering::SeqCst) == MOST / 2 {
            self.shared.wake_keeper.notify_one();
        }
    }
}

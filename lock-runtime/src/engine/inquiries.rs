//! What tasks ask the keeper to find out about keys. The keeper asks, so that it works on any executor, and a runtime
//! that is not polled holds up nobody.

use std::sync::Mutex;

use tokio::sync::oneshot;

use lock_core::{LockKey, Moment};

use crate::store::{Inspection, StoreError};
use crate::system::mutex::enter;

/// One question, and until when its answer is awaited.
#[derive(Debug)]
pub(crate) struct Inquiry {
    pub(crate) key: LockKey,
    pub(crate) until: Moment,
    /// Closed when nobody awaits the answer any more.
    pub(crate) answer: oneshot::Sender<Result<Inspection, StoreError>>,
}

/// Those that the keeper has not sent yet; one for each task that asks.
#[derive(Debug, Default)]
pub(crate) struct Inquiries(Mutex<Vec<Inquiry>>);

impl Inquiries {
    pub(crate) fn put(&self, inquiry: Inquiry) {
        enter(&self.0).push(inquiry);
    }

    /// Takes those that somebody awaits; while there is no session, only those whose time is over.
    pub(crate) fn take(&self, now: Moment, connected: bool) -> Vec<Inquiry> {
        let mut all = enter(&self.0);
        all.retain(|inquiry| !inquiry.answer.is_closed());
        all.extract_if(.., |inquiry| connected || inquiry.until <= now).collect()
    }

    /// When the time of one is over, given when something else is due.
    pub(crate) fn wakes_at(&self, due: Moment) -> Moment {
        enter(&self.0).iter().map(|inquiry| inquiry.until).fold(due, Moment::min)
    }
}

//! The keeper's thread, as those see it who want it to end.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use tokio::sync::Notify;

use crate::system::foreign;
use crate::system::mutex::enter;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct KeeperThread {
    /// None before it has started and after it was joined.
    handle: Mutex<Option<JoinHandle<()>>>,
    told_to_end: AtomicBool,
    ends: AtomicBool,
    is_over: AtomicBool,
    changed: Notify,
}

impl KeeperThread {
    pub(crate) fn started(&self, handle: JoinHandle<()>) {
        *enter(&self.handle) = Some(handle);
    }

    /// It is to end once the client is closed, even if something is left to do.
    pub(crate) fn tell_to_end(&self) {
        self.told_to_end.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_told_to_end(&self) -> bool {
        self.told_to_end.load(Ordering::SeqCst)
    }

    /// From now on it does nothing for anybody.
    pub(crate) fn begin_to_end(&self) {
        self.ends.store(true, Ordering::SeqCst);
    }

    /// Whether nothing is to be expected of it any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.ends.load(Ordering::SeqCst)
    }

    /// The last thing that it does.
    fn over(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        foreign::run(|| self.changed.notify_waiters());
    }

    /// Returns when the thread is gone; at once if it is the thread itself that asks.
    pub(crate) async fn gone(&self) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.is_over.load(Ordering::SeqCst) {
                break;
            }
            changed.await;
        }
        // All that it still does is to return; whoever comes second waits for that here.
        let mut handle = enter(&self.handle);
        if let Some(handle) = handle.take_if(|handle| handle.thread().id() != thread::current().id()) {
            let _ = handle.join();
        }
    }
}

/// Held by the thread for as long as it does anything.
pub(crate) struct Running<'a>(pub(crate) &'a KeeperThread);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.over();
    }
}

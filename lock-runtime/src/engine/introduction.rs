//! Who a client is to those who use its store: its id and its card, and whether that is there. Shared by its tasks,
//! its keeper and the exit of the process.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use crate::store::{Card, ClientId, ListenerId};
use crate::system::{clock, process};

/// See the module.
#[derive(Debug)]
pub(crate) struct Introduction {
    pub(crate) id: ClientId,
    pub(crate) card: Card,
    /// The keeper has had a card written, and not taken it back.
    written: AtomicBool,
    told: Notify,
}

impl Introduction {
    /// Of the client whose keeper listens under this name, which is random. Its first bits are the client's id, so that
    /// an entry and a channel say whose they are, as a token does.
    #[allow(clippy::cast_possible_truncation)] // these bits are asked for
    pub(crate) fn new(listener: ListenerId) -> Self {
        let card = Card::new(process::host(), std::process::id(), process::program(), clock::since_1970().as_secs());
        let id = ClientId::from_bits((listener.bits() >> 96) as u32);
        Self { id, card, written: AtomicBool::new(false), told: Notify::new() }
    }

    /// The keeper has the card written.
    pub(crate) fn begins(&self) {
        self.written.store(true, Ordering::SeqCst);
    }

    /// The keeper has taken it back, or cannot.
    pub(crate) fn ends(&self) {
        self.written.store(false, Ordering::SeqCst);
        self.told.notify_waiters();
    }

    /// Comes back when there is no card, or it has been taken back; the keeper's own time-out bounds that.
    pub(crate) async fn ended(&self) {
        let told = self.told.notified();
        if self.written.load(Ordering::SeqCst) {
            told.await;
        }
    }
}

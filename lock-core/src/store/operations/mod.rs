//! What a session is asked, what it answers, and what it tells by itself.
//!
//! All of it may grow: whoever makes one does so by its constructor, and sets what is optional by name.
//! Must stay true: every request names a key and a token, so that asking twice does no harm.

mod downgrade;
mod entry;
mod inspection;
mod listener;
mod replies;
mod requests;

pub use downgrade::Downgrade;
pub use entry::{Entry, LONGEST_ALIVE, MOST_FENCES, MOST_HEIRS, MOST_STEPPED_OVER};
pub use inspection::{Holding, Inspection, Owner, Presence, Waiting};
pub use listener::{Grant, Listener, ListenerId};
pub use replies::{Acquired, Released, Renewed, Rotated};
pub use requests::{Ask, Enqueue, Look, Release, Renewal, Rotate};

//! What a store is: what it can do, what it is asked and answers, what can go wrong, and the [`model`] that says what
//! is right.

mod capabilities;
mod card;
#[doc(hidden)]
pub mod cause;
mod clock;
mod error;
mod key;
mod kind;
mod lock_error;
mod loss_reason;
#[doc(hidden)]
pub mod model;
mod moment;
mod names;
mod node;
mod operations;
mod option_fault;
mod token;
mod traits;

pub use capabilities::Capabilities;
pub use card::{Card, ClientId};
pub use clock::{ClockId, ClockReading};
pub use error::{StoreError, StoreErrorKind};
pub use key::{KeyFault, LONGEST_KEY, LockKey, is_blank};
pub use kind::Kind;
pub use lock_error::LockError;
#[doc(hidden)]
pub use lock_error::Operation;
pub use loss_reason::LossReason;
#[doc(hidden)]
pub use moment::Moment;
#[doc(hidden)]
pub use names::Names;
#[doc(hidden)]
pub use node::NodeId;
pub use operations::{
    Acquired, Ask, Downgrade, Enqueue, Entry, Grant, Holding, Inspection, LONGEST_ALIVE, Listener, ListenerId, Look,
    MOST_FENCES, MOST_HEIRS, MOST_STEPPED_OVER, Owner, Presence, Release, Released, Renewal, Renewed, Rotate, Rotated,
    Waiting,
};
pub use option_fault::OptionFault;
pub use token::Token;
pub use traits::{Session, Store, StoreFuture};

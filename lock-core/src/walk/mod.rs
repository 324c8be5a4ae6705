//! State machines for one call and for the keeper, which step from answer to answer.
//!
//! Each is a value without a socket, a task or a clock. Its driver sends what it returns and tells it the answer: the
//! runtime with futures and a thread, the simulator with a list of messages.

mod acquiring;
mod call_table;
mod errand;
mod holding;
mod introduction;
mod keepers_session;
mod releasing;

pub use acquiring::{AcquireStep, Acquiring, Answer};
pub use call_table::CallTable;
pub use errand::{AskErrand, DowngradeErrand, Errand, ReleaseErrand, RenewErrand, Route, errands};
pub use holding::{Holding, RELEASE_TIMEOUT, Start};
pub use introduction::Introduction;
pub use keepers_session::KeepersSession;
pub use releasing::{ReleaseAnswer, Releasing};

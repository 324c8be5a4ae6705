//! One key of one client: who holds it, who asks for it, who waits, and which releases are unanswered.
//!
//! [`KeyState`] is a value: it is told what happened and when, and says what is to be done. What it consists of is in
//! `calls`, with the values `waiting`, `held`, `releasing` and `local_queue`; what happens to that, in `asking`, `granting`,
//! `holding`, `ending`, `rotating`, `release` and what they share.
//! Must stay true: nothing here knows of other keys, of timers, of counters or of whether sessions work.

mod asking;
mod calls;
mod context;
mod doubt;
mod ending;
mod enqueueing;
mod giving_back;
mod granting;
mod held;
mod holding;
mod ids;
mod leaving;
mod local_queue;
mod manual;
mod messages;
mod release;
mod releasing;
mod rotating;
mod spare;
mod state;
mod waiting;

pub use calls::Spares;
pub use context::{Context, Effect, How, Known};
pub use ids::{CallId, KeyId, Number, SessionId};
pub use messages::{
    Action, Job, ManualStep, Question, Refusal, ReleaseReply, ReleaseRequest, ReleaseStep, Settings, Step, Via,
};
pub use state::{Census, KeyState};

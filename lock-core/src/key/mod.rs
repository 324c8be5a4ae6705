//! One key of one client: its holder, the call that asks the store, the local queue, and releases without an answer.
//!
//! [`KeyState`] is a value: each event is told to it with the time, and it returns what to do. Its parts are in
//! `calls`, with the values `waiting`, `held`, `releasing` and `local_queue`; the transitions are in `asking`,
//! `granting`, `holding`, `ending`, `rotating`, `release` and what those share; `ticking` is the clock of all.
//! Must stay true: nothing here knows of other keys, timers, counters, or whether sessions work.

mod asking;
mod beside;
mod calls;
mod census;
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
mod left_behind;
mod local_queue;
mod manual;
mod messages;
mod names;
mod overtaken;
mod phase;
mod release;
mod releasing;
mod rotating;
mod spare;
mod state;
mod ticking;
mod unseen;
mod waiting;

pub use calls::Spares;
pub use census::Census;
pub use context::{Context, Effect, GrantedBy, Known};
pub use ids::{CallId, KeyId, Number, SessionId};
pub use messages::{
    AcquireRequest, Action, Completion, Job, ManualStep, Refusal, ReleaseReply, ReleaseRequest, ReleaseStep, Settings,
    Step, Via,
};
pub use names::CallNames;
pub use state::KeyState;

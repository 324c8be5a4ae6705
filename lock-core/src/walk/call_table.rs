//! What the walks need from a client's state.

use std::time::Duration;

use crate::key::{CallId, Completion, KeyId, Refusal, ReleaseReply, ReleaseStep, SessionId, Step, Via};
use crate::lease::Terms;
use crate::store::{Acquired, LockKey, LossReason, Moment, Renewed, StoreError, Token};

/// Each of its methods is an event; `C` stands for the task of a call.
pub trait CallTable<C> {
    /// A call arrives.
    ///
    /// # Errors
    /// Why it is refused at once.
    fn arrive(&mut self, now: Moment, key: &LockKey, token: Token, terms: Terms, caller: C) -> Result<CallId, Refusal>;

    /// The next step of a call without a lease; `via` is the session of its task's runtime, if there is one.
    fn next(&mut self, now: Moment, id: CallId, via: Option<Via>) -> Step;

    /// A request of this call, sent for that token at `sent`, was answered.
    fn answered(&mut self, now: Moment, id: CallId, token: Token, sent: Moment, answer: Result<Acquired, StoreError>);

    /// An operation of the keeper took so long, which is awake when its answer comes.
    fn keeper_saw_round_trip(&mut self, round_trip: Duration);

    /// The session of a look that the keeper was to send is gone.
    fn cut_off(&mut self, now: Moment, id: CallId);

    /// The task of a call without a grant, or with a grant that it has not seen yet, was dropped.
    fn cancelled(&mut self, now: Moment, id: CallId);

    /// A renewal of a token was answered.
    fn renewed(
        &mut self,
        now: Moment,
        key: KeyId,
        token: Token,
        asked: (Moment, Duration),
        answer: Result<Renewed, StoreError>,
    );

    /// The lease's own task found that its time is over: returns the new deadline if it was extended, or how it was
    /// lost.
    ///
    /// # Errors
    /// How it was lost.
    fn lapsed(&mut self, now: Moment, id: CallId) -> Result<Moment, LossReason>;

    /// The body of a lease has succeeded; it ends next.
    fn complete(&mut self, now: Moment, id: CallId) -> Completion;

    /// A lease ends, because its body or guard was dropped. A task awaits the release until `awaited_until`, if that is
    /// given.
    fn end(&mut self, now: Moment, id: CallId, awaited_until: Option<Moment>);

    /// The next step of a task that awaits a release; `session` is that of its runtime, if there is one.
    fn release_next(&mut self, now: Moment, id: CallId, session: Option<SessionId>) -> ReleaseStep;

    /// The task that awaited this release was dropped.
    fn release_cancelled(&mut self, now: Moment, id: CallId);

    /// A release was answered; `via` is the session that carried it.
    fn released(&mut self, now: Moment, id: CallId, via: Option<SessionId>, answer: Result<ReleaseReply, StoreError>);

    /// The keeper has a session again, with or without grant messages: what was parked is due, and a waiter in a
    /// store's queue looks whether it missed a grant.
    fn connected(&mut self, now: Moment, session: SessionId, listening: bool);

    /// The keeper's session is gone.
    fn disconnected(&mut self);

    /// The keeper could not open a session.
    fn out_of_reach(&mut self, error: StoreError);

    /// Whether a key is held by this token.
    fn holds(&self, key: KeyId, token: Token) -> bool;
}

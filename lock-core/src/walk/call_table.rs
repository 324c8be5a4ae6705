//! What the walks ask and tell of whoever keeps the states of a client's keys.

use std::time::Duration;

use crate::key::{CallId, KeyId, Refusal, ReleaseReply, ReleaseStep, SessionId, Step, Via};
use crate::lease::Terms;
use crate::store::{Acquired, LockKey, LossReason, Moment, Renewed, StoreError, Token};

/// Each of its methods is an event; `C` stands for the task of a call.
pub trait CallTable<C> {
    /// A call arrives.
    ///
    /// # Errors
    /// Why it is refused at once.
    fn arrive(&mut self, now: Moment, key: &LockKey, token: Token, terms: Terms, caller: C) -> Result<CallId, Refusal>;

    /// What the task of a call without a lease does now; `via` is its own session, if it has one.
    fn next(&mut self, now: Moment, id: CallId, via: Option<Via>) -> Step;

    /// A question of this call's, which was sent for that token at `sent`, was answered.
    fn answered(&mut self, now: Moment, id: CallId, token: Token, sent: Moment, answer: Result<Acquired, StoreError>);

    /// The session of a look that the keeper was to send is gone.
    fn cut_off(&mut self, now: Moment, id: CallId);

    /// The task of a call that had not been granted, or had not seen its grant, is gone.
    fn left(&mut self, now: Moment, id: CallId);

    /// A renewal of a token was answered.
    fn renewed(
        &mut self,
        now: Moment,
        key: KeyId,
        token: Token,
        asked: (Moment, Duration),
        answer: Result<Renewed, StoreError>,
    );

    /// The lease's own task found its time over: answers until when it is not, or how the lease was lost.
    ///
    /// # Errors
    /// How it was lost.
    fn lapsed(&mut self, now: Moment, id: CallId) -> Result<Moment, LossReason>;

    /// A lease ends: its body or guard is gone. A task awaits the release until `wanted_until`, or nobody does.
    fn end(&mut self, now: Moment, id: CallId, wanted_until: Option<Moment>);

    /// What the task that awaits a release does now; `session` is its own, if it has one.
    fn release_next(&mut self, now: Moment, id: CallId, session: Option<SessionId>) -> ReleaseStep;

    /// The task that awaited this release is gone.
    fn release_left(&mut self, now: Moment, id: CallId);

    /// A release was answered; `via` is the session that carried it.
    fn released(&mut self, now: Moment, id: CallId, via: Option<SessionId>, answer: Result<ReleaseReply, StoreError>);

    /// The keeper has a session again, over which the store tells of grants or not: what waited for one is due, and who
    /// stands in a queue looks whether a grant was missed.
    fn connected(&mut self, now: Moment, session: SessionId, listening: bool);

    /// The keeper's session is gone.
    fn disconnected(&mut self);

    /// The keeper could not open a session.
    fn out_of_reach(&mut self, error: StoreError);

    /// Whether a key is held by this token.
    fn holds(&self, key: KeyId, token: Token) -> bool;
}

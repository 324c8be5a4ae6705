//! A client's state as the walks see it: each event goes to the key that it concerns.

use std::time::Duration;

use super::state::ClientState;
use crate::key::{
    CallId, Completion, KeyId, KeyState, Number, Refusal, ReleaseReply, ReleaseStep, SessionId, Step, Via,
};
use crate::lease::Terms;
use crate::store::{Acquired, LockKey, LossReason, Moment, Renewed, StoreError, Token};
use crate::walk::CallTable;

impl<C: Clone> CallTable<C> for ClientState<C> {
    fn arrive(&mut self, now: Moment, key: &LockKey, token: Token, terms: Terms, caller: C) -> Result<CallId, Refusal> {
        if self.closing.is_some() {
            return Err(Refusal::ShuttingDown);
        }
        self.numbers += 1;
        let (key, number) = (self.keys.find_or_new(key), Number(self.numbers));
        let arrived = self.on(now, key, |state, cx| state.arrive(cx, number, token, terms, caller));
        arrived.unwrap_or(Ok(())).map(|()| CallId { key, number })
    }

    fn next(&mut self, now: Moment, id: CallId, via: Option<Via>) -> Step {
        let via = via.filter(|via| self.trust.allows(via.session));
        self.on(now, id.key, |state, cx| state.next(cx, id.number, via)).unwrap_or(Step::Pending)
    }

    fn answered(&mut self, now: Moment, id: CallId, token: Token, sent: Moment, answer: Result<Acquired, StoreError>) {
        if answer.is_ok() {
            self.first_lease.saw_round_trip_of_task(now.since(sent));
        }
        self.on(now, id.key, |state, cx| state.answered(cx, id.number, token, sent, answer));
    }

    fn keeper_saw_round_trip(&mut self, round_trip: Duration) {
        self.first_lease.saw_round_trip(round_trip);
    }

    fn cut_off(&mut self, now: Moment, id: CallId) {
        self.on(now, id.key, |state, cx| state.cut_off(cx, id.number));
    }

    fn cancelled(&mut self, now: Moment, id: CallId) {
        self.on(now, id.key, |state, cx| state.cancelled(cx, id.number));
    }

    fn renewed(
        &mut self,
        now: Moment,
        key: KeyId,
        token: Token,
        (sent, ttl): (Moment, Duration),
        answer: Result<Renewed, StoreError>,
    ) {
        self.on(now, key, |state, cx| state.renewed(cx, token, sent, ttl, answer));
    }

    fn lapsed(&mut self, now: Moment, id: CallId) -> Result<Moment, LossReason> {
        let lapsed = self.on(now, id.key, |state, cx| state.lapsed(cx, id.number));
        lapsed.unwrap_or(Err(LossReason::Expired))
    }

    fn complete(&mut self, now: Moment, id: CallId) -> Completion {
        let completed = self.on(now, id.key, |state, cx| state.complete(cx, id.number));
        completed.unwrap_or(Completion::Lost(LossReason::Expired))
    }

    fn end(&mut self, now: Moment, id: CallId, awaited_until: Option<Moment>) {
        self.on(now, id.key, |state, cx| state.end(cx, id.number, awaited_until));
    }

    fn release_next(&mut self, now: Moment, id: CallId, session: Option<SessionId>) -> ReleaseStep {
        let session = session.filter(|session| self.trust.allows(*session));
        let step = self.on(now, id.key, |state, cx| state.release_next(cx, id.number, session));
        step.unwrap_or_else(|| ReleaseStep::Done(Err(StoreError::no_answer())))
    }

    fn release_cancelled(&mut self, now: Moment, id: CallId) {
        self.on(now, id.key, |state, cx| state.release_cancelled(cx, id.number));
    }

    fn released(&mut self, now: Moment, id: CallId, via: Option<SessionId>, answer: Result<ReleaseReply, StoreError>) {
        self.on(now, id.key, |state, cx| state.released(cx, id.number, via, answer));
    }

    fn connected(&mut self, now: Moment, session: SessionId, listening: bool) {
        self.outage = None;
        self.change_trust(now, |trust| trust.connected(session, listening));
        for key in self.queued.clone() {
            self.on(now, key, KeyState::connected);
        }
    }

    fn disconnected(&mut self) {
        // Nothing is parked as long as there is another session.
        self.trust.disconnected();
    }

    fn out_of_reach(&mut self, error: StoreError) {
        self.outage = Some(error);
    }

    fn holds(&self, key: KeyId, token: Token) -> bool {
        self.keys.get(key).is_some_and(|entry| entry.state.holds(token))
    }
}

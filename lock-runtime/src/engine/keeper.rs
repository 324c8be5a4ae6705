//! The keeper: one thread per client that does everything that no task awaits.
//!
//! It renews, releases what was dropped, asks on behalf of waiters that cannot, and reconnects. It has a small runtime
//! and a connection of its own, so that a blocked worker thread delays no renewal, and a release does not need the
//! caller's runtime. `lock_core::walk` decides what to send, over which session, and how long to wait; the keeper sends
//! it and reports the answer.
//! Must stay true: every errand is answered, by the store, by an error or by its time-out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use std::{io, thread};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::engine::digest::Failed;
use crate::engine::inquiries::Inquiry;
use crate::engine::observe;
use crate::engine::outbox::Outbox;
use crate::engine::sent::ask;
use crate::engine::sessions::ClientSession;
use crate::engine::shared::Shared;
use crate::engine::thread::Running;
use crate::store::{StoreError, StoreErrorKind};
use crate::system::{clock, foreign};
use lock_core::Moment;
use lock_core::client::{ClientState, Probe, SessionTable as _};
use lock_core::key::{ReleaseReply, ReleaseRequest, SessionId};
use lock_core::store::NodeId;
use lock_core::walk::{
    AskErrand, DowngradeErrand, Errand, Introduction, KeepersSession, ReleaseErrand, RenewErrand, Route, errands,
};

/// The longest sleep of the keeper: it needs none, but this bounds what a bug could cost.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// How long the threads of a keeper that is awaited may take to end: one may be looking up a name.
const LONGEST_END: Duration = Duration::from_secs(1);

/// How long the answer to a card, and to taking it back, is awaited at most.
const CARD_TIMEOUT: Duration = Duration::from_secs(1);

/// The outcome of the first attempt to connect.
pub(crate) type FirstTry = oneshot::Receiver<Result<(), StoreError>>;

/// Starts the thread. It ends when the client is abandoned and nothing is left to do.
pub(crate) fn start(shared: &Arc<Shared>) -> io::Result<FirstTry> {
    let (first_result, first_try) = oneshot::channel();
    let runtime = Background(Some(Builder::new_current_thread().enable_all().build()?));
    let (of_keeper, of_thread) = (Arc::clone(shared), Arc::clone(shared));
    let handle = thread::Builder::new().name("lock-keeper".to_owned()).spawn(move || {
        let _running = Running(&of_thread.thread);
        let mut keeper = Keeper::new(of_keeper, Some(first_result));
        // A panic here is a bug of ours; every lease is still bounded by its deadline.
        while catch_unwind(AssertUnwindSafe(|| runtime.run(keeper.keep()))).is_err() {
            thread::sleep(Duration::from_millis(100)); // so that a panic that recurs does not busy-loop
        }
        drop(keeper);
        if of_thread.thread.is_told_to_end() {
            runtime.end();
        }
    })?;
    shared.thread.started(handle);
    Ok(first_try)
}

/// A runtime that is shut down in the background. Its remaining tasks have nobody to report to, and a resolver's thread
/// may take long; and if the keeper's thread cannot be started, this is dropped on the caller's thread, which must not
/// block.
struct Background(Option<Runtime>);

impl Background {
    fn run(&self, work: impl Future<Output = ()>) {
        if let Some(runtime) = &self.0 {
            runtime.block_on(work);
        }
    }

    /// Waits for the threads that it started, within a bound.
    fn end(mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_timeout(LONGEST_END);
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

struct Keeper {
    shared: Arc<Shared>,
    walk: KeepersSession,
    introduction: Introduction,
    /// The client's card on its way.
    card: Option<JoinHandle<Result<(), StoreError>>>,
    leaving: Option<JoinHandle<()>>,
    /// The open session.
    session: Option<Arc<ClientSession>>,
    opening: Option<JoinHandle<Result<Arc<ClientSession>, StoreError>>>,
    releases: Outbox,
    /// Who awaits the first attempt.
    first_result: Option<oneshot::Sender<Result<(), StoreError>>>,
    /// The same once it has succeeded: told when the client's card is there, so that nothing is written behind a
    /// connect that came back.
    connected: Option<oneshot::Sender<Result<(), StoreError>>>,
}

impl Keeper {
    fn new(shared: Arc<Shared>, first_result: Option<oneshot::Sender<Result<(), StoreError>>>) -> Self {
        Self {
            walk: KeepersSession::default(),
            introduction: Introduction::new(shared.capabilities.inspects()),
            card: None,
            leaving: None,
            shared,
            session: None,
            opening: None,
            releases: Outbox::default(),
            first_result,
            connected: None,
        }
    }

    async fn keep(&mut self) {
        loop {
            self.tend_session().await;
            let round = self.shared.keeper_round();
            let is_ending = round.closed && self.shared.thread.is_told_to_end();
            let may_end = is_ending || round.idle && self.shared.is_abandoned();
            if round.closed || may_end {
                let leaving = self.take_leave();
                if may_end {
                    let _ = leaving.await;
                    foreign::run(|| self.shared.observed.tell_overdue(Moment::MAX));
                    if is_ending {
                        self.end();
                    }
                    return;
                }
            }
            self.introduce(round.now).await;
            for inquiry in self.shared.inquiries.take(round.now, self.session.is_some()) {
                tokio::spawn(answer(self.session.clone(), inquiry));
            }
            self.shared.alarms.ring(round.now);
            for probe in round.probes {
                self.spawn(carry_probe(Arc::clone(&self.shared), probe));
            }
            if let Some(over) = round.over {
                for errand in errands(round.jobs, over, round.now, self.shared.operation_timeout) {
                    self.dispatch(round.now, errand);
                }
                self.send_releases(round.now);
            }
            foreign::run(|| self.shared.observed.tell_overdue(round.now));
            let due = self.shared.alarms.wakes_at(round.due.min(self.shared.observed.tells_at()));
            let due = self.introduction.wakes_at(self.shared.inquiries.wakes_at(due));
            let sleep = self.walk.wakes_at(due).since(clock::now()).min(LONGEST_SLEEP);
            if sleep.is_zero() {
                tokio::task::yield_now().await;
            } else {
                // Woken or timed out, the next round looks at everything.
                let _ = timeout(sleep, self.shared.wake_keeper.notified()).await;
            }
        }
    }

    /// The client is closed, and nothing is done for it any more: whoever still awaits a release is told so.
    fn end(&self) {
        self.shared.thread.begin_to_end();
        self.shared.sessions.end();
        drop(self.shared.inquiries.take(clock::now(), true));
        self.shared.alarms.ring(Moment::MAX);
        self.shared.with(ClientState::wake_releases);
    }

    /// Notices a session that closed or has been opened, and opens one when it is time to.
    async fn tend_session(&mut self) {
        if self.session.as_ref().is_some_and(|session| !session.is_usable()) {
            self.session = None;
            self.introduction.disconnected();
            let walk = &mut self.walk;
            self.shared.with(|client, _| walk.is_gone(client));
        }
        if let Some(opening) = self.opening.take_if(|opening| opening.is_finished()) {
            let opened = opening.await.unwrap_or_else(|_| Err(opening_panicked()));
            self.opened(opened);
        }
        if self.walk.begin_to_open(clock::now()) {
            let (opening, shared) = (self.shared.sessions.open_keepers(NodeId::ONLY), Arc::clone(&self.shared));
            self.opening = Some(tokio::spawn(async move {
                let _wake = WakeKeeper(Arc::clone(&shared));
                timeout(shared.operation_timeout, opening).await.unwrap_or_else(|_| Err(StoreError::no_answer()))
            }));
        }
    }

    /// The walk knows first, so that a panic of a subscriber does not leave it waiting for what has happened.
    fn opened(&mut self, opened: Result<Arc<ClientSession>, StoreError>) {
        let connected = opened.as_ref().map(|session| (session.id, session.listens())).map_err(Clone::clone);
        let outcome = connected.as_ref().map(|_| ()).map_err(Clone::clone);
        self.session = opened.ok();
        if self.session.is_some() {
            self.introduction.connected(clock::now());
        }
        let walk = &mut self.walk;
        // The last digits of the clock differ enough between processes that lost their server together.
        self.shared.with(|client, now| walk.opened(client, now, connected, now.nanos() / 64));
        let first = self.first_result.take();
        match &outcome {
            Ok(()) if first.is_none() => foreign::run(|| self.shared.observed.reconnected(&self.shared.place)),
            Ok(()) => {}
            Err(error) => foreign::run(|| observe::connection_failed(&self.shared.place, error)),
        }
        match outcome {
            Ok(()) => self.connected = first,
            failed => drop(first.map(|first| first.send(failed))),
        }
    }

    /// Has the client's card written when it is due, and hears what became of the one before.
    async fn introduce(&mut self, now: Moment) {
        if let Some(card) = self.card.take_if(|card| card.is_finished())
            && let Ok(answer) = card.await
            && self.introduction.answered(&answer)
            && let Err(error) = &answer
        {
            foreign::run(|| observe::card_refused(&self.shared.place, error));
        }
        let connected = self.connected.take();
        match self.session.clone() {
            Some(session) if self.introduction.begin(now) => {
                self.shared.introduction.begins();
                self.card = Some(tokio::spawn(write_card(Arc::clone(&self.shared), session, connected)));
            }
            _ => drop(connected.map(|connected| connected.send(Ok(())))),
        }
    }

    /// Takes the client's card back, once and for at most a second, behind the last one that was written.
    fn take_leave(&mut self) -> &mut JoinHandle<()> {
        let had_card = self.introduction.take_leave();
        let (shared, session) = (&self.shared, self.session.as_ref().filter(|_| had_card));
        self.leaving.get_or_insert_with(|| {
            let (shared, session) = (Arc::clone(shared), session.cloned());
            tokio::spawn(async move {
                if let Some(session) = session {
                    let limit = shared.operation_timeout.min(CARD_TIMEOUT);
                    let _ = timeout(limit, session.store.take_leave(shared.introduction.id)).await;
                }
                shared.introduction.ends();
            })
        })
    }

    /// Sends an errand, unless the session that is to carry it has just gone; releases when it is their turn.
    fn dispatch(&mut self, now: Moment, errand: Errand) {
        let shared = Arc::clone(&self.shared);
        let find = |session| self.shared.sessions.find(session);
        match errand {
            Errand::Renew(renew) => match find(renew.route.session) {
                Some(session) => self.spawn(carry_renewals(shared, session, renew)),
                None => shared.with(|client, now| drop(renew.answered(client, now, Err(session_gone())))),
            },
            Errand::Downgrade(downgrade) => match find(downgrade.route.session) {
                Some(session) => self.spawn(carry_downgrade(shared, session, downgrade)),
                None => shared.with(|client, now| drop(downgrade.answered(client, now, Err(session_gone())))),
            },
            Errand::Ask(ask) => match find(ask.route.session) {
                Some(session) => self.spawn(carry_question(shared, session, ask)),
                None => shared.with(|client, now| ask.cut_off(client, now)),
            },
            Errand::Release(release) => self.releases.push(now, release),
        }
    }

    /// Sends as many releases as may be on their way. One that was not sent within the operation time-out counts as
    /// unanswered, as it would if it had been: the client counts on that.
    fn send_releases(&mut self, now: Moment) {
        let shared = Arc::clone(&self.shared);
        let find = |session| shared.sessions.find(session);
        while let Some((since, release, on_its_way)) = self.releases.pop(&shared) {
            let route = release.route(|session| find(session).is_some());
            let not_sent = |error| shared.with(|client, now| release.answered(client, now, route.session, Err(error)));
            match find(route.session) {
                _ if since + shared.operation_timeout <= now => not_sent(StoreError::no_answer()),
                None => not_sent(session_gone()),
                Some(session) => {
                    let carried = carry_release(Arc::clone(&shared), session, route, release);
                    self.spawn(async move {
                        let _on_its_way = on_its_way;
                        carried.await;
                    });
                }
            }
        }
    }

    /// Whatever session carried an errand, the keeper wakes behind it if its own has failed, or if it may end.
    fn spawn(&self, errand: impl Future<Output = ()> + Send + 'static) {
        let (shared, own) = (Arc::clone(&self.shared), self.session.clone());
        drop(tokio::spawn(async move {
            errand.await;
            if own.is_some_and(|own| !own.is_usable()) || shared.is_abandoned() {
                shared.wake_keeper.notify_one();
            }
        }));
    }
}

fn session_gone() -> StoreError {
    StoreError::new(StoreErrorKind::Disconnected, "the session ended before the request was sent")
}

fn opening_panicked() -> StoreError {
    StoreError::new(StoreErrorKind::Disconnected, "the store panicked while a session was opened")
}

/// Wakes the keeper when dropped, also by a panic.
struct WakeKeeper(Arc<Shared>);

impl Drop for WakeKeeper {
    fn drop(&mut self) {
        self.0.wake_keeper.notify_one();
    }
}

/// Writes the client's card; then tells whoever awaits the first attempt to connect, whatever came of it.
async fn write_card(
    shared: Arc<Shared>,
    session: Arc<ClientSession>,
    connected: Option<oneshot::Sender<Result<(), StoreError>>>,
) -> Result<(), StoreError> {
    let _wake = WakeKeeper(Arc::clone(&shared));
    let (id, card) = (shared.introduction.id, shared.introduction.card.clone());
    let limit = shared.operation_timeout.min(CARD_TIMEOUT);
    let written = in_time(&session, limit, session.store.introduce(id, card)).await;
    drop(connected.map(|connected| connected.send(Ok(()))));
    written
}

/// Answers what a task asked, over this session if there is one; at the end of its time in any case.
async fn answer(session: Option<Arc<ClientSession>>, Inquiry { key, until, answer }: Inquiry) {
    let found = match session {
        Some(session) => in_time(&session, until.since(clock::now()), session.store.inspect(key)).await,
        None => Err(StoreError::no_answer()),
    };
    // Nobody may await it any more.
    let _ = answer.send(found);
}

/// The answer to what no lock depends on, so that a missing one does not count against the session.
async fn in_time<T>(
    session: &ClientSession,
    limit: Duration,
    operation: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    match timeout(limit, operation).await {
        Ok(answer) => session.accept(answer),
        Err(_) => Err(StoreError::no_answer()),
    }
}

async fn carry_question(shared: Arc<Shared>, session: Arc<ClientSession>, errand: AskErrand) {
    let operation = ask(&*session.store, errand.request.clone());
    let answer = carry(&shared, &session, errand.route, operation).await.and_then(|answer| session.accept(answer));
    shared.with(|client, now| errand.answered(client, now, answer));
}

async fn carry_release(shared: Arc<Shared>, session: Arc<ClientSession>, route: Route, errand: ReleaseErrand) {
    let request = errand.request.clone();
    let operation = async {
        match request {
            ReleaseRequest::Release(release) => session.store.release(release).await.map(ReleaseReply::Released),
            ReleaseRequest::Rotate(rotate) => session.store.rotate(*rotate).await.map(ReleaseReply::Rotated),
        }
    };
    let answer = carry(&shared, &session, route, operation).await.and_then(|answer| session.accept(answer));
    if let Err(error) = &answer {
        shared.tell_of(Failed::Release, errand.request.key(), Some(error));
    }
    shared.with(|client, now| errand.answered(client, now, session.id, answer));
}

async fn carry_renewals(shared: Arc<Shared>, session: Arc<ClientSession>, errand: RenewErrand) {
    let operation = session.store.renew(errand.batch.clone());
    let answers = carry(&shared, &session, errand.route, operation).await;
    let answers = answers.map(|answers| answers.into_iter().map(|answer| session.accept(answer)).collect());
    let failed = shared.with(|client, now| errand.answered(client, now, answers));
    for (key, error) in &failed {
        shared.tell_of(Failed::Renewal, key, Some(error));
    }
}

async fn carry_downgrade(shared: Arc<Shared>, session: Arc<ClientSession>, errand: DowngradeErrand) {
    let operation = session.store.downgrade(errand.downgrade.clone());
    let answer = carry(&shared, &session, errand.route, operation).await.and_then(|answer| session.accept(answer));
    if let Some((key, error)) = shared.with(|client, now| errand.answered(client, now, answer)) {
        shared.tell_of(Failed::Renewal, &key, Some(&error));
    }
}

/// Awaits an operation for so long at most, and for as long as its session is there. One without an answer is a reason
/// to suspect the session.
async fn carry<T>(
    shared: &Shared,
    session: &ClientSession,
    route: Route,
    operation: impl Future<Output = T>,
) -> Result<T, StoreError> {
    let Ok(answer) = timeout(route.limit, unless_retired(session, operation)).await else {
        shared.with(|client, now| client.timed_out(now, route.limit));
        return Err(StoreError::no_answer());
    };
    answer.ok_or_else(StoreError::no_answer)
}

/// The answer, unless the session is replaced before it comes.
async fn unless_retired<T>(session: &ClientSession, operation: impl Future<Output = T>) -> Option<T> {
    let (mut operation, mut retired) = (pin!(operation), pin!(session.retired()));
    std::future::poll_fn(|cx| match operation.as_mut().poll(cx) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        Poll::Pending => retired.as_mut().poll(cx).map(|()| None),
    })
    .await
}

async fn carry_probe(shared: Arc<Shared>, probe: Probe) {
    let mut outcome = ProbeOutcome { shared, session: probe.session, answered: false };
    if let Some(session) = outcome.shared.sessions.find(probe.session) {
        let answer = timeout(probe.limit, session.store.probe()).await;
        outcome.answered =
            answer.is_ok_and(|answer| answer.map_err(|error| error.kind()) != Err(StoreErrorKind::Disconnected));
    }
}

/// Tells the outcome of a probe when it is dropped, also by a panic of the store.
struct ProbeOutcome {
    shared: Arc<Shared>,
    session: SessionId,
    answered: bool,
}

impl Drop for ProbeOutcome {
    fn drop(&mut self) {
        let (session, answered) = (self.session, self.answered);
        self.shared.with(|client, now| client.probed(now, session, answered));
        if !answered {
            self.shared.wake_keeper.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;

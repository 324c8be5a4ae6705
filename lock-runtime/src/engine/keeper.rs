//! The keeper: one thread per client that does all that nobody awaits.
//!
//! It renews, releases what was dropped, asks on behalf of those who cannot, and reconnects. It has a small runtime and
//! a connection of its own, so that a blocked worker thread starves no renewal and a release needs no runtime of the
//! caller's. What to send and when is the core's to say; here it is sent, and the answer is told.
//! Must stay true: every job is answered, by the store, by an error or by the time-out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use lock_core::Moment;

use crate::engine::lines::Line;
use crate::engine::observe;
use crate::engine::shared::Shared;
use crate::store::{Acquired, Renewal, Renewed, StoreError, StoreErrorKind, StoreFuture, Token};
use crate::system::clock;
use lock_core::client::{Given, Giving, Job, SessionId, TicketId, no_answer};

/// How many renewals one call of the store carries.
const BATCH: usize = 64;
/// The longest pause between two tries to connect.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long a batch of renewals may stay without an answer, at least and at most, before the line is suspected.
const SUSPICION: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(1));
/// How long a release by a runtime's line may stay without an answer, at most, before it goes by the keeper's own: the
/// runtime may not be polled any more, and then nothing is written.
const ELSEWHERE: Duration = Duration::from_secs(1);
/// How long the keeper sleeps at most; with nothing due it has nothing to do, and this bounds what a fault could cost.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// What the first try to connect came to.
pub(crate) type FirstTry = oneshot::Receiver<Result<(), StoreError>>;

/// Starts the thread. It ends by itself when the client is abandoned and nothing is left to do.
pub(crate) fn start(shared: &Arc<Shared>) -> io::Result<FirstTry> {
    let (told, first_try) = oneshot::channel();
    let runtime = Background(Some(Builder::new_current_thread().enable_all().build()?));
    let shared = Arc::clone(shared);
    thread::Builder::new().name("lock-keeper".to_owned()).spawn(move || {
        let mut keeper =
            Keeper { shared, line: None, opening: None, again_at: Moment::MIN, failures: 0, told: Some(told) };
        // A panic here is a fault of ours; every lease is bounded by its deadline meanwhile.
        while catch_unwind(AssertUnwindSafe(|| runtime.run(keeper.keep()))).is_err() {
            thread::sleep(Duration::from_millis(100)); // so that a fault that comes back does not eat a core
        }
    })?;
    Ok(first_try)
}

/// A runtime whose end nobody waits for. Tasks that are left have nobody to tell, and a resolver's thread may take its
/// time; where the keeper's thread cannot be started, the runtime ends on the caller's, and may not wait there.
struct Background(Option<Runtime>);

impl Background {
    fn run(&self, work: impl Future<Output = ()>) {
        if let Some(runtime) = &self.0 {
            runtime.block_on(work);
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
    line: Option<Arc<Line>>,
    opening: Option<JoinHandle<Result<Arc<Line>, StoreError>>>,
    /// When to try again to connect.
    again_at: Moment,
    failures: u32,
    /// Who waits for the first try.
    told: Option<oneshot::Sender<Result<(), StoreError>>>,
}

impl Keeper {
    async fn keep(&mut self) {
        loop {
            self.tend_line().await;
            let round = self.shared.keeper_round();
            if round.idle && self.shared.is_abandoned() {
                return;
            }
            self.dispatch(round.now, round.jobs);
            let due =
                if self.line.is_some() || self.opening.is_some() { round.due } else { round.due.min(self.again_at) };
            let sleep = due.since(clock::now()).min(LONGEST_SLEEP);
            if sleep.is_zero() {
                tokio::task::yield_now().await;
            } else {
                // Woken or not, it looks.
                let _ = timeout(sleep, self.shared.rouse.notified()).await;
            }
        }
    }

    /// Sees to it that there is a line, or that one is being opened, or that it is too early for that.
    async fn tend_line(&mut self) {
        if self.line.as_ref().is_some_and(|line| !line.is_usable()) {
            self.line = None;
            self.shared.with(|core, _| core.disconnected());
        }
        if let Some(opening) = self.opening.take_if(|opening| opening.is_finished()) {
            let opened = opening.await.unwrap_or_else(|_| Err(opening_panicked()));
            self.opened(opened);
        }
        if self.line.is_none() && self.opening.is_none() && self.again_at <= clock::now() {
            let (opening, shared) = (self.shared.lines.open_keepers(), Arc::clone(&self.shared));
            self.opening = Some(tokio::spawn(async move {
                let _rouse = Rouse(Arc::clone(&shared));
                timeout(shared.operation_timeout, opening).await.unwrap_or_else(|_| Err(no_answer()))
            }));
        }
    }

    fn opened(&mut self, opened: Result<Arc<Line>, StoreError>) {
        let first = self.told.take();
        match opened {
            Ok(line) => {
                if first.is_none() {
                    self.shared.observed.reconnected(&self.shared.place);
                }
                self.shared.with(|core, now| core.connected(now, line.id, line.session.listens()));
                self.line = Some(line);
                self.failures = 0;
                first.map(|first| first.send(Ok(())));
            }
            Err(error) => {
                observe::connection_failed(&self.shared.place, &error);
                self.shared.with(|core, _| core.out_of_reach(error.clone()));
                self.again_at = clock::now() + pause(self.failures);
                self.failures += 1;
                first.map(|first| first.send(Err(error)));
            }
        }
    }

    fn dispatch(&self, now: Moment, jobs: Vec<Job>) {
        let Some(line) = &self.line else { return };
        let mut renewals = Vec::new();
        for job in jobs {
            let errand = Errand { shared: Arc::clone(&self.shared), line: Arc::clone(line), sent: now };
            match job {
                Job::Renew(id, renewal) => renewals.push((id, renewal)),
                Job::Acquire(id, ask) => {
                    let (token, operation) = (ask.token, line.session.acquire(ask));
                    drop(tokio::spawn(errand.ask(id, token, operation)));
                }
                Job::Look(id, look, via) => match self.shared.lines.find(via) {
                    Some(line) => {
                        let (token, operation) = (look.token, line.session.look(look));
                        drop(tokio::spawn(Errand { line, ..errand }.ask(id, token, operation)));
                    }
                    None => self.shared.with(|core, now| core.cut_off(now, id)),
                },
                Job::Give(id, giving, via) => drop(tokio::spawn(errand.give(id, giving, via))),
            }
        }
        let mut renewals = renewals.into_iter().peekable();
        while renewals.peek().is_some() {
            let batch = renewals.by_ref().take(BATCH).collect();
            let errand = Errand { shared: Arc::clone(&self.shared), line: Arc::clone(line), sent: now };
            tokio::spawn(errand.renew(batch));
        }
    }
}

/// The pause after so many failures to connect: 50 ms, 100 ms, .. up to a second, of which a random half is left out.
fn pause(failures: u32) -> Duration {
    let whole = (Duration::from_millis(50) * (1 << failures.min(5))).min(LONGEST_PAUSE);
    // The clock's last digits differ enough between processes that lost their server together.
    #[allow(clippy::cast_precision_loss)]
    let random = (clock::now().nanos() / 64 % 1024) as f64 / 1024.0;
    whole.mul_f64(0.5 + random / 2.0)
}

fn opening_panicked() -> StoreError {
    StoreError::new(StoreErrorKind::Disconnected, "the store panicked while a session was opened")
}

/// Wakes the keeper when dropped, by a panic too.
struct Rouse(Arc<Shared>);

impl Drop for Rouse {
    fn drop(&mut self) {
        self.0.rouse.notify_one();
    }
}

/// One job on its way.
struct Errand {
    shared: Arc<Shared>,
    line: Arc<Line>,
    sent: Moment,
}

impl Errand {
    async fn ask(self, id: TicketId, token: Token, operation: StoreFuture<Result<Acquired, StoreError>>) {
        let answer = self.carry(self.shared.operation_timeout, &self.line, operation).await;
        let answer = answer.and_then(|answer| self.line.heard(answer));
        self.shared.with(|core, now| core.answered(now, id, token, self.sent, answer));
        self.finish();
    }

    async fn give(self, id: TicketId, giving: Giving, via: Option<SessionId>) {
        let key = giving.key().clone();
        let elsewhere = via.and_then(|via| self.shared.lines.find(via));
        let is_elsewhere = elsewhere.is_some();
        let line = elsewhere.unwrap_or_else(|| Arc::clone(&self.line));
        let operation = async {
            match giving {
                Giving::Release(release) => line.session.release(release).await.map(Given::Released),
                Giving::Rotate(rotation) => line.session.rotate(rotation).await.map(Given::Rotated),
            }
        };
        let patience = self.shared.operation_timeout;
        let answer = if is_elsewhere && ELSEWHERE < patience {
            // Too short a time to doubt the line.
            timeout(ELSEWHERE, operation).await.map_err(|_| no_answer())
        } else {
            self.carry(patience, &line, operation).await
        };
        let answer = answer.and_then(|answer| line.heard(answer));
        if let Err(error) = &answer {
            self.shared.observed.release_failed(&key, error);
        }
        self.shared.with(|core, now| core.released(now, id, Some(line.id), answer));
        self.finish();
    }

    async fn renew(self, batch: Vec<(TicketId, Renewal)>) {
        let asked: Vec<Asked> =
            batch.iter().map(|(id, renewal)| Asked { id: *id, token: renewal.token, ttl: renewal.ttl }).collect();
        let renewals = batch.into_iter().map(|(_, renewal)| renewal).collect();
        let shortest = asked.iter().map(|asked| asked.ttl).min().unwrap_or_default();
        let limit = (shortest / 6).clamp(SUSPICION.0, SUSPICION.1).min(self.shared.operation_timeout);
        let answers = self.carry(limit, &self.line, self.line.session.renew(renewals)).await;
        let answers: Vec<Result<Renewed, StoreError>> = match answers {
            Ok(answers) if answers.len() == asked.len() => {
                answers.into_iter().map(|answer| self.line.heard(answer)).collect()
            }
            Ok(_) => asked.iter().map(|_| Err(wrong_count())).collect(),
            Err(error) => asked.iter().map(|_| Err(error.clone())).collect(),
        };
        let failed = self.shared.with(|core, now| {
            let mut failed = Vec::new();
            for (Asked { id, token, ttl }, answer) in asked.into_iter().zip(answers) {
                if let Err(error) = &answer {
                    failed.extend(core.key_of_lease(id, token).map(|key| (key.clone(), error.clone())));
                }
                core.renewed(now, id, token, self.sent, ttl, answer);
            }
            failed
        });
        for (key, error) in &failed {
            self.shared.observed.renew_failed(key, error);
        }
        self.finish();
    }

    /// Awaits an operation for so long at most, and keeps count of those without an answer.
    async fn carry<T>(
        &self,
        limit: Duration,
        line: &Line,
        operation: impl Future<Output = T>,
    ) -> Result<T, StoreError> {
        if let Ok(answer) = timeout(limit, operation).await {
            return Ok(answer);
        }
        line.timed_out();
        Err(no_answer())
    }

    /// The keeper looks at once whether it needs another line, or may end.
    fn finish(&self) {
        if !self.line.is_usable() || self.shared.is_abandoned() {
            self.shared.rouse.notify_one();
        }
    }
}

/// A renewal that was sent.
struct Asked {
    id: TicketId,
    token: Token,
    ttl: Duration,
}

fn wrong_count() -> StoreError {
    StoreError::new(StoreErrorKind::Refused, "the store answered another number of renewals than it was asked for")
}

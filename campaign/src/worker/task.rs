//! What a task does all the time: chooses a key, a way to lock it, and a way to end.

use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{Either, select};
use lock_runtime::{LockError, LockGuard, LockRequest, distributed_lock};

use super::Shared;
use super::call::{Call, Entered, Hold, Watched};
use super::choices::TTLS_MS;
use super::job::{Ending, Job, Planned, SLOWEST, Unlucky};
use crate::chance::Chance;
use crate::clock::{margin, nanos, now};
use crate::event::Event;
use crate::store::lock_key;

/// The pause before somebody who was refused comes again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(60));

/// The ways to take a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    AttributeThatWaits,
    AttributeThatDoesNot,
    AttributeThatSkips,
    AttributeWithMaxHold,
    RunThatWaitsForever,
    RunThatDoesNotWait,
    RunThatDoesNotRenew,
    /// The key outlasts a short body.
    RunThatKeeps,
    GuardThatIsReleased,
    GuardThatIsDropped,
    /// Twice at once.
    GuardThatRenewsByHand,
}

const FORMS: [Form; 11] = [
    Form::AttributeThatWaits,
    Form::AttributeThatDoesNot,
    Form::AttributeThatSkips,
    Form::AttributeWithMaxHold,
    Form::RunThatWaitsForever,
    Form::RunThatDoesNotWait,
    Form::RunThatDoesNotRenew,
    Form::RunThatKeeps,
    Form::GuardThatIsReleased,
    Form::GuardThatIsDropped,
    Form::GuardThatRenewsByHand,
];

/// What ends a call before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Never,
    /// Its task is aborted.
    Abort(Duration),
    /// Somebody else in its task is quicker.
    Timeout(Duration),
}

/// How a call came out.
#[derive(Debug)]
enum Outcome {
    Done,
    Skipped,
    Unlucky,
    Failed(LockError),
}

impl From<LockError> for Outcome {
    fn from(error: LockError) -> Self {
        Self::Failed(error)
    }
}

impl From<Unlucky> for Outcome {
    fn from(Unlucky: Unlucky) -> Self {
        Self::Unlucky
    }
}

/// Calls until the worker is to end.
pub(crate) async fn work(shared: Arc<Shared>, task: u32) {
    let mut chance = Chance::new(shared.orders.seed, 1_000 + u64::from(task));
    let all = shared.orders.keys;
    // The first of a worker's tasks goes for all keys, so that none is forgotten; others for one to three.
    let (first, count) = if task == 0 { (0, all) } else { (chance.below(all), 1 + chance.below(3)) };
    while !shared.over.load(Ordering::Relaxed) {
        let key = (first + chance.below(count)) % all;
        let ttl = Duration::from_millis(chance.one_of(&TTLS_MS));
        let call = Call::new(Arc::clone(&shared.journal), task);
        call.note(Event::Try { key, ttl: nanos(ttl) });
        let job = job(&shared, &call, key, ttl, &mut chance);
        let outcome = call_once(&shared, job, &mut chance).await;
        call.note(Event::End { outcome: outcome.to_owned() });
        if outcome != "done" {
            shared.alarm.after(chance.between(PAUSE.0, PAUSE.1)).await;
        }
    }
}

fn job(shared: &Arc<Shared>, call: &Arc<Call>, key: u64, ttl: Duration, chance: &mut Chance) -> Job {
    let ending = match chance.below(100) {
        0..80 => Ending::Ok,
        80..92 => Ending::Error,
        _ => Ending::Panic,
    };
    // Most are short, so that there is much coming and going; some live on renewals.
    let lasts = match chance.below(100) {
        0..20 => Duration::ZERO,
        20..75 => chance.between(Duration::ZERO, Duration::from_millis(60)),
        _ => chance.between(ttl / 2, ttl + ttl.max(Duration::from_secs(1))),
    };
    let slow = if chance.percent(30) { chance.between(Duration::from_millis(2), SLOWEST) } else { Duration::ZERO };
    let (shared, call) = (Arc::clone(shared), Arc::clone(call));
    Job { shared, call, key, ttl, lasts, slow, ending, chance: chance.branch() }
}

/// A body that goes on for longer than it may, and takes its time to be dropped.
fn wedged(job: Job) -> Job {
    let ttl = Duration::from_millis(TTLS_MS[0]);
    Job { ttl, lasts: ttl * 2, slow: margin(ttl) * 3 / 4, ..job }
}

/// One call, to its end or until it is cut; a word for how it came out.
async fn call_once(shared: &Arc<Shared>, job: Job, chance: &mut Chance) -> &'static str {
    let early = chance.between(Duration::ZERO, Duration::from_millis(150));
    let cut = match chance.below(100) {
        0..84 => Cut::Never,
        84..92 => Cut::Abort(early),
        _ => Cut::Timeout(early),
    };
    let (call, form) = (Arc::clone(&job.call), chance.one_of(&FORMS));
    let wait = chance.between(Duration::from_millis(50), Duration::from_secs(3));
    let job = if form == Form::AttributeWithMaxHold && chance.percent(70) { wedged(job) } else { job };
    let locked = under_lock(job, form, wait);
    let watched = Entered { call: Arc::clone(&call), future: Box::pin(locked) };
    let caught = AssertUnwindSafe(watched).catch_unwind();
    let ended = match cut {
        Cut::Never => Some(caught.await),
        Cut::Abort(after) if tokio::runtime::Handle::try_current().is_ok() => {
            let task = tokio::spawn(caught);
            shared.alarm.after(after).await;
            task.abort();
            task.await.ok()
        }
        // Elsewhere an abort is a drop, too.
        Cut::Abort(after) | Cut::Timeout(after) => match select(pin!(caught), pin!(shared.alarm.after(after))).await {
            Either::Left((ended, _)) => Some(ended),
            Either::Right(_) => None,
        },
    };
    match ended {
        None => "cut",
        Some(Err(panic)) if panic.is::<Planned>() => "panicked",
        Some(Err(surprise)) => std::panic::resume_unwind(surprise),
        Some(Ok(outcome)) => told(&call, &outcome),
    }
}

fn told(call: &Call, outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Skipped => "skipped",
        Outcome::Unlucky => "unlucky",
        Outcome::Failed(LockError::Busy { .. }) => "busy",
        Outcome::Failed(LockError::Unavailable { .. }) => "unavailable",
        Outcome::Failed(LockError::Lost { reason, .. }) => {
            call.note(Event::Lost { reason: format!("{reason:?}") });
            "lost"
        }
        Outcome::Failed(other) => panic!("{other:?}"),
    }
}

#[distributed_lock(key = lock_key(key), ttl = ttl, wait = wait)]
async fn wait_for(key: u64, ttl: Duration, wait: Duration, body: Body) -> Result<(), Outcome> {
    body.await.map_err(Outcome::from)
}

#[distributed_lock(key = "campaign:<key>", ttl = ttl)]
async fn try_for(key: u64, ttl: Duration, body: Body) -> Result<(), Outcome> {
    body.await.map_err(Outcome::from)
}

#[distributed_lock(key = "campaign:<key>", ttl = ttl, on_busy = "skip")]
async fn try_or_skip(key: u64, ttl: Duration, body: Body) -> Result<Option<()>, Outcome> {
    body.await.map(Some).map_err(Outcome::from)
}

#[distributed_lock(key = "campaign:<key>", ttl = ttl, wait = wait, max_hold = ttl)]
async fn hold_at_most(key: u64, ttl: Duration, wait: Duration, body: Body) -> Result<(), Outcome> {
    body.await.map_err(Outcome::from)
}

/// A watched body.
type Body = Pin<Box<dyn Future<Output = Result<(), Unlucky>> + Send>>;

async fn under_lock(job: Job, form: Form, wait: Duration) -> Outcome {
    let (call, client) = (Arc::clone(&job.call), job.shared.client.clone());
    let (key, ttl) = (job.key, job.ttl);
    let body: Body = Box::pin(Watched::new(Arc::clone(&call), job.work()));
    let Some(client) = client else {
        call.granted(Hold::Nothing(now()));
        return outcome(Ok(body.await));
    };
    let request = client.lock(lock_key(key)).ttl(ttl);
    let attribute = |done: Result<(), Outcome>| done.map_or_else(|failed| failed, |()| Outcome::Done);
    match form {
        Form::AttributeThatWaits => attribute(wait_for(key, ttl, wait, body).await),
        Form::AttributeThatDoesNot => attribute(try_for(key, ttl, body).await),
        Form::AttributeThatSkips => match try_or_skip(key, ttl, body).await {
            Ok(Some(())) => Outcome::Done,
            Ok(None) => Outcome::Skipped,
            Err(failed) => failed,
        },
        Form::AttributeWithMaxHold => attribute(hold_at_most(key, ttl, wait, body).await),
        Form::RunThatWaitsForever => outcome(request.wait_forever().run(body).await),
        Form::RunThatDoesNotWait => outcome(request.run(body).await),
        Form::RunThatDoesNotRenew => outcome(request.wait(wait).renew(false).run(body).await),
        Form::RunThatKeeps => outcome(request.wait(wait).min_hold(ttl / 3).run(body).await),
        Form::GuardThatIsReleased => under_guard(request.wait(wait), &call, body, Hand::Releases).await,
        Form::GuardThatIsDropped => under_guard(request.wait(wait), &call, body, Hand::Drops).await,
        Form::GuardThatRenewsByHand => under_guard(request.wait(wait), &call, body, Hand::Renews(ttl)).await,
    }
}

fn outcome(done: Result<Result<(), Unlucky>, LockError>) -> Outcome {
    match done {
        Ok(Ok(())) => Outcome::Done,
        Ok(Err(unlucky)) => unlucky.into(),
        Err(error) => error.into(),
    }
}

/// What somebody does with a guard beside that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hand {
    Releases,
    Drops,
    /// Twice at once before the body, for so long; then drops.
    Renews(Duration),
}

/// What somebody does who holds a guard: looks before each step, and stops when the lock is lost.
async fn under_guard(request: LockRequest, call: &Call, body: Body, hand: Hand) -> Outcome {
    let guard: LockGuard = match request.acquire().await {
        Ok(guard) => guard,
        Err(error) => return error.into(),
    };
    call.granted(Hold::Lease(guard.lease()));
    if let Hand::Renews(ttl) = hand {
        // What they come to is for the lease to say; that both come back is seen by the worker's end.
        let _ = futures::join!(guard.renew(ttl), guard.renew(ttl));
    }
    // From here on behind the guard, so that it is dropped before the guard is.
    let mut body = body;
    let mut lost = pin!(guard.lost());
    let ended = poll_fn(|cx| {
        if let Poll::Ready(reason) = lost.as_mut().poll(cx) {
            return Poll::Ready(Err(format!("{reason:?}")));
        }
        if !guard.is_held() {
            return Poll::Pending;
        }
        body.as_mut().poll(cx).map(Ok)
    })
    .await;
    drop(body);
    match ended {
        Ok(done) => {
            if hand == Hand::Releases {
                // Trouble with it is an outcome that the keeper goes on with.
                let _ = guard.release().await;
            }
            outcome(Ok(done))
        }
        Err(reason) => {
            call.note(Event::Lost { reason });
            Outcome::Skipped
        }
    }
}

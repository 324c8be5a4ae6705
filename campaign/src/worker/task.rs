//! What a task does all the time: chooses a key, a way to lock it, and a way to end.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{Either, select};
use lock_core::store::Kind;
use lock_runtime::{LockError, LockRequest, LockSetRequest, distributed_lock};

use super::Shared;
use super::call::{Call, Entered, Hold, Watched};
use super::choices::TTLS_MS;
use super::form::Form;
use super::held::{Hand, under_held};
use super::job::{Ending, Job, Planned, SLOWEST};
use super::outcome::{Body, Outcome, outcome};
use crate::chance::Chance;
use crate::clock::{margin, nanos, now};
use crate::event::Event;
use crate::store::lock_key;

/// The pause before somebody who was refused comes again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(60));

/// What ends a call before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Never,
    /// Its task is aborted.
    Abort(Duration),
    /// Somebody else in its task is quicker.
    Timeout(Duration),
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
        let form = Form::draw(&mut chance);
        let (kind, keys) = (form.kind(&mut chance), form.keys(key, all, &mut chance));
        let call = Call::new(Arc::clone(&shared.journal), task, keys.clone());
        call.tries(kind, nanos(ttl));
        let job = job(&shared, &call, (keys, kind), ttl, &mut chance);
        let outcome = call_once(&shared, job, form, &mut chance).await;
        call.note(&Event::End { outcome: outcome.to_owned() });
        if outcome != "done" {
            shared.alarm.after(chance.between(PAUSE.0, PAUSE.1)).await;
        }
    }
}

fn job(
    shared: &Arc<Shared>,
    call: &Arc<Call>,
    (keys, kind): (Vec<u64>, Kind),
    ttl: Duration,
    chance: &mut Chance,
) -> Job {
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
    Job { shared, call, keys, kind, ttl, lasts, slow, ending, chance: chance.branch() }
}

/// A body that goes on for longer than it may, and takes its time to be dropped.
fn wedged(job: Job) -> Job {
    let ttl = Duration::from_millis(TTLS_MS[0]);
    Job { ttl, lasts: ttl * 2, slow: margin(ttl) * 3 / 4, ..job }
}

/// One call, to its end or until it is cut; a word for how it came out.
async fn call_once(shared: &Arc<Shared>, job: Job, form: Form, chance: &mut Chance) -> &'static str {
    let early = chance.between(Duration::ZERO, Duration::from_millis(150));
    let cut = match chance.below(100) {
        0..84 => Cut::Never,
        84..92 => Cut::Abort(early),
        _ => Cut::Timeout(early),
    };
    let call = Arc::clone(&job.call);
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
            call.note(&Event::Lost { reason: format!("{reason:?}") });
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

#[distributed_lock(key = "campaign:<key>", mode = "shared", ttl = ttl, wait = wait)]
async fn share(key: u64, ttl: Duration, wait: Duration, body: Body) -> Result<(), Outcome> {
    body.await.map_err(Outcome::from)
}

#[distributed_lock(key = "campaign:<key>", permits = most, weight = weight, ttl = ttl, wait = wait)]
async fn take_permits(
    key: u64,
    (most, weight): (u32, u32),
    ttl: Duration,
    wait: Duration,
    body: Body,
) -> Result<(), Outcome> {
    body.await.map_err(Outcome::from)
}

#[distributed_lock(keys = ["campaign:<one>", "campaign:<other>"], ttl = ttl, wait = wait)]
async fn wait_for_two((one, other): (u64, u64), ttl: Duration, wait: Duration, body: Body) -> Result<(), Outcome> {
    body.await.map_err(Outcome::from)
}

async fn under_lock(job: Job, form: Form, wait: Duration) -> Outcome {
    let (call, client) = (Arc::clone(&job.call), job.shared.client.clone());
    let (key, kind, ttl, keys) = (job.keys[0], job.kind, job.ttl, job.keys.clone());
    let body: Body = Box::pin(Watched::new(Arc::clone(&call), job.work()));
    let Some(client) = client else {
        call.granted(Hold::Nothing(now()));
        return outcome(Ok(body.await));
    };
    let request = one_of_kind(client.lock(lock_key(key)).ttl(ttl), kind);
    let for_all = several_of_kind(client.lock_all(keys.iter().map(|&key| lock_key(key))).ttl(ttl).wait(wait), kind);
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
        Form::AttributeThatShares => attribute(share(key, ttl, wait, body).await),
        Form::AttributeWithPermits => attribute(take_permits(key, permits_of(kind), ttl, wait, body).await),
        Form::AttributeForTwo => attribute(wait_for_two((key, keys[1]), ttl, wait, body).await),
        Form::RunThatWaitsForever => outcome(request.wait_forever().run(body).await),
        Form::RunThatDoesNotWait => outcome(request.run(body).await),
        Form::RunThatDoesNotRenew => outcome(request.wait(wait).renew(false).run(body).await),
        Form::RunThatKeeps => outcome(request.wait(wait).min_hold(ttl / 3).run(body).await),
        Form::RunForSeveral => outcome(for_all.run(body).await),
        Form::GuardThatIsReleased => under_held(request.wait(wait).acquire(), &call, body, Hand::Releases).await,
        Form::GuardThatIsDropped => under_held(request.wait(wait).acquire(), &call, body, Hand::Drops).await,
        Form::GuardThatRenewsByHand => under_held(request.wait(wait).acquire(), &call, body, Hand::Renews(ttl)).await,
        Form::SetThatIsReleased => under_held(for_all.acquire(), &call, body, Hand::Releases).await,
        Form::SetThatIsDropped => under_held(for_all.acquire(), &call, body, Hand::Drops).await,
    }
}

/// The most permits and the weight of a kind that has some.
fn permits_of(kind: Kind) -> (u32, u32) {
    match kind {
        Kind::Permits { most, weight, .. } => (most, weight),
        other => unreachable!("{other} know of no permits"),
    }
}

fn one_of_kind(request: LockRequest, kind: Kind) -> LockRequest {
    match kind {
        Kind::Exclusive => request,
        Kind::Shared => request.shared(),
        permits => request.permits(permits_of(permits).0).weight(permits.weight()),
    }
}

fn several_of_kind(request: LockSetRequest, kind: Kind) -> LockSetRequest {
    match kind {
        Kind::Exclusive => request,
        Kind::Shared => request.shared(),
        permits => request.permits(permits_of(permits).0).weight(permits.weight()),
    }
}

//! What a client makes of a store's claims, one function each; its name is the promise.
//!
//! A client is made over the store, and what it sends is written down on the way. A store with other claims of its own
//! sees whether it is spared what it did not claim.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::recording::Recording;
use super::trial::{Broken, PATIENCE, Trial, ensure, expect, fence, token};
use crate::api::client::Client;
use crate::api::guard::LockGuard;
use crate::api::request::LockRequest;
use crate::store::{Kind, Look};
use lock_core::{LockError, LockKey, OptionFault};

/// How far beyond a bound is beyond it: what a ttl is counted in.
const STEP: Duration = Duration::from_millis(1);

/// The bounds of every client.
const ANY_CLIENT: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(30 * 24 * 3600));

impl Trial {
    async fn client(&self, store: &Recording) -> Result<Client, Broken> {
        let connected = Client::builder().ttl(self.long).connect_store(store.clone()).await;
        connected.map_err(|error| Broken(format!("no client can be made over it: {error}")))
    }

    fn recorded(&self) -> Recording {
        Recording::new(Arc::clone(&self.store))
    }
}

/// What the client is asked for that the store may not claim.
const PERIOD: Duration = Duration::from_secs(1);

async fn granted<S>(request: LockRequest<S>) -> Result<LockGuard, Broken> {
    request.acquire().await.map_err(|error| Broken(format!("an acquire through a client: {error}")))
}

/// It must be refused, by the client alone.
async fn is_refused<S>(
    request: LockRequest<S>,
    store: &Recording,
    is_why: impl FnOnce(&OptionFault) -> bool,
) -> Result<(), Broken> {
    match request.acquire().await {
        Err(LockError::InvalidOptions { fault, .. }) if is_why(&fault) => {}
        other => return Err(Broken(format!("a request of what is not claimed: {other:?}"))),
    }
    expect(store.record().requests.len(), 0, "what the store was asked")
}

pub(super) async fn a_kind_that_is_not_claimed_is_not_asked_for(trial: Trial) -> Result<(), Broken> {
    let (store, claimed) = (trial.recorded(), trial.store.capabilities());
    let client = trial.client(&store).await?;
    for kind in [Kind::Shared, Kind::permits(3), Kind::permits(3).with_weight(2)] {
        if !claimed.keeps(kind) {
            let request = client.lock(trial.key.clone()).of_kind(kind);
            is_refused(request, &store, |fault| *fault == OptionFault::KindNotKept(kind)).await?;
        }
    }
    drop(granted(client.lock(trial.key.clone())).await?);
    ensure(store.record().requests.iter().all(|request| request.kind == Kind::Exclusive), || {
        "an exclusive lock was asked for by another kind".to_owned()
    })
}

pub(super) async fn a_mark_that_is_not_claimed_is_not_asked_for(trial: Trial) -> Result<(), Broken> {
    let (store, claimed) = (trial.recorded(), trial.store.capabilities());
    let client = trial.client(&store).await?;
    let request = client.lock(trial.key.clone()).once(PERIOD);
    if claimed.marks_done() {
        return granted(request).await.map(drop);
    }
    is_refused(request, &store, |fault| *fault == OptionFault::OnceNotKept).await
}

pub(super) async fn a_ttl_out_of_bounds_is_not_asked_for(trial: Trial) -> Result<(), Broken> {
    let (store, claimed) = (trial.recorded(), trial.store.capabilities());
    let client = trial.client(&store).await?;
    let (shortest, longest) = (claimed.shortest_ttl(), claimed.longest_ttl());
    let request = |ttl| client.lock(trial.key.clone()).ttl(ttl);
    let (under, over) = (shortest.saturating_sub(STEP), longest.saturating_add(STEP));
    if ANY_CLIENT.0 <= under {
        is_refused(request(under), &store, |fault| matches!(fault, OptionFault::TtlUnderStores(_))).await?;
    }
    if over <= ANY_CLIENT.1 {
        is_refused(request(over), &store, |fault| matches!(fault, OptionFault::TtlOverStores(_))).await?;
    }
    let guard = granted(request(shortest.max(ANY_CLIENT.0))).await?;
    for ttl in [under, over] {
        if !(shortest..=longest).contains(&ttl) {
            let renewed = guard.renew(ttl).await;
            let is_refused = matches!(renewed, Err(LockError::InvalidOptions { .. }));
            ensure(is_refused, || format!("a renewal by hand with a ttl out of bounds: {renewed:?}"))?;
        }
    }
    drop(guard);
    is_within_bounds(&store)
}

/// Whatever was sent to the store is within its bounds.
fn is_within_bounds(store: &Recording) -> Result<(), Broken> {
    let claimed = crate::store::Store::capabilities(store);
    let bounds = claimed.shortest_ttl()..=claimed.longest_ttl();
    for request in store.record().requests {
        let asked = request.ttl.into_iter().chain(request.first_lease);
        for ttl in asked {
            ensure(bounds.contains(&ttl), || format!("a lease of {ttl:?} was asked for, out of {bounds:?}"))?;
        }
    }
    Ok(())
}

/// One client holds, three calls of another wait, and each has its turn.
async fn crowd(trial: &Trial, store: &Recording) -> Result<(), Broken> {
    let (ours, theirs) = (trial.client(store).await?, trial.client(store).await?);
    let held = granted(ours.lock(trial.key.clone())).await?;
    // Each gives the key back by itself: they come in any order.
    let waits = || {
        let request = theirs.lock(trial.key.clone()).wait(PATIENCE);
        tokio::spawn(async { granted(request).await.map(drop) })
    };
    let waiters = [waits(), waits(), waits()];
    let began = Instant::now();
    while theirs.stats().waiting < 3 || store.record().requests.len() < 3 {
        ensure(began.elapsed() < PATIENCE, || "who waits asked for nothing".to_owned())?;
        // Nothing tells when both have come and the first has asked.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(held);
    for waiter in waiters {
        waiter.await.map_err(|panicked| Broken(panicked.to_string()))??;
    }
    Ok(())
}

pub(super) async fn a_place_is_asked_for_only_where_waiters_queue(trial: Trial) -> Result<(), Broken> {
    let store = trial.recorded();
    crowd(&trial, &store).await?;
    let has_queued = store.record().requests.iter().any(|request| request.first_lease.is_some());
    expect(has_queued, trial.store.capabilities().queues(), "whether a waiter was to stand in a queue")?;
    is_within_bounds(&store)
}

pub(super) async fn fences_are_asked_for_one_by_one_unless_they_are_reserved(trial: Trial) -> Result<(), Broken> {
    let store = trial.recorded();
    crowd(&trial, &store).await?;
    let most = store.record().requests.iter().map(|request| request.fences).max().unwrap_or_default();
    expect(most > 1, trial.store.capabilities().reserves_fences(), "whether a block of fences was asked for")
}

pub(super) async fn a_block_of_fences_is_that_of_its_grant(trial: Trial) -> Result<(), Broken> {
    let (holder, next) = (token(), token());
    let look = Look::new(trial.key.clone(), holder, trial.long).with_fences(trial.fences);
    let first = fence(trial.session.look(look).await?, "a look at a free key")?;
    trial.release(holder, None).await?;
    let after = trial.acquired(next, trial.long).await?;
    trial.release(next, None).await?;
    ensure(after >= first + u64::from(trial.fences), || {
        format!("fence {after} of a block of {} that begins at {first}", trial.fences)
    })
}

pub(super) async fn one_session_is_opened_where_one_is_wanted(trial: Trial) -> Result<(), Broken> {
    let store = trial.recorded();
    let client = trial.client(&store).await?;
    let (is_one, needs_none) = (trial.store.capabilities().wants_one_session(), trial.store.session().is_some());
    let began = Instant::now();
    // The client's own, and one for each of two runtimes.
    let most = if is_one || needs_none { 1 } else { 3 };
    let (locks, other) = (client.clone(), trial.key.clone());
    let record = store.clone();
    let there = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map(|runtime| runtime.block_on(calls_until(&record, most, began, &locks, &other)))
    });
    calls_until(&store, most, began, &client, &trial.key).await?;
    there.await.map_err(|panicked| Broken(panicked.to_string()))?.map_err(|e| Broken(e.to_string()))??;
    if most == 1 {
        expect(store.record().sessions, 1, "sessions that a client of two runtimes opened")?;
    }
    Ok(())
}

/// Calls from the current runtime until the client has opened so many sessions; a few times in any case, since a
/// runtime has one of its own after a few calls.
async fn calls_until(
    store: &Recording,
    most: usize,
    began: Instant,
    client: &Client,
    key: &LockKey,
) -> Result<(), Broken> {
    for round in 0.. {
        drop(granted(client.lock(key.clone()).wait(PATIENCE)).await?);
        if store.record().sessions >= most && round > 5 {
            break;
        }
        ensure(began.elapsed() < PATIENCE, || "a runtime has no session of its own".to_owned())?;
    }
    Ok(())
}

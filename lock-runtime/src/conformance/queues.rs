//! The promises of a store with queues, one function each; its name is the promise.

use std::time::Instant;

use super::trial::{Broken, PATIENCE, Trial, ensure, expect, fence, past, token};
use crate::store::{Acquired, Enqueue, Release, Released, Renewal, Renewed, Rotated, Token};

/// Three tokens in the order that a store must not serve them in because of their text.
fn descending() -> [Token; 3] {
    let mut tokens = [token(), token(), token()];
    tokens.sort_unstable_by(|a, b| b.cmp(a));
    tokens
}

pub(super) async fn a_release_hands_the_key_to_the_first_waiter(trial: Trial) -> Result<(), Broken> {
    let (holder, first, second, mut process) = (token(), token(), token(), trial.process().await?);
    let last = trial.acquired(holder, trial.long).await?;
    let queued_at = trial.queue(first, &process.entry()).await?;
    trial.queue(second, &process.entry()).await?;
    trial.releases(holder).await?;
    let grant = process.hears().await?;
    trial.is_held_by(first, "a renewal by the first waiter").await?;
    expect(grant.token == first && grant.key == trial.key, true, "whether the grant is the first waiter's")?;
    expect((grant.fences, grant.first_lease), (trial.fences, trial.long), "the fences and the lease of its grant")?;
    ensure(grant.fence > last, || format!("fence {} after {last}", grant.fence))?;
    let granted_at = grant.clock.micros;
    ensure(granted_at > queued_at, || format!("granted at {granted_at}, queued at {queued_at}"))?;
    trial.hands_over(first, second, &mut process).await?;
    trial.releases(second).await
}

pub(super) async fn waiters_are_served_in_the_order_of_their_first_look(trial: Trial) -> Result<(), Broken> {
    let (mut holder, mut process, mut other) = (token(), trial.process().await?, trial.process().await?);
    trial.acquired(holder, trial.long).await?;
    let waiters = descending();
    for (n, waiter) in waiters.into_iter().enumerate() {
        trial.queue(waiter, &if n == 1 { other.entry() } else { process.entry() }).await?;
    }
    trial.look_as(waiters[0], &process.entry()).await?;
    for (n, waiter) in waiters.into_iter().enumerate() {
        trial.hands_over(holder, waiter, if n == 1 { &mut other } else { &mut process }).await?;
        holder = waiter;
    }
    trial.releases(holder).await?;
    trial.is_free("after the last in line").await
}

pub(super) async fn a_waiter_that_queues_again_takes_its_old_place(trial: Trial) -> Result<(), Broken> {
    let (holder, [again, early, late], mut process) = (token(), descending(), trial.process().await?);
    trial.acquired(holder, trial.long).await?;
    let queued_at = trial.queue(early, &process.entry()).await?;
    trial.queue(late, &process.entry()).await?;
    trial.leave(early, &process.entry()).await?;
    trial.queue(again, &process.entry().with_since(Some(queued_at))).await?;
    trial.hands_over(holder, again, &mut process).await?;
    trial.hands_over(again, late, &mut process).await?;
    trial.releases(late).await
}

pub(super) async fn a_place_in_the_future_is_the_last_of_now(trial: Trial) -> Result<(), Broken> {
    let (holder, [first, second, third], mut process) = (token(), descending(), trial.process().await?);
    trial.acquired(holder, trial.long).await?;
    let queued_at = trial.queue(first, &process.entry()).await?;
    trial.queue(second, &process.entry().with_since(Some(queued_at + 3_600_000_000))).await?;
    trial.queue(third, &process.entry()).await?;
    trial.hands_over(holder, first, &mut process).await?;
    trial.hands_over(first, second, &mut process).await?;
    trial.hands_over(second, third, &mut process).await?;
    trial.releases(third).await
}

pub(super) async fn a_waiter_that_asks_again_changes_nothing_and_is_served_once(trial: Trial) -> Result<(), Broken> {
    let (holder, first, second, mut process) = (token(), token(), token(), trial.process().await?);
    trial.acquired(holder, trial.long).await?;
    trial.queue(first, &process.entry()).await?;
    trial.queue(second, &process.entry()).await?;
    let other = process.entry().with_since(Some(0));
    trial.queue(second, &other).await?;
    trial.hands_over(holder, first, &mut process).await?;
    let grant = trial.hands_over(first, second, &mut process).await?;
    expect(
        (grant.fences, grant.first_lease),
        (trial.fences, trial.long),
        "the fences and the lease that it queued for",
    )?;
    trial.releases(second).await?;
    trial.is_free("after each was served").await
}

pub(super) async fn a_waiter_that_left_is_not_served(trial: Trial) -> Result<(), Broken> {
    let (holder, first, second, mut process) = (token(), token(), token(), trial.process().await?);
    trial.acquired(holder, trial.long).await?;
    trial.queue(first, &process.entry()).await?;
    trial.queue(second, &process.entry()).await?;
    for _ in 0..2 {
        expect(trial.leave(first, &process.entry()).await?, Released::NotOurs, "a release by a waiter that leaves")?;
    }
    trial.is_held_by(holder, "a renewal after a waiter left").await?;
    trial.hands_over(holder, second, &mut process).await?;
    expect(trial.leave(second, &process.entry()).await?, Released::Freed, "a release by the holder")?;
    trial.is_free("after those who did not leave").await
}

pub(super) async fn a_release_that_does_not_leave_keeps_the_place(trial: Trial) -> Result<(), Broken> {
    let (holder, waiter, mut process) = (token(), token(), trial.process().await?);
    trial.acquired(holder, trial.long).await?;
    trial.queue(waiter, &process.entry()).await?;
    expect(trial.release(waiter, None).await?, Released::NotOurs, "a release by a waiter")?;
    trial.hands_over(holder, waiter, &mut process).await?;
    trial.releases(waiter).await
}

pub(super) async fn a_waiter_nobody_listens_for_is_skipped_and_forgotten(trial: Trial) -> Result<(), Broken> {
    let (holder, dead, waiter, mut process) = (token(), token(), token(), trial.process().await?);
    let entry = trial.unheard();
    trial.acquired(holder, trial.long).await?;
    trial.queue(dead, &entry).await?;
    trial.queue(waiter, &process.entry()).await?;
    trial.hands_over(holder, waiter, &mut process).await?;
    trial.is_not_held_by(dead, "a renewal by a waiter nobody listens for").await?;
    let _too_late = trial.process_of(entry.listener).await?;
    trial.releases(waiter).await?;
    trial.is_free("after all who were alive when it was their turn").await
}

pub(super) async fn a_key_only_the_dead_wait_for_is_free(trial: Trial) -> Result<(), Broken> {
    let (holder, first, second) = (token(), token(), token());
    trial.acquired(holder, trial.long).await?;
    trial.queue(first, &trial.unheard()).await?;
    trial.queue(second, &trial.unheard()).await?;
    trial.releases(holder).await?;
    trial.is_free("after a release that found nobody alive").await
}

pub(super) async fn a_listener_whose_session_ended_is_skipped_before_long(trial: Trial) -> Result<(), Broken> {
    let (mut process, gone, began) = (trial.process().await?, trial.process().await?, Instant::now());
    let entry = gone.entry();
    drop(gone);
    // A server learns of the end when it comes to it; until then it hands over to nobody.
    loop {
        let (holder, dead, waiter) = (token(), token(), token());
        trial.acquired(holder, trial.long).await?;
        trial.queue(dead, &entry).await?;
        trial.queue(waiter, &process.entry()).await?;
        trial.releases(holder).await?;
        let skipped = trial.release(dead, None).await? == Released::NotOurs;
        trial.is_granted(waiter, &mut process).await?;
        trial.releases(waiter).await?;
        if skipped {
            return Ok(());
        }
        ensure(began.elapsed() < PATIENCE, || format!("it counted as alive for {PATIENCE:?}"))?;
    }
}

pub(super) async fn a_listener_hears_on_when_its_older_session_ends(trial: Trial) -> Result<(), Broken> {
    let (old, holder) = (trial.process().await?, token());
    let mut next = trial.process_of(old.entry().listener).await?;
    drop(old);
    trial.acquired(holder, trial.long).await?;
    let waiter = token();
    trial.queue(waiter, &next.entry()).await?;
    trial.hands_over(holder, waiter, &mut next).await?;
    trial.releases(waiter).await
}

pub(super) async fn a_waiter_that_looks_is_alive_without_a_listener(trial: Trial) -> Result<(), Broken> {
    let (holder, waiter) = (token(), token());
    trial.acquired(holder, trial.long).await?;
    trial.queue(waiter, &trial.unheard().with_alive_for(Some(trial.long))).await?;
    trial.releases(holder).await?;
    trial.is_held_by(waiter, "a renewal by a waiter that looks").await?;
    trial.releases(waiter).await?;
    trial.is_free("after it").await
}

pub(super) async fn a_waiter_that_stopped_looking_is_skipped(trial: Trial) -> Result<(), Broken> {
    let (holder, waiter) = (token(), token());
    trial.acquired(holder, trial.long).await?;
    trial.queue(waiter, &trial.unheard().with_alive_for(Some(trial.short))).await?;
    past(trial.short).await;
    trial.releases(holder).await?;
    trial.is_free("after a release that found nobody alive").await
}

pub(super) async fn the_last_look_says_for_how_long_a_waiter_is_alive(trial: Trial) -> Result<(), Broken> {
    let (holder, shorter, longer, entry) = (token(), token(), token(), trial.unheard());
    let alive_for = |alive_for| entry.clone().with_alive_for(alive_for);
    trial.acquired(holder, trial.long).await?;
    trial.queue(shorter, &alive_for(Some(trial.long))).await?;
    trial.look_as(shorter, &alive_for(None)).await?;
    trial.queue(longer, &alive_for(None)).await?;
    trial.look_as(longer, &alive_for(Some(trial.long))).await?;
    trial.releases(holder).await?;
    trial.is_held_by(longer, "a renewal by the waiter that looked for a long time last").await?;
    trial.releases(longer).await?;
    trial.is_free("after it").await
}

pub(super) async fn a_handed_key_lasts_for_the_first_lease(trial: Trial) -> Result<(), Broken> {
    let (holder, mut process) = (token(), trial.process().await?);
    trial.acquired(holder, trial.long).await?;
    trial.queue(token(), &process.entry_for(trial.short)).await?;
    let asked = Instant::now();
    trial.releases(holder).await?;
    expect(process.hears().await?.first_lease, trial.short, "the lease of a grant")?;
    trial.expires(asked, trial.short).await
}

pub(super) async fn a_look_finds_its_own_grant_again(trial: Trial) -> Result<(), Broken> {
    let (holder, waiter, mut process) = (token(), token(), trial.process().await?);
    trial.acquired(holder, trial.long).await?;
    trial.queue(waiter, &process.entry()).await?;
    let grant = trial.hands_over(holder, waiter, &mut process).await?;
    let entry = process.entry();
    let enqueue = Enqueue::new(trial.key.clone(), waiter, trial.short, entry).with_fences(trial.fences);
    let again = fence(trial.session.enqueue(enqueue).await?, "a look by a waiter that was granted the key")?;
    let first = grant.fence + u64::from(grant.fences);
    ensure(again >= first, || format!("fence {again} of a block that begins at {}", grant.fence))?;
    past(trial.short).await;
    trial.is_held("after that look's shorter ttl").await?;
    trial.releases(waiter).await?;
    trial.is_free("after the only waiter, who looked again").await
}

pub(super) async fn a_waiter_whose_acquire_came_late_is_served_once_if_it_looks(trial: Trial) -> Result<(), Broken> {
    let (holder, waiter, process) = (token(), token(), trial.process().await?);
    trial.acquired(holder, trial.long).await?;
    trial.queue(waiter, &process.entry()).await?;
    trial.abandons(holder).await?;
    // Sent before the first look, by a connection that was slower.
    trial.acquired(waiter, trial.long).await?;
    fence(trial.look_as(waiter, &process.entry()).await?, "a look by the holder")?;
    trial.releases(waiter).await?;
    trial.is_free("after the only waiter").await
}

pub(super) async fn a_look_at_a_free_key_serves_the_first_in_line(trial: Trial) -> Result<(), Broken> {
    let (holder, first, second, mut process) = (token(), token(), token(), trial.process().await?);
    trial.acquired(holder, trial.long).await?;
    trial.queue(first, &process.entry()).await?;
    trial.queue(second, &process.entry()).await?;
    trial.abandons(holder).await?;
    match trial.look_as(second, &process.entry()).await? {
        Acquired::Held { for_at_most: Some(left), queued_at: Some(_), .. } => {
            ensure(left <= trial.long && left > trial.long / 2, || {
                format!("held for {left:?} more, of {:?}", trial.long)
            })?;
        }
        other => return Err(Broken(format!("a look at a free key by the second in line: {other:?}"))),
    }
    trial.is_granted(first, &mut process).await?;
    trial.hands_over(first, second, &mut process).await?;
    trial.releases(second).await
}

pub(super) async fn a_look_without_an_entry_serves_the_first_in_line_too(trial: Trial) -> Result<(), Broken> {
    let (holder, waiter, mut process) = (token(), token(), trial.process().await?);
    trial.acquired(holder, trial.long).await?;
    trial.queue(waiter, &process.entry()).await?;
    trial.abandons(holder).await?;
    trial.is_held("while somebody waited").await?;
    trial.is_granted(waiter, &mut process).await?;
    trial.releases(waiter).await
}

pub(super) async fn the_first_in_line_takes_a_free_key_by_its_look(trial: Trial) -> Result<(), Broken> {
    let (holder, dead, waiter, behind, mut process) = (token(), token(), token(), token(), trial.process().await?);
    // Nobody listens for it, either; who looks is alive.
    let entry = trial.unheard_for(trial.short);
    trial.acquired(holder, trial.long).await?;
    trial.queue(dead, &trial.unheard()).await?;
    trial.queue(waiter, &entry).await?;
    trial.queue(behind, &process.entry()).await?;
    trial.abandons(holder).await?;
    fence(trial.look_as(waiter, &entry).await?, "a look at a free key by the first who is alive")?;
    match trial.look(token(), trial.long).await? {
        Acquired::Held { for_at_most: Some(left), .. } => {
            ensure(left > trial.short, || format!("it was granted for {left:?} instead of the look's ttl"))?;
        }
        other => return Err(Broken(format!("a look at a held key: {other:?}"))),
    }
    trial.hands_over(waiter, behind, &mut process).await?;
    trial.releases(behind).await?;
    trial.is_free("after all who are alive").await
}

pub(super) async fn a_look_without_an_entry_does_not_queue(trial: Trial) -> Result<(), Broken> {
    let (holder, stranger) = (token(), token());
    trial.acquired(holder, trial.long).await?;
    trial.acquire(stranger, trial.long).await?;
    let answer = trial.look(stranger, trial.long).await?;
    let queued = !matches!(answer, Acquired::Held { queued_at: None, .. });
    expect(queued, false, "whether a look without an entry was told that it stands in the queue")?;
    trial.releases(holder).await?;
    trial.is_not_held_by(stranger, "a renewal by somebody who did not queue").await?;
    trial.is_free("after a release that nobody waited for").await
}

pub(super) async fn a_waiter_of_another_key_is_not_served(trial: Trial) -> Result<(), Broken> {
    let (holder, elsewhere, waiter, process) = (token(), token(), token(), trial.process().await?);
    let key = trial.key_with("other");
    trial.acquired(holder, trial.long).await?;
    let mut ask = trial.ask(elsewhere, trial.long);
    ask.key = key.clone();
    fence(trial.session.acquire(ask).await?, "an acquire of a free key")?;
    trial.queue_for(&key, waiter, &process.entry()).await?;
    trial.releases(holder).await?;
    trial.is_free("after a release that nobody waited for").await?;
    let renewal = Renewal::new(key.clone(), elsewhere, trial.long);
    for answer in trial.session.renew(vec![renewal]).await {
        expect(answer?, Renewed::Renewed, "a renewal of the key that somebody waits for")?;
    }
    for (token, leave) in [(waiter, Some(process.entry())), (elsewhere, None)] {
        trial.session.release(Release::new(key.clone(), token).with_leave(leave).with_contended(true)).await?;
    }
    Ok(())
}

pub(super) async fn a_release_that_keeps_hands_over_to_nobody(trial: Trial) -> Result<(), Broken> {
    let (holder, waiter, process) = (token(), token(), trial.process().await?);
    trial.acquired(holder, trial.long).await?;
    trial.queue(waiter, &process.entry()).await?;
    expect(trial.release(holder, Some(trial.short)).await?, Released::Freed, "a release by the holder")?;
    trial.is_held("for what was left of min_hold").await?;
    trial.is_not_held_by(waiter, "a renewal by a waiter while min_hold lasted").await?;
    let late = trial.rotate(holder, trial.long, token(), &process.entry()).await?;
    expect(late, Rotated::NotOurs, "a rotation with a key that is kept")?;
    past(trial.short).await;
    fence(trial.look_as(waiter, &process.entry()).await?, "a look by the first in line after it")?;
    trial.releases(waiter).await?;
    trial.is_free("after the only waiter").await
}

pub(super) async fn a_release_by_a_stranger_hands_over_to_nobody(trial: Trial) -> Result<(), Broken> {
    let (holder, waiter, mut process) = (token(), token(), trial.process().await?);
    trial.acquired(holder, trial.long).await?;
    trial.queue(waiter, &process.entry()).await?;
    expect(trial.release(token(), None).await?, Released::NotOurs, "a release by a stranger")?;
    trial.is_held_by(holder, "a renewal after it").await?;
    trial.hands_over(holder, waiter, &mut process).await?;
    expect(trial.release(holder, None).await?, Released::NotOurs, "a second release")?;
    trial.is_held_by(waiter, "a renewal after it").await?;
    trial.releases(waiter).await
}

pub(super) async fn a_rotation_passes_the_key_on_and_queues_behind(trial: Trial) -> Result<(), Broken> {
    let (holder, [first, second, next], mut process) = (token(), descending(), trial.process().await?);
    trial.acquired(holder, trial.long).await?;
    trial.queue(first, &process.entry()).await?;
    trial.queue(second, &process.entry()).await?;
    let rotated = trial.rotate(holder, trial.long, next, &process.entry()).await?;
    let grant = trial.is_granted(first, &mut process).await?;
    // Another session may call the clock by another name.
    let Rotated::HandedOver { clock, .. } = rotated else {
        return Err(Broken(format!("a rotation while others wait: {rotated:?}")));
    };
    expect(clock.micros, grant.clock.micros, "what the clock showed at a rotation")?;
    trial.is_not_held_by(holder, "a renewal after a rotation").await?;
    trial.hands_over(first, second, &mut process).await?;
    trial.hands_over(second, next, &mut process).await?;
    trial.releases(next).await?;
    trial.is_free("after the last in line").await
}

pub(super) async fn a_rotation_keeps_the_old_place_of_who_comes_next(trial: Trial) -> Result<(), Broken> {
    let (holder, [first, second, next], mut process) = (token(), descending(), trial.process().await?);
    trial.acquired(holder, trial.long).await?;
    let queued_at = trial.queue(first, &process.entry()).await?;
    trial.queue(second, &process.entry()).await?;
    let entry = process.entry().with_since(Some(queued_at));
    trial.rotate(holder, trial.long, next, &entry).await?;
    trial.is_granted(first, &mut process).await?;
    trial.hands_over(first, next, &mut process).await?;
    trial.hands_over(next, second, &mut process).await?;
    trial.releases(second).await
}

pub(super) async fn a_rotation_with_nobody_waiting_goes_on_with_new_fences(trial: Trial) -> Result<(), Broken> {
    let (holder, next, process) = (token(), token(), trial.process().await?);
    let mut last = trial.acquired(holder, trial.long).await?;
    trial.queue(token(), &trial.unheard()).await?;
    for _ in 0..3 {
        match trial.rotate(holder, trial.long, next, &process.entry()).await? {
            Rotated::Retained { fence, .. } => {
                ensure(fence > last, || format!("fence {fence} after {last}"))?;
                last = fence + u64::from(trial.fences) - 1;
            }
            other => return Err(Broken(format!("a rotation while nobody else waits: {other:?}"))),
        }
    }
    trial.is_held_by(holder, "a renewal by who goes on").await?;
    trial.releases(holder).await?;
    trial.is_free("after who went on").await
}

pub(super) async fn a_rotation_that_goes_on_lengthens_a_lease_and_shortens_none(trial: Trial) -> Result<(), Broken> {
    let process = trial.process().await?;
    for (ttl, rotations) in [(trial.short, trial.long), (trial.long, trial.short)] {
        let holder = token();
        trial.acquired(holder, ttl).await?;
        let rotated = trial.rotate(holder, rotations, token(), &process.entry()).await?;
        ensure(matches!(rotated, Rotated::Retained { .. }), || format!("a rotation while nobody waits: {rotated:?}"))?;
        match trial.look(token(), trial.long).await? {
            Acquired::Held { for_at_most: Some(left), .. } => {
                ensure(left > trial.short && left <= trial.long, || {
                    format!("it lasts for {left:?} instead of {:?}", trial.long)
                })?;
            }
            other => return Err(Broken(format!("a look at a held key: {other:?}"))),
        }
        trial.releases(holder).await?;
    }
    Ok(())
}

pub(super) async fn a_rotation_by_a_stranger_changes_nothing(trial: Trial) -> Result<(), Broken> {
    let (holder, waiter, mut process) = (token(), token(), trial.process().await?);
    trial.acquired(holder, trial.long).await?;
    trial.queue(waiter, &process.entry()).await?;
    expect(
        trial.rotate(token(), trial.long, token(), &process.entry()).await?,
        Rotated::NotOurs,
        "a rotation by a stranger",
    )?;
    trial.is_held_by(holder, "a renewal after it").await?;
    trial.hands_over(holder, waiter, &mut process).await?;
    trial.releases(waiter).await?;
    trial.is_free("after the only waiter").await
}

pub(super) async fn a_rotation_twice_passes_the_key_on_once(trial: Trial) -> Result<(), Broken> {
    let (holder, first, second, next) = (token(), token(), token(), token());
    let mut process = trial.process().await?;
    trial.acquired(holder, trial.long).await?;
    trial.queue(first, &process.entry()).await?;
    trial.queue(second, &process.entry()).await?;
    trial.rotate(holder, trial.long, next, &process.entry()).await?;
    expect(trial.rotate(holder, trial.long, next, &process.entry()).await?, Rotated::NotOurs, "a second rotation")?;
    trial.is_granted(first, &mut process).await?;
    trial.hands_over(first, second, &mut process).await?;
    trial.hands_over(second, next, &mut process).await?;
    trial.releases(next).await?;
    trial.is_free("after the last in line").await
}

pub(super) async fn fences_grow_over_hand_overs(trial: Trial) -> Result<(), Broken> {
    let (mut holder, mut process) = (token(), trial.process().await?);
    let mut last = trial.acquired(holder, trial.long).await?;
    for n in 0..9 {
        let (heir, next) = (token(), token());
        trial.queue(heir, &process.entry()).await?;
        // By rotations the ways in which a key goes on, so that no block runs into another kind's.
        if n % 3 == 0 {
            trial.rotate(holder, trial.long, next, &process.entry()).await?;
            trial.leave(next, &process.entry()).await?;
        } else {
            trial.releases(holder).await?;
        }
        let grant = trial.is_granted(heir, &mut process).await?;
        ensure(grant.fence > last, || format!("fence {} after {last}", grant.fence))?;
        last = grant.fence + u64::from(grant.fences) - 1;
        if n % 3 == 1 {
            let again = fence(trial.look_as(heir, &process.entry()).await?, "a look by the holder")?;
            ensure(again > last, || format!("fence {again} after {last}"))?;
            last = again + u64::from(trial.fences) - 1;
        }
        holder = heir;
    }
    trial.releases(holder).await?;
    let after = token();
    let again = trial.acquired(after, trial.long).await?;
    ensure(again > last, || format!("fence {again} after {last}"))?;
    trial.releases(after).await
}

//! The promises, one function each; its name is the promise. Those of queues, of entries' versions and of claims
//! have files of their own, and so have keys that are kept.

use std::time::Instant;

use super::kept::{
    a_kept_key_is_nobodys, a_release_can_keep_a_key_longer_than_its_ttl,
    a_release_keeps_the_key_for_what_is_left_of_min_hold,
};
use super::trial::{Broken, Trial, ensure, expect, fence, past, poll_once, token};
use super::{Needs, Promise, claims, done, inspection, queues, sets, versions};
use crate::store::{Acquired, Ask, Kind, Release, Released, Renewal, Renewed};
use lock_core::LockKey;

macro_rules! all {
    (
        every store { $($name:ident,)* }
        every store with queues { $($of_queues:ident,)* }
        every store with queues in a fleet of several releases { $($of_versions:ident,)* }
        every store by its claims { $($of_claims:ident,)* }
        every store that can be inspected { $($of_inspection:ident,)* }
        every store with queues that can be inspected { $($of_both:ident,)* }
        every store that keeps shared locks { $($of_shared:ident,)* }
        every store that keeps permits { $($of_permits:ident,)* }
        every store that keeps weights { $($of_weights:ident,)* }
        every store with queues that keeps shared locks and permits { $($of_sets:ident,)* }
        every store that marks what is done { $($of_done:ident,)* }
        every store with queues that marks what is done { $($of_done_in_queues:ident,)* }
    ) => {
        /// Every promise.
        pub(super) const ALL: &[Promise] = &[
            $(Promise { name: stringify!($name), needs: Needs::Nothing, trial: |trial| Box::pin($name(trial)) },)*
            $(Promise {
                name: stringify!($of_queues),
                needs: Needs::Queues,
                trial: |trial| Box::pin(queues::$of_queues(trial)),
            },)*
            $(Promise {
                name: stringify!($of_versions),
                needs: Needs::Queues,
                trial: |trial| Box::pin(versions::$of_versions(trial)),
            },)*
            $(Promise {
                name: stringify!($of_claims),
                needs: Needs::Nothing,
                trial: |trial| Box::pin(claims::$of_claims(trial)),
            },)*
            $(Promise {
                name: stringify!($of_inspection),
                needs: Needs::Inspection,
                trial: |trial| Box::pin(inspection::$of_inspection(trial)),
            },)*
            $(Promise {
                name: stringify!($of_both),
                needs: Needs::QueuesAndInspection,
                trial: |trial| Box::pin(inspection::$of_both(trial)),
            },)*
            $(Promise {
                name: stringify!($of_shared),
                needs: Needs::Kind(Kind::Shared),
                trial: |trial| Box::pin(sets::$of_shared(trial)),
            },)*
            $(Promise {
                name: stringify!($of_permits),
                needs: Needs::Kind(Kind::permits(2)),
                trial: |trial| Box::pin(sets::$of_permits(trial)),
            },)*
            $(Promise {
                name: stringify!($of_weights),
                needs: Needs::Kind(Kind::permits(2).with_weight(2)),
                trial: |trial| Box::pin(sets::$of_weights(trial)),
            },)*
            $(Promise {
                name: stringify!($of_sets),
                needs: Needs::QueuesOfSets,
                trial: |trial| Box::pin(sets::$of_sets(trial)),
            },)*
            $(Promise {
                name: stringify!($of_done),
                needs: Needs::DoneMarks,
                trial: |trial| Box::pin(done::$of_done(trial)),
            },)*
            $(Promise {
                name: stringify!($of_done_in_queues),
                needs: Needs::QueuesAndDoneMarks,
                trial: |trial| Box::pin(done::$of_done_in_queues(trial)),
            },)*
        ];
    };
}

all! {
    every store {
        a_free_key_is_granted,
        a_held_key_is_granted_to_nobody_else,
        a_key_is_granted_to_one_of_many,
        a_look_takes_a_free_key,
        a_look_says_for_how_long_a_key_is_held_at_most,
        a_look_never_shortens_a_lease,
        a_look_by_the_holder_lengthens_its_lease,
        asking_twice_with_one_token_is_granted_once,
        a_lease_expires_by_itself_and_not_early,
        a_renewal_lengthens_a_lease,
        a_renewal_never_shortens_a_lease,
        a_renewal_never_creates_a_key,
        a_renewal_after_expiry_is_not_ours,
        a_stranger_cannot_renew,
        each_renewal_of_a_batch_is_answered_by_itself,
        a_released_key_is_free,
        a_release_twice_frees_once,
        a_release_after_expiry_is_not_ours,
        a_stranger_cannot_release,
        a_release_keeps_the_key_for_what_is_left_of_min_hold,
        a_release_can_keep_a_key_longer_than_its_ttl,
        a_kept_key_is_nobodys,
        fences_grow,
        sessions_see_the_same_locks,
        keys_of_any_text_are_told_apart,
        nothing_happens_before_the_first_poll,
        operations_on_a_key_take_effect_in_the_order_of_their_first_polls,
        an_abandoned_acquire_is_undone_by_a_release_behind_it,
    }
    every store with queues {
        a_release_hands_the_key_to_the_first_waiter,
        waiters_are_served_in_the_order_of_their_first_look,
        a_waiter_that_queues_again_takes_its_old_place,
        a_place_in_the_future_is_the_last_of_now,
        a_waiter_that_asks_again_changes_nothing_and_is_served_once,
        a_waiter_that_left_is_not_served,
        a_release_that_does_not_leave_keeps_the_place,
        a_waiter_nobody_listens_for_is_skipped_and_forgotten,
        a_key_only_the_dead_wait_for_is_free,
        a_listener_whose_session_ended_is_skipped_before_long,
        a_listener_hears_on_when_its_older_session_ends,
        a_waiter_that_looks_is_alive_without_a_listener,
        a_waiter_that_stopped_looking_is_skipped,
        the_last_look_says_for_how_long_a_waiter_is_alive,
        a_handed_key_lasts_for_the_first_lease,
        a_look_finds_its_own_grant_again,
        a_waiter_whose_acquire_came_late_is_served_once_if_it_looks,
        a_look_at_a_free_key_serves_the_first_in_line,
        a_look_without_an_entry_serves_the_first_in_line_too,
        the_first_in_line_takes_a_free_key_by_its_look,
        a_look_without_an_entry_does_not_queue,
        a_waiter_of_another_key_is_not_served,
        a_release_that_keeps_hands_over_to_nobody,
        a_release_by_a_stranger_hands_over_to_nobody,
        a_rotation_passes_the_key_on_and_queues_behind,
        a_rotation_keeps_the_old_place_of_who_comes_next,
        a_rotation_with_nobody_waiting_goes_on_with_new_fences,
        a_rotation_that_goes_on_lengthens_a_lease_and_shortens_none,
        a_rotation_by_a_stranger_changes_nothing,
        a_rotation_twice_passes_the_key_on_once,
        fences_grow_over_hand_overs,
    }
    every store with queues in a fleet of several releases {
        an_entry_of_an_unknown_version_is_stepped_over_and_stays,
        a_release_to_entries_of_unknown_versions_frees_the_key,
        very_many_entries_of_unknown_versions_block_nobody,
    }
    every store by its claims {
        a_kind_that_is_not_claimed_is_not_asked_for,
        a_mark_that_is_not_claimed_is_not_asked_for,
        a_ttl_out_of_bounds_is_not_asked_for,
        a_place_is_asked_for_only_where_waiters_queue,
        fences_are_asked_for_one_by_one_unless_they_are_reserved,
        a_block_of_fences_is_that_of_its_grant,
        one_session_is_opened_where_one_is_wanted,
    }
    every store that can be inspected {
        a_free_key_has_no_holder,
        an_inspection_tells_the_holder_and_changes_nothing,
        an_inspection_tells_that_a_key_is_kept,
        a_card_is_told_until_its_client_takes_leave,
    }
    every store with queues that can be inspected {
        an_inspection_tells_who_waits_in_order,
    }
    every store that keeps shared locks {
        sharers_hold_beside_each_other,
        nobody_holds_beside_another_kind,
        each_of_a_set_expires_by_itself,
        a_set_is_free_when_its_last_lease_expires,
        one_who_gives_back_leaves_the_others,
        a_place_that_is_kept_is_taken_and_nobodys,
        a_downgrade_makes_an_exclusive_lease_shared,
        what_is_to_be_downgraded_is_given_back_as_shared,
    }
    every store that keeps permits {
        who_asks_again_holds_one_place,
        so_many_permits_are_given_and_no_more,
        an_expired_permit_is_free_while_others_hold,
    }
    every store that keeps weights {
        a_weight_takes_so_many_permits,
    }
    every store with queues that keeps shared locks and permits {
        nobody_passes_the_queue_where_there_is_room,
        those_who_fit_at_the_head_come_in_together,
        an_heir_that_nobody_hears_costs_no_place,
        a_look_finds_a_dead_head_that_does_not_fit,
        who_leaves_the_queue_lets_in_those_behind,
        a_downgrade_lets_readers_in,
    }
    every store that marks what is done {
        what_is_done_is_told_to_whoever_asks,
        what_is_done_is_nobodys,
        what_is_done_may_be_done_again_when_its_time_is_over,
        what_was_lost_cannot_be_done,
    }
    every store with queues that marks what is done {
        who_waits_for_what_is_done_is_told_and_leaves,
    }
}

async fn a_free_key_is_granted(trial: Trial) -> Result<(), Broken> {
    let token = token();
    trial.acquired(token, trial.long).await?;
    trial.release(token, None).await.map(drop)
}

async fn a_held_key_is_granted_to_nobody_else(trial: Trial) -> Result<(), Broken> {
    let holder = token();
    trial.acquired(holder, trial.long).await?;
    let answer = trial.acquire(token(), trial.long).await?;
    ensure(matches!(answer, Acquired::Held { .. }), || format!("an acquire of a held key: {answer:?}"))?;
    trial.is_held("while it was held").await?;
    expect(trial.release(holder, None).await?, Released::Freed, "a release by the holder")
}

async fn a_key_is_granted_to_one_of_many(trial: Trial) -> Result<(), Broken> {
    let mut asking = tokio::task::JoinSet::new();
    for n in 0..50 {
        let session = if n % 2 == 0 { &trial.session } else { &trial.other };
        let ask = trial.ask(token(), trial.long);
        let (token, answer) = (ask.token, session.acquire(ask));
        asking.spawn(async move { (token, answer.await) });
    }
    let mut granted = Vec::new();
    while let Some(Ok((token, answer))) = asking.join_next().await {
        if let Acquired::Granted { .. } = answer? {
            granted.push(token);
        }
    }
    expect(granted.len(), 1, "grants to 50 that ask at once")?;
    trial.release(granted[0], None).await.map(drop)
}

async fn a_look_takes_a_free_key(trial: Trial) -> Result<(), Broken> {
    let token = token();
    fence(trial.look(token, trial.long).await?, "a look at a free key")?;
    trial.is_held("after a look had taken it").await?;
    expect(trial.release(token, None).await?, Released::Freed, "a release by the holder")
}

async fn a_look_says_for_how_long_a_key_is_held_at_most(trial: Trial) -> Result<(), Broken> {
    let holder = token();
    trial.acquired(holder, trial.long).await?;
    let answer = trial.look(token(), trial.long).await?;
    trial.release(holder, None).await?;
    match answer {
        Acquired::Held { for_at_most: Some(left), .. } => ensure(left <= trial.long && left > trial.long / 2, || {
            format!("held for {left:?} more, of {:?}", trial.long)
        }),
        other => Err(Broken(format!("a look at a held key: {other:?}"))),
    }
}

async fn a_look_never_shortens_a_lease(trial: Trial) -> Result<(), Broken> {
    let holder = token();
    trial.acquired(holder, trial.long).await?;
    fence(trial.look(holder, trial.short).await?, "a look by the holder")?;
    past(trial.short).await;
    trial.is_held("after the look's shorter ttl").await?;
    expect(trial.release(holder, None).await?, Released::Freed, "a release by the holder")
}

async fn a_look_by_the_holder_lengthens_its_lease(trial: Trial) -> Result<(), Broken> {
    let holder = token();
    trial.acquired(holder, trial.short).await?;
    fence(trial.look(holder, trial.long).await?, "a look by the holder")?;
    past(trial.short).await;
    trial.is_held("after the first ttl").await?;
    expect(trial.release(holder, None).await?, Released::Freed, "a release by the holder")
}

async fn asking_twice_with_one_token_is_granted_once(trial: Trial) -> Result<(), Broken> {
    let holder = token();
    let first = trial.acquired(holder, trial.long).await?;
    let second = fence(trial.look(holder, trial.long).await?, "a look by the holder")?;
    ensure(second > first, || format!("fence {second} after {first}"))?;
    expect(trial.release(holder, None).await?, Released::Freed, "a release by the holder")?;
    trial.is_free("after one release of a token that was granted twice").await
}

async fn a_lease_expires_by_itself_and_not_early(trial: Trial) -> Result<(), Broken> {
    let asked = Instant::now();
    trial.acquired(token(), trial.short).await?;
    trial.expires(asked, trial.short).await
}

async fn a_renewal_lengthens_a_lease(trial: Trial) -> Result<(), Broken> {
    let holder = token();
    trial.acquired(holder, trial.short).await?;
    expect(trial.renew(holder, trial.long).await?, Renewed::Renewed, "a renewal by the holder")?;
    past(trial.short).await;
    trial.is_held("after the first ttl").await?;
    expect(trial.release(holder, None).await?, Released::Freed, "a release by the holder")
}

async fn a_renewal_never_shortens_a_lease(trial: Trial) -> Result<(), Broken> {
    let holder = token();
    trial.acquired(holder, trial.long).await?;
    expect(trial.renew(holder, trial.short).await?, Renewed::Renewed, "a renewal by the holder")?;
    past(trial.short).await;
    trial.is_held("after the renewal's shorter ttl").await?;
    expect(trial.release(holder, None).await?, Released::Freed, "a release by the holder")
}

async fn a_renewal_never_creates_a_key(trial: Trial) -> Result<(), Broken> {
    let holder = token();
    expect(trial.renew(holder, trial.long).await?, Renewed::NotOurs, "a renewal of a key that never was")?;
    trial.is_free("after that").await?;
    trial.acquired(holder, trial.long).await?;
    trial.release(holder, None).await?;
    expect(trial.renew(holder, trial.long).await?, Renewed::NotOurs, "a renewal after the release")?;
    trial.is_free("after that").await
}

async fn a_renewal_after_expiry_is_not_ours(trial: Trial) -> Result<(), Broken> {
    let (asked, holder) = (Instant::now(), token());
    trial.acquired(holder, trial.short).await?;
    trial.expires(asked, trial.short).await?;
    expect(trial.renew(holder, trial.long).await?, Renewed::NotOurs, "a renewal after expiry")?;
    trial.is_free("after that").await
}

async fn a_stranger_cannot_renew(trial: Trial) -> Result<(), Broken> {
    let asked = Instant::now();
    trial.acquired(token(), trial.short).await?;
    expect(trial.renew(token(), trial.long).await?, Renewed::NotOurs, "a renewal by a stranger")?;
    trial.expires(asked, trial.short).await
}

async fn each_renewal_of_a_batch_is_answered_by_itself(trial: Trial) -> Result<(), Broken> {
    let held = |n: usize| !n.is_multiple_of(3);
    let batch: Vec<_> = (0..200).map(|n| (trial.key_with(&n.to_string()), token())).collect();
    for (_, (key, token)) in batch.iter().enumerate().filter(|(n, _)| held(*n)) {
        fence(trial.session.acquire(Ask::new(key.clone(), *token, trial.long)).await?, "an acquire of a free key")?;
    }
    let renewals = batch.iter().map(|(key, token)| Renewal::new(key.clone(), *token, trial.long)).collect();
    let answers = trial.session.renew(renewals).await;
    expect(answers.len(), batch.len(), "answers to a batch")?;
    for (n, answer) in answers.into_iter().enumerate() {
        let promised = if held(n) { Renewed::Renewed } else { Renewed::NotOurs };
        expect(answer?, promised, "one renewal of a batch")?;
    }
    for (n, (key, token)) in batch.into_iter().enumerate() {
        let promised = if held(n) { Released::Freed } else { Released::NotOurs };
        expect(trial.session.release(Release::new(key, token)).await?, promised, "a release after it")?;
    }
    expect(trial.session.renew(Vec::new()).await.len(), 0, "answers to an empty batch")
}

async fn a_released_key_is_free(trial: Trial) -> Result<(), Broken> {
    let holder = token();
    trial.acquired(holder, trial.long).await?;
    expect(trial.release(holder, None).await?, Released::Freed, "a release by the holder")?;
    trial.is_free("after its release").await
}

async fn a_release_twice_frees_once(trial: Trial) -> Result<(), Broken> {
    let (first, second) = (token(), token());
    trial.acquired(first, trial.long).await?;
    trial.release(first, None).await?;
    trial.acquired(second, trial.long).await?;
    expect(trial.release(first, None).await?, Released::NotOurs, "a second release")?;
    trial.is_held("after somebody else's second release").await?;
    expect(trial.release(second, None).await?, Released::Freed, "a release by the holder")
}

async fn a_release_after_expiry_is_not_ours(trial: Trial) -> Result<(), Broken> {
    let (asked, holder) = (Instant::now(), token());
    trial.acquired(holder, trial.short).await?;
    trial.expires(asked, trial.short).await?;
    expect(trial.release(holder, Some(trial.long)).await?, Released::NotOurs, "a release after expiry")?;
    trial.is_free("after that").await
}

async fn a_stranger_cannot_release(trial: Trial) -> Result<(), Broken> {
    let holder = token();
    trial.acquired(holder, trial.long).await?;
    expect(trial.release(token(), None).await?, Released::NotOurs, "a release by a stranger")?;
    expect(trial.release(token(), Some(trial.short)).await?, Released::NotOurs, "a release by a stranger")?;
    past(trial.short).await;
    trial.is_held("after a stranger's release").await?;
    expect(trial.release(holder, None).await?, Released::Freed, "a release by the holder")
}

async fn fences_grow(trial: Trial) -> Result<(), Broken> {
    let mut last = 0;
    for n in 0..20 {
        let holder = token();
        // By rotations the two ways in which a key is taken, so that neither repeats what the other gave.
        let fence = match n % 2 {
            0 => trial.acquired(holder, trial.long).await?,
            _ => fence(trial.look(holder, trial.long).await?, "a look at a free key")?,
        };
        ensure(fence > last, || format!("fence {fence} after {last}"))?;
        last = fence;
        trial.release(holder, None).await?;
    }
    Ok(())
}

async fn sessions_see_the_same_locks(trial: Trial) -> Result<(), Broken> {
    let holder = token();
    trial.acquired(holder, trial.long).await?;
    let third = trial.store.open().await?;
    let answer = third.acquire(trial.ask(token(), trial.long)).await?;
    ensure(matches!(answer, Acquired::Held { .. }), || format!("an acquire through another session: {answer:?}"))?;
    let release = Release::new(trial.key.clone(), holder);
    expect(trial.other.release(release).await?, Released::Freed, "a release through another session")?;
    trial.is_free("after its release through another session").await
}

async fn keys_of_any_text_are_told_apart(trial: Trial) -> Result<(), Broken> {
    let texts =
        ["a", "A", "a ", " a", "{a}", "a}b", "{}", "*", "a*", "a:b", "a/b", "ä", "\u{1f512}", "%61", "\"", "\\"];
    let mut keys: Vec<LockKey> = texts.iter().map(|text| trial.key_with(text)).collect();
    keys.push(format!("{:x<1024}", trial.key.as_str()).into());
    let holder = token();
    for key in &keys {
        fence(
            trial.session.acquire(Ask::new(key.clone(), holder, trial.long)).await?,
            &format!("key {key} beside the others"),
        )?;
    }
    for key in keys {
        let release = Release::new(key, holder);
        expect(trial.session.release(release).await?, Released::Freed, "a release by the holder")?;
    }
    Ok(())
}

async fn nothing_happens_before_the_first_poll(trial: Trial) -> Result<(), Broken> {
    drop(trial.session.acquire(trial.ask(token(), trial.long)));
    trial.is_free("after an acquire that was never polled").await
}

async fn operations_on_a_key_take_effect_in_the_order_of_their_first_polls(trial: Trial) -> Result<(), Broken> {
    let (first, second) = (token(), token());
    trial.acquired(first, trial.long).await?;
    let mut release = trial.session.release(Release::new(trial.key.clone(), first));
    let done = poll_once(&mut release).await;
    trial.acquired(second, trial.long).await?;
    if done.is_pending() {
        expect(release.await?, Released::Freed, "a release by the holder")?;
    }
    expect(trial.release(second, None).await?, Released::Freed, "a release by the holder")
}

async fn an_abandoned_acquire_is_undone_by_a_release_behind_it(trial: Trial) -> Result<(), Broken> {
    for _ in 0..10 {
        let token = token();
        let mut acquire = trial.session.acquire(trial.ask(token, trial.long));
        let _ = poll_once(&mut acquire).await;
        drop(acquire);
        trial.release(token, None).await?;
        trial.is_free("after an abandoned acquire and its release").await?;
    }
    Ok(())
}

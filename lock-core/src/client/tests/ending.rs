//! Releases, and how a client closes.

use super::*;

#[test]
fn an_ask_that_is_dropped_is_followed_by_a_release_on_its_own_session() {
    let mut story = Story::new();
    let id = story.arrive("a", no_wait()).expect("it waits");
    let Step::Send(AcquireRequest::Ask(ask)) = story.next(id) else { panic!("it may ask") };
    story.cancelled(id);
    let (orphan, release, via) = release_of(story.only_job());
    assert_eq!((release.token, release.keep, via), (ask.token, None, Some(HERE)));
    story.released(orphan, HERE, Ok(Released::NotOurs));
    story.assert_nothing_is_left();
}

#[test]
fn a_release_that_could_not_follow_its_ask_is_sent_again_and_twice_more() {
    let mut story = Story::new();
    let (id, _) = story.ask("a", no_wait());
    story.cancelled(id);
    let (orphan, _, via) = release_of(story.only_job());
    assert_eq!(via, Some(HERE));
    story.pass(OPERATION);
    story.released(orphan, HERE, Err(error(StoreErrorKind::Disconnected)));
    let (orphan, _, via) = release_of(story.only_job());
    assert_eq!(via, None, "on the keeper's own");
    story.released(orphan, KEEPER, Ok(Released::NotOurs));
    for _ in 0..2 {
        let before = story.now;
        let (again, _, _) = release_of(story.next_work().remove(0));
        assert_eq!(story.now.since(before), OPERATION, "the ask may have arrived after the release");
        story.released(again, KEEPER, Ok(Released::NotOurs));
    }
    story.assert_nothing_is_left();
}

/// The store then keeps it for no token, so a late renewal cannot touch it.
#[test]
fn a_key_that_is_kept_is_released_once_whatever_renewal_had_no_answer() {
    let mut story = Story::new();
    let id = story.hold("a", Terms { min_hold: Some(TTL), ..no_wait() });
    while !matches!(story.next_work().first(), Some(Sent::Renew(..))) {}
    let sent = story.now;
    story.renewed(id, sent, Err(error(StoreErrorKind::Disconnected)));
    story.end(id, None);
    assert!(release_of(story.only_job()).1.keep.is_some());
    story.released(id, KEEPER, Ok(Released::Freed));
    story.assert_nothing_is_left();
}

/// A release that finds no store is tried for this long, and no longer.
fn is_released_for(mut story: Story, id: CallId, longest: Duration) {
    story.client.disconnected();
    story.end(id, None);
    assert!(story.work().is_empty());
    story.pass(longest.saturating_sub(ms(1)));
    story.client.connected(story.now, KEEPER, true);
    let (releasing, ..) = release_of(story.only_job());
    story.pass(ms(2));
    story.released(releasing, KEEPER, Err(error(StoreErrorKind::Disconnected)));
    story.assert_nothing_is_left();
}

#[test]
fn a_release_is_tried_for_as_long_as_the_key_may_last_although_it_was_renewed_for_less() {
    let mut story = Story::new();
    let id = story.hold("a", Terms { renew: false, ..no_wait() });
    let renewal = story.client.renew_manually(story.now, id, ms(200));
    let sent = story.now;
    assert!(matches!(story.only_job(), Sent::Renew(Renewal { ttl, .. }) if ttl == ms(200)));
    story.client.renewed(story.now, id.key, story.token(id), (sent, ms(200)), Ok(Renewed::Renewed));
    assert!(matches!(story.client.manual_next(story.now, id, renewal), ManualStep::Renewed));
    is_released_for(story, id, TTL);
}

#[test]
fn a_release_is_tried_for_as_long_as_a_renewal_in_flight_may_make_the_key_last() {
    let mut story = Story::new();
    let id = story.hold("a", no_wait());
    while !matches!(story.next_work().first(), Some(Sent::Renew(..))) {}
    // The renewal may reach the store as late as that, and then the key lasts for its ttl.
    is_released_for(story, id, OPERATION * 2 + TTL);
}

#[test]
fn a_release_is_tried_for_as_long_as_an_ask_in_flight_may_make_the_key_last() {
    let mut story = Story::new();
    let (id, _) = story.ask("a", no_wait());
    story.cancelled(id);
    story.client.disconnected();
    assert!(story.work().is_empty());
    story.pass(OPERATION * 2 + TTL.saturating_sub(ms(1)));
    story.client.connected(story.now, KEEPER, true);
    assert!(matches!(story.only_job(), Sent::Release(..)));
}

#[test]
fn a_release_is_tried_for_as_long_as_the_holder_before_had_asked_for() {
    let mut story = Story::new();
    let (first, sent) = story.ask("a", patient());
    let heir = story.arrive("a", Terms { ttl: ms(300), ..patient() }).expect("it waits");
    story.taken(first, sent);
    let Step::Send(AcquireRequest::Enqueue(look)) = story.next(first) else { panic!("it queues") };
    let sent = story.now;
    assert_eq!(look.fences, 32, "others of this process may have the lease after it");
    story.answer(first, sent, Ok(Acquired::Granted { fence: 7 }));
    assert!(matches!(story.next(first), Step::Granted { .. }));
    story.end(first, None);
    assert!(matches!(story.next(heir), Step::Granted { fence: 8, .. }), "without a word to the store");
    is_released_for(story, heir, TTL);
}

#[test]
fn a_release_is_tried_for_as_long_as_its_rotation_may_have_asked_for_its_next_holder() {
    let mut story = Story::new();
    let id = story.hold("a", Terms { ttl: ms(300), renew: false, ..no_wait() });
    let next = story.arrive("a", terms(Wait::Forever)).expect("it waits");
    story.end(id, None);
    let (rotating, rotation) = rotation_of(story.only_job());
    assert_eq!((rotating, rotation.ttl), (id, TTL));
    story.client.disconnected();
    story.client.released(story.now, id, Some(KEEPER), Err(error(StoreErrorKind::Disconnected)));
    story.cancelled(next);
    // The holder's ttl is long over; the rotation may have extended the key by the next one's ttl.
    story.pass(TTL.saturating_sub(ms(1)));
    story.client.connected(story.now, KEEPER, true);
    let released: Vec<Token> = story.work().into_iter().map(|job| release_of(job).1.token).collect();
    assert!(released.contains(&rotation.token), "{released:?}");
}

#[test]
fn an_acquire_that_never_asked_leaves_nothing_to_release() {
    let mut story = Story::new();
    let holder = story.hold("a", no_wait());
    let waiter = story.arrive("a", patient()).expect("it waits");
    story.cancelled(waiter);
    assert!(story.work().is_empty());
    let told = story.ask("b", patient());
    story.held_elsewhere(told.0, told.1, TTL);
    story.cancelled(told.0);
    assert!(story.work().is_empty(), "an answered ask left nothing either");
    story.cancelled(holder);
}

#[test]
fn a_grant_that_arrives_when_nobody_waits_is_given_back() {
    let mut story = Story::new();
    let (id, sent) = story.ask("a", no_wait());
    story.answer(id, sent, Ok(Acquired::Granted { fence: 1 }));
    story.cancelled(id);
    let (orphan, release, _) = release_of(story.only_job());
    assert_eq!(release.keep, None);
    story.released(orphan, KEEPER, Ok(Released::Freed));
    story.assert_nothing_is_left();
}

#[test]
fn min_hold_is_kept_by_what_a_body_saw_and_not_by_what_none_did() {
    let mut story = Story::new();
    let terms = Terms { min_hold: Some(ms(10_000)), ..no_wait() };
    let seen = story.hold("a", terms);
    let (unseen, sent) = story.ask("b", terms);
    story.answer(unseen, sent, Ok(Acquired::Granted { fence: 1 }));
    story.pass(ms(4000));
    story.end(seen, None);
    story.cancelled(unseen);
    let mut keeps: Vec<_> = story.work().into_iter().map(|job| release_of(job).1.keep).collect();
    keeps.sort();
    assert_eq!(keeps, [None, Some(ms(6000))]);
}

#[test]
fn what_is_left_of_min_hold_is_computed_at_sending() {
    let mut story = Story::new();
    let id = story.hold("a", Terms { min_hold: Some(ms(10_000)), ..no_wait() });
    story.client.disconnected();
    story.end(id, None);
    assert!(story.work().is_empty());
    story.pass(ms(7000));
    story.client.connected(story.now, KEEPER, true);
    assert_eq!(release_of(story.only_job()).1.keep, Some(ms(3000)));
}

#[test]
fn a_release_is_tried_until_the_ttl_makes_it_pointless() {
    let mut story = Story::new();
    let id = story.hold("a", no_wait());
    let start = story.now;
    story.end(id, None);
    let mut tries = 0;
    while !story.client.is_idle() {
        for job in story.next_work() {
            let (id, _, _) = release_of(job);
            story.released(id, KEEPER, Err(error(StoreErrorKind::Disconnected)));
            tries += 1;
        }
    }
    assert!((30..120).contains(&tries), "{tries}");
    assert!(story.now.since(start) <= TTL);
    story.assert_nothing_is_left();
}

#[test]
fn an_awaited_release_that_takes_too_long_goes_on_without_its_task() {
    let mut story = Story::new();
    let id = story.hold("a", no_wait());
    story.end(id, Some(ms(1000)));
    assert!(matches!(story.client.release_next(story.now, id, Some(HERE)), ReleaseStep::Send(_)));
    story.pass(ms(1000));
    let (again, _, _) = release_of(story.only_job());
    assert_eq!((story.woken(), story.probed()), (vec![0], vec![KEEPER]));
    assert!(matches!(story.client.release_next(story.now, id, Some(HERE)), ReleaseStep::Done(Err(_))));
    story.released(again, KEEPER, Ok(Released::Freed));
    story.assert_nothing_is_left();
}

#[test]
fn not_ours_after_a_release_without_an_answer_reads_as_freed() {
    let mut story = Story::new();
    let id = story.hold("a", no_wait());
    story.end(id, Some(ms(5000)));
    assert!(matches!(story.client.release_next(story.now, id, Some(HERE)), ReleaseStep::Send(_)));
    story.released(id, HERE, Err(error(StoreErrorKind::Disconnected)));
    let (id, _, _) = release_of(story.only_job());
    story.released(id, KEEPER, Ok(Released::NotOurs));
    assert!(matches!(story.client.release_next(story.now, id, Some(HERE)), ReleaseStep::Done(Ok(Released::Freed))));
    story.assert_nothing_is_left();
}

#[test]
fn a_task_that_is_dropped_while_it_releases_leaves_the_release_to_the_keeper() {
    let mut story = Story::new();
    let id = story.hold("a", no_wait());
    story.end(id, Some(ms(1000)));
    assert!(matches!(story.client.release_next(story.now, id, Some(HERE)), ReleaseStep::Send(_)));
    story.client.release_cancelled(story.now, id);
    let (id, _, _) = release_of(story.only_job());
    story.released(id, KEEPER, Ok(Released::Freed));
    story.assert_nothing_is_left();
}

#[test]
fn closing_refuses_those_who_wait_and_those_who_come() {
    let mut story = Story::new();
    let holder = story.hold("a", no_wait());
    let waiter = story.arrive("a", patient()).expect("it waits");
    story.client.close(story.now, ms(1000), 99);
    story.collect_actions();
    assert!(matches!(story.next(waiter), Step::Refused(Refusal::ShuttingDown)));
    assert!(matches!(story.arrive("b", patient()), Err(Refusal::ShuttingDown)));
    assert!(story.client.closed().is_none(), "a body may still end by itself");
    story.end(holder, None);
    let (id, _, _) = release_of(story.only_job());
    story.woken();
    story.released(id, KEEPER, Ok(Released::Freed));
    assert_eq!(story.woken(), [99]);
    assert!(story.client.closed().is_some_and(|closed| closed.left.is_empty() && closed.lost == 0));
}

#[test]
fn closing_repeats_at_once_what_would_be_repeated_later() {
    let mut story = Story::new();
    let (id, _) = story.ask("a", no_wait());
    story.cancelled(id);
    let (orphan, _, _) = release_of(story.only_job());
    story.released(orphan, HERE, Err(error(StoreErrorKind::Disconnected)));
    let (orphan, _, _) = release_of(story.only_job());
    story.released(orphan, KEEPER, Ok(Released::NotOurs));
    assert!(story.work().is_empty(), "it is repeated in a while");
    story.client.close(story.now, Duration::ZERO, 9);
    let (again, _, _) = release_of(story.only_job());
    story.released(again, KEEPER, Ok(Released::NotOurs));
    assert!(story.client.closed().is_some_and(|closed| closed.left.is_empty()));
}

#[test]
fn closing_loses_what_is_held_after_the_grace_and_reports_what_is_left() {
    let mut story = Story::new();
    let ends = story.hold("a", no_wait());
    story.hold("b", no_wait());
    let start = story.now;
    story.client.close(story.now, ms(1000), 99);
    story.next_work();
    assert_eq!(story.now.since(start), ms(1000));
    assert_eq!(story.lost, [(0, LossReason::Shutdown), (1, LossReason::Shutdown)]);
    story.end(ends, None);
    let (id, _, _) = release_of(story.only_job());
    story.released(id, KEEPER, Ok(Released::Freed));
    assert!(story.client.closed().is_none());
    story.next_work();
    assert_eq!(story.now.since(start), ms(2000), "releases are given one second");
    let closed = story.client.closed().expect("it is over");
    assert_eq!((closed.lost, closed.left), (2, vec![LockKey::from("b")]));
}

#[test]
fn at_exit_a_lease_in_the_middle_of_a_step_is_left_to_its_ttl() {
    let mut story = Story::new();
    let idle = story.hold("a", no_wait());
    let in_step = story.hold("b", no_wait());
    let leases = story.client.close_at_exit(story.now, 99);
    assert_eq!(leases, [(idle, 0), (in_step, 1)]);
    story.client.leave_to_ttl(story.now, in_step);
    story.end(idle, None);
    let (id, release, _) = release_of(story.only_job());
    assert_eq!(release.key.as_str(), "a");
    story.woken();
    story.released(id, KEEPER, Ok(Released::Freed));
    assert_eq!(story.woken(), [99]);
}

#[test]
fn a_release_goes_behind_a_renewal_also_where_an_ask_is_in_doubt() {
    let mut story = Story::new();
    let (id, sent) = story.ask("a", Terms { min_hold: Some(ms(1000)), ..patient() });
    story.answer(id, sent, Err(error(StoreErrorKind::Disconnected)));
    assert!(matches!(story.only_job(), Sent::Ask(_, _, KEEPER)));
    story.grant(id, story.now);
    story.client.renew_manually(story.now, id, TTL);
    assert!(matches!(story.only_job(), Sent::Renew(..)));
    story.end(id, None);
    let (release, order, via) = release_of(story.only_job());
    assert_eq!((order.keep, via), (Some(ms(1000)), None), "a renewal behind it would make the key last");
    story.released(release, KEEPER, Ok(Released::Freed));
    for _ in 0..2 {
        story.pass(OPERATION);
        let (again, _, via) = release_of(story.only_job());
        assert_eq!(via, None, "for the ask in doubt");
        story.released(again, KEEPER, Ok(Released::NotOurs));
    }
    story.assert_nothing_is_left();
}

#[test]
fn a_release_that_its_task_sent_and_awaits_is_sent_by_the_keeper_after_a_second() {
    let mut story = Story::new();
    let id = story.hold("a", no_wait());
    story.end(id, Some(OPERATION));
    let sent = story.now;
    assert!(matches!(story.client.release_next(story.now, id, Some(HERE)), ReleaseStep::Send(_)));
    let (again, _, via) = release_of(story.next_work().remove(0));
    assert_eq!((again, via, story.now.since(sent)), (id, None, ms(1000)));
    story.released(id, KEEPER, Ok(Released::NotOurs));
    let step = story.client.release_next(story.now, id, Some(HERE));
    assert!(matches!(step, ReleaseStep::Done(Ok(Released::Freed))), "that of the task may have worked: {step:?}");
    story.assert_nothing_is_left();
    assert!(story.probed().is_empty());
}

#[test]
fn a_release_that_its_task_sent_and_that_had_no_answer_has_sessions_probed() {
    let mut story = Story::new();
    let id = story.hold("a", no_wait());
    story.end(id, Some(OPERATION));
    assert!(matches!(story.client.release_next(story.now, id, Some(HERE)), ReleaseStep::Send(_)));
    let ended = story.now;
    let mut probed = Vec::new();
    while probed.is_empty() {
        for job in story.next_work() {
            story.released(release_of(job).0, KEEPER, Err(error(StoreErrorKind::Unready)));
        }
        assert!(story.now.since(ended) <= OPERATION);
        probed = story.probed();
    }
    assert_eq!((probed, story.now.since(ended)), (vec![KEEPER], OPERATION));
}

/// The exit hook has queued the release of a lease that its task was about to end.
#[test]
fn a_release_that_the_end_of_the_process_queued_is_awaited_by_the_task_that_came_second() {
    let mut story = Story::new();
    let id = story.hold("a", no_wait());
    assert_eq!(story.client.close_at_exit(story.now, u32::MAX), [(id, 0)]);
    story.end(id, None);
    story.end(id, Some(ms(1000)));
    assert!(matches!(story.client.release_next(story.now, id, Some(HERE)), ReleaseStep::Pending));
    let (sent, _, via) = release_of(story.only_job());
    assert_eq!((sent, via), (id, None));
    story.released(id, KEEPER, Ok(Released::Freed));
    assert_eq!(story.woken(), [0, u32::MAX], "the end of the process may go on, whether the task learns of it or not");
    let step = story.client.release_next(story.now, id, Some(HERE));
    assert!(matches!(step, ReleaseStep::Done(Ok(Released::Freed))), "{step:?}");
}

#[test]
fn a_release_that_a_task_sent_is_sent_by_the_keeper_when_the_process_ends() {
    let mut story = Story::new();
    let id = story.hold("a", no_wait());
    story.end(id, Some(OPERATION));
    assert!(matches!(story.client.release_next(story.now, id, Some(HERE)), ReleaseStep::Send(_)));
    assert!(story.work().is_empty());
    assert!(story.client.close_at_exit(story.now, u32::MAX).is_empty());
    let (sent, _, via) = release_of(story.only_job());
    assert_eq!((sent, via), (id, None));
    // The release that the task sent had worked.
    story.released(id, KEEPER, Ok(Released::NotOurs));
    let step = story.client.release_next(story.now, id, Some(HERE));
    assert!(matches!(step, ReleaseStep::Done(Ok(Released::Freed))), "{step:?}");
}

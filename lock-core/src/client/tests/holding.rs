//! Renewals, and how leases are lost.

use std::collections::BTreeSet;

use super::*;
use crate::lease::Validity;
use crate::walk::{AcquireStep, Acquiring, Answer, Start};

fn renewal_of(jobs: &[Sent]) -> (Token, Duration) {
    match jobs {
        [Sent::Renew(renewal)] => (renewal.token, renewal.ttl),
        other => panic!("not a renewal: {other:?}"),
    }
}

#[test]
fn a_lease_is_renewed_for_as_long_as_it_is_held() {
    let mut story = Story::new();
    let id = story.hold("a", no_wait());
    let start = story.now;
    let mut renewals = 0;
    while story.now.since(start) < TTL * 10 {
        let sent = {
            let jobs = story.next_work();
            renewal_of(&jobs);
            story.now
        };
        story.pass(ms(2));
        story.renewed(id, sent, Ok(Renewed::Renewed));
        renewals += 1;
    }
    assert!((25..=35).contains(&renewals), "{renewals}");
    assert!(story.lost.is_empty());
}

#[test]
fn a_failed_renewal_is_tried_again_until_the_deadline() {
    let mut story = Story::new();
    let id = story.hold("a", no_wait());
    let start = story.now;
    loop {
        let jobs = story.next_work();
        if jobs.is_empty() {
            break;
        }
        let sent = story.now;
        story.renewed(id, sent, Err(error(StoreErrorKind::Disconnected)));
    }
    assert_eq!(story.lost, [(0, LossReason::Expired)]);
    assert_eq!(story.now, deadline(start, TTL) - ms(2));
}

#[test]
fn one_good_renewal_after_many_bad_ones_saves_the_lease() {
    let mut story = Story::new();
    let id = story.hold("a", no_wait());
    let start = story.now;
    while story.now.since(start) < ms(28_000) {
        renewal_of(&story.next_work());
        let sent = story.now;
        story.renewed(id, sent, Err(error(StoreErrorKind::Refused)));
    }
    renewal_of(&story.next_work());
    let sent = story.now;
    story.renewed(id, sent, Ok(Renewed::Renewed));
    assert!(story.lost.is_empty());
    story.now = deadline(sent, TTL) - ms(3);
    assert!(story.client.lapsed(story.now, id).is_ok());
}

#[test]
fn not_ours_is_a_loss_at_once() {
    let mut story = Story::new();
    let id = story.hold("a", no_wait());
    story.next_work();
    let sent = story.now;
    story.renewed(id, sent, Ok(Renewed::NotOurs));
    assert_eq!(story.lost, [(0, LossReason::Stolen)]);
}

#[test]
fn a_late_yes_never_revives() {
    let mut story = Story::new();
    let id = story.hold("a", no_wait());
    let start = story.now;
    story.next_work();
    let sent = story.now;
    story.now = deadline(start, TTL);
    story.renewed(id, sent, Ok(Renewed::Renewed));
    assert_eq!(story.lost, [(0, LossReason::Expired)]);
    story.renewed(id, sent, Ok(Renewed::Renewed));
    assert_eq!(story.client.lapsed(story.now, id), Err(LossReason::Expired));
}

#[test]
fn the_deadline_counts_from_before_the_request_was_sent() {
    let mut story = Story::new();
    let (id, sent) = story.ask("a", no_wait());
    story.pass(ms(4000));
    story.answer(id, sent, Ok(Acquired::Granted { fence: 7 }));
    let Step::Granted { until, .. } = story.next(id) else { panic!("granted") };
    assert_eq!(until, deadline(sent, TTL));
}

#[test]
fn a_lease_that_is_not_renewed_ends_at_its_deadline() {
    let mut story = Story::new();
    let start = story.now;
    story.hold("a", Terms { renew: false, ..no_wait() });
    assert!(story.next_work().is_empty());
    assert_eq!(story.now, deadline(start, TTL) - ms(2));
    assert_eq!(story.lost, [(0, LossReason::Expired)]);
}

#[test]
fn max_hold_ends_a_lease_that_is_renewed() {
    let mut story = Story::new();
    let start = story.now;
    let id = story.hold("a", Terms { max_hold: Some(ms(45_000)), ..no_wait() });
    while story.lost.is_empty() {
        if let [Sent::Renew(..)] = story.next_work()[..] {
            let sent = story.now;
            story.renewed(id, sent, Ok(Renewed::Renewed));
        }
    }
    assert_eq!(story.lost, [(0, LossReason::MaxHold)]);
    assert_eq!(story.now.since(start), ms(45_000 - 2));
}

#[test]
fn a_lost_lease_lets_neighbours_ask_and_is_released_when_its_body_is_gone() {
    let mut story = Story::new();
    let id = story.hold("a", Terms { renew: false, ..no_wait() });
    let next = story.arrive("a", patient()).expect("it waits");
    story.next_work();
    assert!(
        matches!(story.next(next), Step::Send(AcquireRequest::Ask(_))),
        "a body that never ends must not block its neighbours"
    );
    assert!(story.work().is_empty(), "no release while the body may be in a step");
    story.end(id, None);
    release_of(story.only_job());
}

#[test]
fn a_lost_lease_is_released_behind_a_renewal_in_flight() {
    let mut story = Story::new();
    let id = story.hold("a", no_wait());
    renewal_of(&story.next_work());
    story.end(id, Some(ms(1000)));
    assert!(
        matches!(story.client.release_next(story.now, id, Some(HERE)), ReleaseStep::Pending),
        "not over another session"
    );
    release_of(story.only_job());
}

#[test]
fn without_a_connection_renewals_wait_and_go_out_when_it_is_back() {
    let mut story = Story::new();
    let id = story.hold("a", no_wait());
    story.client.disconnected();
    assert!(story.next_work().is_empty());
    let due = story.client.next_due();
    assert_eq!(due, deadline(story.now, TTL).min(due), "nothing but the deadline is left to wait for");
    story.client.connected(story.now, KEEPER, true);
    assert_eq!(renewal_of(&story.work()).0, story.token(id));
}

#[test]
fn neighbours_are_renewed_together_and_others_apart() {
    let mut story = Story::new();
    for n in 0..500 {
        story.hold(&n.to_string(), no_wait());
    }
    let mut sizes = Vec::new();
    while sizes.iter().sum::<usize>() < 500 {
        sizes.push(story.next_work().len());
    }
    // Eight pages; two may happen to have nearly the same rhythm.
    assert!((5..=8).contains(&sizes.len()) && sizes.iter().all(|size| size % 64 == 0 || size % 64 == 52), "{sizes:?}");
}

#[test]
fn very_many_renewals_are_not_sent_in_one_go() {
    let mut story = Story::new();
    let mut held = BTreeSet::new();
    for n in 0..=2 * MOST_PER_ROUND {
        let id = story.hold(&n.to_string(), no_wait());
        held.insert(story.token(id));
    }
    story.pass(TTL / 2);
    let mut renewed = BTreeSet::new();
    for most in [MOST_PER_ROUND, MOST_PER_ROUND, 1] {
        assert!(story.client.next_due() <= story.now, "there is more to do");
        let jobs = story.work();
        assert_eq!(jobs.len(), most);
        renewed.extend(jobs.into_iter().map(|job| renewal_of(&[job]).0));
    }
    assert!(story.client.next_due() > story.now && renewed == held);
}

#[test]
fn a_renewal_by_hand_goes_out_at_once_and_stays_the_ttl() {
    let mut story = Story::new();
    let id = story.hold("a", Terms { renew: false, ..no_wait() });
    let longer = TTL * 4;
    let renewal = story.client.renew_manually(story.now, id, longer);
    assert_eq!(renewal_of(&story.work()), (story.token(id), longer));
    assert!(matches!(story.client.manual_next(story.now, id, renewal), ManualStep::Pending));
    let sent = story.now;
    story.client.renewed(story.now, id.key, story.token(id), (sent, longer), Ok(Renewed::Renewed));
    story.collect_actions();
    assert_eq!(story.woken(), [0]);
    assert!(matches!(story.client.manual_next(story.now, id, renewal), ManualStep::Renewed));
    story.next_work();
    assert_eq!(story.now, deadline(sent, longer) - ms(2), "renewed by hand alone");
}

#[test]
fn a_renewal_by_hand_is_not_satisfied_by_one_that_was_under_way() {
    let mut story = Story::new();
    let id = story.hold("a", no_wait());
    renewal_of(&story.next_work());
    let sent = story.now;
    story.pass(ms(1));
    let renewal = story.client.renew_manually(story.now, id, TTL);
    story.renewed(id, sent, Ok(Renewed::Renewed));
    assert!(matches!(story.client.manual_next(story.now, id, renewal), ManualStep::Pending));
    renewal_of(&story.work());
    let sent = story.now;
    story.renewed(id, sent, Ok(Renewed::Renewed));
    assert!(matches!(story.client.manual_next(story.now, id, renewal), ManualStep::Renewed));
}

#[test]
fn a_renewal_by_hand_is_not_satisfied_by_one_for_less() {
    let mut story = Story::new();
    let id = story.hold("a", no_wait());
    renewal_of(&story.next_work());
    let sent = story.now;
    // At the very moment at which that renewal was sent.
    let renewal = story.client.renew_manually(story.now, id, TTL * 4);
    story.renewed(id, sent, Ok(Renewed::Renewed));
    assert!(matches!(story.client.manual_next(story.now, id, renewal), ManualStep::Pending));
    assert_eq!(renewal_of(&story.work()), (story.token(id), TTL * 4));
}

#[test]
fn renewals_by_hand_at_once_each_come_back_by_one_that_lasts_for_the_longest() {
    let mut story = Story::new();
    let id = story.hold("a", no_wait());
    let ttls = [TTL * 4, TTL, TTL * 2];
    let renewals = ttls.map(|ttl| story.client.renew_manually(story.now, id, ttl));
    assert_eq!(renewal_of(&story.work()), (story.token(id), TTL * 4));
    let sent = story.now;
    story.client.renewed(story.now, id.key, story.token(id), (sent, TTL * 4), Ok(Renewed::Renewed));
    story.collect_actions();
    for renewal in renewals {
        assert!(matches!(story.client.manual_next(story.now, id, renewal), ManualStep::Renewed));
    }
    assert_eq!(renewal_of(&story.next_work()), (story.token(id), TTL * 2), "what was asked for last found_held");
}

#[test]
fn a_renewal_by_hand_that_nobody_awaits_any_more_is_forgotten_and_the_other_is_not() {
    let mut story = Story::new();
    let id = story.hold("a", Terms { renew: false, ..no_wait() });
    let left = story.client.renew_manually(story.now, id, TTL * 4);
    let awaited = story.client.renew_manually(story.now, id, TTL);
    story.client.manual_cancelled(story.now, id, left);
    assert_eq!(renewal_of(&story.work()), (story.token(id), TTL));
    let sent = story.now;
    story.renewed(id, sent, Err(error(StoreErrorKind::Refused)));
    assert!(matches!(story.client.manual_next(story.now, id, awaited), ManualStep::Failed(_)));
    assert!(story.work().is_empty());
}

#[test]
fn a_renewal_by_hand_fails_when_nobody_answers() {
    let mut story = Story::new();
    let id = story.hold("a", no_wait());
    let start = story.now;
    let renewal = story.client.renew_manually(story.now, id, TTL);
    while matches!(story.client.manual_next(story.now, id, renewal), ManualStep::Pending) {
        story.next_work();
        assert!(story.now.since(start) <= OPERATION);
    }
    assert_eq!(story.now.since(start), OPERATION);
    assert!(story.lost.is_empty());
}

#[test]
fn a_lease_that_nobody_wants_renewed_is_left_alone_when_the_connection_is_back() {
    let mut story = Story::new();
    let id = story.hold("a", Terms { renew: false, ..patient() });
    let due = story.client.next_due();
    story.client.disconnected();
    let by_hand = story.client.renew_manually(story.now, id, TTL);
    assert!(story.work().is_empty(), "it waits for a connection");
    story.client.manual_cancelled(story.now, id, by_hand);
    story.client.connected(story.now, KEEPER, true);
    assert_eq!(story.client.next_due(), due);
}

/// Asking takes time, so the step begins by a clock that is read behind it.
#[test]
fn a_later_deadline_is_shown_to_the_body_and_begins_no_step_of_it() {
    let (mut story, validity) = (Story::new(), Validity::default());
    let token = Token::from_bits(1);
    let call = (&"a".into(), token, 0);
    let via = Some(Via { session: HERE, listener: None });
    let (mut walk, _) = Acquiring::arrive(&mut story.client, story.now, via, call, no_wait());
    let answer = Answer { token, sent: story.now, result: Ok(Acquired::Granted { fence: 7 }) };
    let step = walk.go_on(&mut story.client, story.now, via, Some(answer));
    let AcquireStep::Granted { holding, fence, until } = step else { panic!("{step:?}") };
    validity.granted(fence, until);
    let key = holding.id().expect("it is held").key;
    story.pass(ms(10_000));
    story.client.renewed(story.now, key, token, (story.now, TTL), Ok(Renewed::Renewed));
    story.now = until;
    assert_eq!(holding.ask_again(&mut story.client, story.now, &validity), Start::Now);
    assert!(!validity.end_at_exit(), "no step is in progress");
    assert_eq!(holding.ask_again(&mut story.client, story.now, &validity), Start::NeverAgain);
}

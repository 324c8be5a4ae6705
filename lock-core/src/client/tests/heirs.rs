//! Leases whose holder has yet to begin: granted by a message, handed over locally, or retained by a rotation.

use super::*;

/// A holder with a block of fences, and a local waiter behind it.
fn holder_and_heir(story: &mut Story, holders: Terms, heirs: Terms) -> (CallId, CallId) {
    let (holder, sent) = story.ask("a", holders);
    let heir = story.arrive("a", heirs).expect("it waits");
    story.taken(holder, sent);
    assert!(matches!(story.next(holder), Step::Send(AcquireRequest::Enqueue(look)) if look.fences == 32));
    let sent = story.now;
    story.grant(holder, sent);
    (holder, heir)
}

/// Whether a waiter with this `min_hold` begins at once, when the message of its grant arrives this late.
fn begins_at_once(story: &mut Story, min_hold: Duration, late: Duration) -> (CallId, Token, bool) {
    let ttl = Duration::from_secs(60);
    let (id, sent) = story.ask("a", Terms { ttl, min_hold: Some(min_hold), ..terms(Wait::Forever) });
    story.taken(id, sent);
    let Step::Send(AcquireRequest::Enqueue(look)) = story.next(id) else { panic!("it queues") };
    let clock = clock(story.now);
    story.answer(id, story.now, Ok(Acquired::Held { for_at_most: Some(TTL), queued_at: Some(clock) }));
    let first_lease = look.entry.first_lease;
    story.pass(late);
    let grant = Grant { key: "a".into(), token: look.token, fence: 7, fences: 1, first_lease, clock };
    assert!(story.client.handed_over(story.now, KEEPER, &grant));
    story.collect_actions();
    (id, look.token, matches!(story.next(id), Step::Granted { .. }))
}

#[test]
fn a_lease_that_was_told_of_outlasts_min_hold_unless_its_message_was_slow() {
    for min_hold in [1, 5, 19, 20, 25, 40] {
        let (_, _, begins) = begins_at_once(&mut Story::new(), Duration::from_secs(min_hold), ms(100));
        assert!(begins, "min_hold of {min_hold} s");
    }
}

#[test]
fn a_lease_that_was_told_of_too_late_for_its_min_hold_is_renewed_before_the_body_begins() {
    let mut story = Story::new();
    let (id, token, begins) = begins_at_once(&mut story, ms(20_000), ms(1500));
    assert!(!begins, "the key might be gone before min_hold is over");
    let Sent::Renew(renewal) = story.only_job() else { panic!("it is renewed first") };
    assert_eq!((renewal.token, renewal.ttl), (token, Duration::from_secs(60)));
    let sent = story.now;
    story.client.renewed(story.now, id.key, token, (sent, renewal.ttl), Ok(Renewed::Renewed));
    assert!(matches!(story.next(id), Step::Granted { fence: 7, .. }));
}

#[test]
fn a_lease_that_came_as_a_late_answer_is_renewed_before_a_body_begins_that_keeps_the_key_for_longer() {
    for (min_hold, late, begins) in
        [(29_000, 900, true), (30_000, 900, true), (20_000, 8000, true), (20_000, 9000, false)]
    {
        let mut story = Story::new();
        let (id, sent) = story.ask("a", Terms { min_hold: Some(ms(min_hold)), ..patient() });
        story.pass(ms(late));
        story.answer(id, sent, Ok(Acquired::Granted { fence: 7 }));
        let granted = matches!(story.next(id), Step::Granted { .. });
        assert_eq!(granted, begins, "min_hold {min_hold} ms, an answer after {late} ms");
        if !begins {
            assert!(matches!(story.only_job(), Sent::Renew(Renewal { ttl, .. }) if ttl == TTL));
        }
    }
}

#[test]
fn an_heir_that_has_to_be_renewed_first_has_nothing_of_the_max_hold_before_it() {
    let mut story = Story::new();
    let short = Terms { max_hold: Some(ms(1000)), ..patient() };
    let long = Terms { ttl: Duration::from_secs(600), ..patient() };
    let (holder, heir) = holder_and_heir(&mut story, short, long);
    story.end(holder, None);
    let Sent::Renew(renewal) = story.only_job() else { panic!("it is renewed first") };
    let sent = story.now;
    story.pass(ms(1000));
    assert!(story.work().is_empty() && story.lost.is_empty(), "the time of the holder before would be over");
    story.client.renewed(story.now, heir.key, renewal.token, (sent, renewal.ttl), Ok(Renewed::Renewed));
    assert!(matches!(story.next(heir), Step::Granted { until, .. } if until == deadline(sent, renewal.ttl)));
}

#[test]
fn an_heir_whose_lease_is_lost_before_it_began_is_told_once_and_counted_once() {
    let mut story = Story::new();
    let (holder, heir) = holder_and_heir(&mut story, patient(), patient());
    story.client.renew_manually(story.now, holder, TTL);
    let Sent::Renew(renewal) = story.only_job() else { panic!("a renewal") };
    let sent = story.now;
    story.end(holder, None);
    story.client.renewed(story.now, holder.key, renewal.token, (sent, TTL), Ok(Renewed::NotOurs));
    story.collect_actions();
    assert_eq!((story.client.held(), &story.lost[..]), (0, &[][..]));
    story.client.close(story.now, ms(1000), u32::MAX);
    assert!(matches!(story.next(heir), Step::Refused(Refusal::ShuttingDown)), "no body began");
    for job in story.work() {
        story.released(release_of(job).0, KEEPER, Ok(Released::NotOurs));
    }
    story.assert_nothing_is_left();
}

#[test]
fn a_rotation_that_goes_on_too_late_is_given_back_for_as_long_as_the_holder_before_had_asked_for() {
    let mut story = Story::new();
    let hour = Duration::from_secs(3600);
    let holder = story.hold("a", Terms { ttl: hour, ..terms(Wait::Forever) });
    let next = story.arrive("a", Terms { ttl: ms(200), ..terms(Wait::Forever) }).expect("it waits");
    story.end(holder, None);
    let (rotating, rotation) = rotation_of(story.only_job());
    story.pass(ms(300));
    story.rotated(rotating, Rotated::Retained { fence: 9 });
    story.client.disconnected();
    story.cancelled(next);
    assert!(story.work().is_empty());
    story.pass(hour.saturating_sub(ms(1)));
    story.client.connected(story.now, KEEPER, true);
    let (_, release, _) = release_of(story.work().remove(0));
    assert_eq!(release.token, rotation.token, "the store keeps the longer of both ttls");
}

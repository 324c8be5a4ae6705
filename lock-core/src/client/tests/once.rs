//! What has succeeded is done for a while, and nobody is given the key meanwhile.

use super::*;
use crate::key::Completion;
use crate::lease::Period;

const PERIOD: Duration = Duration::from_secs(3600);

fn once() -> Terms {
    Terms { once: Period::new(PERIOD), ..no_wait() }
}

impl Story {
    fn complete(&mut self, id: CallId) -> Completion {
        self.client.complete(self.now, id)
    }

    /// What the release of this call says of the key.
    fn ended(&mut self, id: CallId) -> Release {
        self.end(id, None);
        release_of(self.only_job()).1
    }
}

#[test]
fn a_success_is_done_for_what_is_left_of_the_period_since_the_grant() {
    let mut story = Story::new();
    let id = story.hold("a", once());
    story.pass(ms(1500));
    assert_eq!(story.complete(id), Completion::Done);
    let release = story.ended(id);
    assert_eq!((release.keep, release.done), (Some(PERIOD.saturating_sub(ms(1500))), true));
}

#[test]
fn whatever_is_no_success_frees_the_key() {
    let mut story = Story::new();
    let id = story.hold("a", once());
    let release = story.ended(id);
    assert_eq!((release.keep, release.done), (None, false));
}

#[test]
fn without_a_period_a_success_is_nothing_to_the_store() {
    let mut story = Story::new();
    let id = story.hold("a", no_wait());
    assert_eq!(story.complete(id), Completion::NotAsked);
    let release = story.ended(id);
    assert_eq!((release.keep, release.done), (None, false));
}

#[test]
fn a_success_that_took_longer_than_the_period_frees_the_key() {
    let mut story = Story::new();
    let id = story.hold("a", Terms { once: Period::new(ms(100)), ..no_wait() });
    story.pass(ms(100));
    assert_eq!(story.complete(id), Completion::Done);
    let release = story.ended(id);
    assert_eq!((release.keep, release.done), (None, false));
}

#[test]
fn a_failure_keeps_the_key_for_its_min_hold_and_a_success_for_the_longer_of_the_two() {
    let (short, long) = (ms(1000), ms(9000));
    for (once, min_hold, success) in [(short, long, long), (long, short, long)] {
        for succeeds in [false, true] {
            let mut story = Story::new();
            let id = story.hold("a", Terms { once: Period::new(once), min_hold: Some(min_hold), ..no_wait() });
            if succeeds {
                story.complete(id);
            }
            let release = story.ended(id);
            let keep = if succeeds { success } else { min_hold };
            assert_eq!((release.keep, release.done), (Some(keep), succeeds));
        }
    }
}

#[test]
fn a_success_under_a_lease_that_was_lost_is_none() {
    let mut story = Story::new();
    let id = story.hold("a", Terms { renew: false, ..once() });
    story.pass(TTL);
    assert_eq!(story.complete(id), Completion::Lost(LossReason::Expired));
    let release = story.ended(id);
    assert!(!release.done);
}

#[test]
fn a_success_is_said_again_when_the_release_had_no_answer() {
    let mut story = Story::new();
    let id = story.hold("a", once());
    story.complete(id);
    assert!(story.ended(id).done);
    story.released(id, KEEPER, Err(error(StoreErrorKind::Disconnected)));
    assert!(release_of(story.only_job()).1.done);
    story.released(id, KEEPER, Ok(Released::NotOurs));
    story.assert_nothing_is_left();
}

#[test]
fn who_waits_here_is_not_handed_what_is_done_and_is_told_so_by_the_first_who_asks() {
    let mut story = Story::new();
    let holder = story.hold("a", once());
    let (first, second) =
        (story.arrive("a", patient()).expect("it waits"), story.arrive("a", patient()).expect("it waits"));
    story.complete(holder);
    assert!(story.ended(holder).done, "no local hand-over, and no rotation");
    assert!(matches!(story.next(first), Step::Pending), "it goes behind the release");
    story.released(holder, KEEPER, Ok(Released::Freed));
    let Step::Send(_) = story.next(first) else { panic!("it asks") };
    let sent = story.now;
    story.pass(ms(10));
    story.answer(first, sent, Ok(Acquired::Done { again_in: PERIOD }));
    let until = story.now + PERIOD;
    for id in [first, second] {
        assert!(matches!(story.next(id), Step::Refused(Refusal::Done { until: told }) if told == until));
    }
}

#[test]
fn who_stood_in_a_queue_has_left_it_when_it_is_told_that_it_is_done() {
    let mut story = Story::new();
    let (id, sent) = story.ask("a", patient());
    story.taken(id, sent);
    let Step::Send(AcquireRequest::Enqueue(_)) = story.next(id) else { panic!("it queues") };
    let sent = story.now;
    story.answer(id, sent, Ok(Acquired::Done { again_in: PERIOD }));
    assert!(matches!(story.next(id), Step::Refused(Refusal::Done { .. })));
    story.assert_nothing_is_left();
}

#[test]
fn a_lease_that_was_made_a_shared_one_keeps_no_success() {
    let mut story = Story::new();
    let id = story.hold("a", once());
    story.client.downgrade(story.now, id);
    assert_eq!(story.complete(id), Completion::NotAsked);
}

//! Forged messages, and requests that were not executed.

use super::*;

fn forged(key: &str, token: u128) -> Grant {
    let (token, first_lease) = (Token::from_bits(token), Duration::MAX);
    Grant {
        key: key.into(),
        token,
        fence: u64::MAX,
        fences: u32::MAX,
        first_lease,
        clock: ClockReading::new(ClockId::from_bits(1), u64::MAX),
    }
}

/// Answers the release in each of these jobs.
fn give_back(story: &mut Story, jobs: Vec<Sent>) -> usize {
    let releases: Vec<CallId> = jobs.into_iter().map(|job| release_of(job).0).collect();
    for &id in &releases {
        story.released(id, KEEPER, Ok(Released::NotOurs));
    }
    releases.len()
}

#[test]
fn a_grant_that_nobody_waited_for_is_given_back_and_holds_nobody_up() {
    let mut story = Story::new();
    assert!(!story.client.handed_over(story.now, KEEPER, &forged("a", 77)));
    let (id, sent) = story.ask("a", no_wait());
    let jobs = story.work();
    assert_eq!(give_back(&mut story, jobs), 1);
    story.grant(id, sent);
}

#[test]
fn forged_messages_cost_a_bounded_number_of_releases_at_a_time() {
    let mut story = Story::new();
    for _ in 0..3 {
        for token in 0..1000 {
            assert!(!story.client.handed_over(story.now, KEEPER, &forged("a", 0xbad + token)));
        }
        let jobs = story.work();
        assert_eq!(give_back(&mut story, jobs), 64);
        story.assert_nothing_is_left();
    }
}

#[test]
fn a_look_that_was_not_executed_is_sent_again_at_once_by_whoever_sent_it() {
    let mut story = Story::new();
    let (id, sent) = story.ask("a", patient());
    story.taken(id, sent);
    let Step::Send(AcquireRequest::Enqueue(look)) = story.next(id) else { panic!("it queues") };
    story.answer(id, story.now, Err(error(StoreErrorKind::NotExecuted)));
    let Step::Send(AcquireRequest::Enqueue(again)) = story.next(id) else { panic!("it is still wanted") };
    assert_eq!(again.token, look.token);
    story.answer(id, story.now, Ok(Acquired::Held { for_at_most: Some(TTL), queued_at: Some(clock(story.now)) }));
    let Sent::Ask(_, AcquireRequest::Enqueue(again), _) = story.next_work().remove(0) else { panic!("it looks") };
    story.answer(id, story.now, Err(error(StoreErrorKind::NotExecuted)));
    assert!(
        matches!(story.only_job(), Sent::Ask(_, AcquireRequest::Enqueue(look), _) if look.token == again.token),
        "the keeper does"
    );
}

#[test]
fn a_look_that_was_not_executed_is_not_sent_again_when_its_task_is_gone() {
    let mut story = Story::new();
    let (id, sent) = story.ask("a", patient());
    story.taken(id, sent);
    assert!(matches!(story.next(id), Step::Send(AcquireRequest::Enqueue(_))));
    story.answer(id, story.now, Ok(Acquired::Held { for_at_most: Some(TTL), queued_at: Some(clock(story.now)) }));
    assert!(matches!(story.next_work()[..], [Sent::Ask(_, AcquireRequest::Enqueue(_), _)]));
    let sent = story.now;
    story.cancelled(id);
    let jobs = story.work();
    assert_eq!(give_back(&mut story, jobs), 1);
    story.answer_of_gone(id, sent, Err(error(StoreErrorKind::NotExecuted)));
    assert!(story.work().is_empty());
}

#[test]
fn a_store_that_executes_nothing_is_asked_a_few_times_and_then_like_one_that_is_not_ready() {
    let mut story = Story::new();
    let (id, sent) = story.ask("a", patient());
    story.taken(id, sent);
    let mut looks = 0;
    while let Step::Send(AcquireRequest::Enqueue(_)) = story.next(id) {
        looks += 1;
        story.answer(id, story.now, Err(error(StoreErrorKind::NotExecuted)));
    }
    assert_eq!(looks, 6);
    assert!(story.client.next_due() <= story.now + ms(1000), "and again after a pause");
}

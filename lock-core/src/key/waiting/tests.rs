use super::*;
use crate::store::Kind;

#[test]
fn a_waiter_who_is_told_rests_until_the_holders_ttl_is_over_or_a_second() {
    let (now, token) = (Moment::from_nanos(1_000_000_000_000), Token::from_bits(7));
    let terms = Terms {
        kind: Kind::Exclusive,
        ttl: Duration::ZERO,
        wait: Wait::Forever,
        renew: false,
        max_hold: None,
        min_hold: None,
        once: None,
    };
    let rest = |held_for, has_push| {
        let mut waiting = Waiting::new(now, token, terms, Duration::ZERO);
        waiting.rest(now, token, held_for, has_push, 1);
        waiting.due().since(now)
    };
    let within = |rest: Duration, from, to| {
        assert!(rest >= Duration::from_millis(from) && rest <= Duration::from_millis(to), "{rest:?}");
    };
    within(rest(Duration::from_secs(30), true), 1000, 1250);
    within(rest(Duration::from_millis(400), true), 400, 500);
    within(rest(Duration::ZERO, true), 100, 125);
    within(rest(Duration::from_secs(30), false), 50, 150);
    within(rest(Duration::from_millis(20), false), 10, 22);
}

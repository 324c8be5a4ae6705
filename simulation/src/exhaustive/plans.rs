//! The plans that there are, by name: those that the tests check, and those that take minutes.

use std::time::Duration;

use lock_core::lease::{Terms, Wait};
use lock_core::store::Kind;

use super::plan::{Faults, Plan};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A lease lasts longer than two operations may take, so that a renewal can fail and be tried again.
const TERMS: Terms = Terms {
    kind: Kind::Exclusive,
    ttl: ms(1_200),
    wait: Wait::Forever,
    renew: true,
    max_hold: None,
    min_hold: None,
    once: None,
};
const SHARED: Terms = Terms { kind: Kind::Shared, ..TERMS };
const PERMIT: Terms = Terms { kind: Kind::permits(2), ..TERMS };
const IMPATIENT: Terms = Terms { wait: Wait::AtMost(ms(300)), ..TERMS };
const NONE: Faults = Faults { losses: 0, errors: 0, stalls: 0, cancellations: 0, crashes: 0, resets: 0 };
const LOSS: Faults = Faults { losses: 1, ..NONE };
const CANCELLATION: Faults = Faults { cancellations: 1, ..NONE };
const CRASH: Faults = Faults { crashes: 1, ..NONE };
const STALL: Faults = Faults { stalls: 1, ..NONE };

/// Plans of up to some hundred thousand states each.
pub fn small() -> Vec<Plan> {
    let keeping = Terms { min_hold: Some(ms(300)), ..TERMS };
    let dropped = Faults { cancellations: 1, ..LOSS };
    let brief = Terms { ttl: ms(300), ..SHARED };
    let hasty = Terms { wait: Wait::AtMost(ms(50)), ..TERMS };
    let brief_permit = Terms { ttl: ms(300), renew: false, ..PERMIT };
    vec![
        pair("loss-and-cancellation", TERMS, dropped),
        pair("loss-and-crash", TERMS, Faults { crashes: 1, ..LOSS }),
        pair("error-and-loss", TERMS, Faults { errors: 1, ..LOSS }),
        pair("stall", TERMS, STALL),
        lasting(ms(1_500), pair("loss-of-a-long-body", TERMS, LOSS)),
        lasting(ms(500), pair("impatient", IMPATIENT, dropped)),
        pair("min-hold", keeping, dropped),
        calling(&[0, 0, 1], pair("local-queue", TERMS, LOSS)),
        of(&[(0, SHARED), (1, TERMS)], pair("reader-and-writer", TERMS, dropped)),
        of(&[(0, SHARED), (1, TERMS)], pair("reader-and-writer-and-crash", TERMS, Faults { crashes: 1, ..LOSS })),
        of(&[(0, SHARED), (1, hasty), (0, SHARED)], pair("readers-and-hasty-writer", TERMS, NONE)),
        of(&[(0, PERMIT), (1, PERMIT), (0, PERMIT)], pair("permits", TERMS, NONE)),
        lasting(ms(350), of(&[(0, PERMIT), (1, brief_permit), (0, PERMIT)], pair("permits-and-crash", TERMS, CRASH))),
        lasting(ms(500), of(&[(0, SHARED), (1, brief)], pair("readers-of-two-ttls", TERMS, CRASH))),
        Plan { downgrades: 1, ..of(&[(0, TERMS), (1, SHARED)], pair("downgrade", TERMS, LOSS)) },
    ]
}

/// Plans of up to some million states each.
pub fn large() -> Vec<Plan> {
    let dropped = CANCELLATION;
    let crowd = |name| calling(&[0, 0, 0, 1], pair(name, TERMS, NONE));
    vec![
        pair("loss-and-reset", TERMS, Faults { resets: 1, ..LOSS }),
        pair("stall-and-reset", TERMS, Faults { resets: 1, ..STALL }),
        pair("two-resets", TERMS, Faults { resets: 2, ..NONE }),
        pair("error-and-stall", TERMS, Faults { errors: 1, ..STALL }),
        pair("three-losses", TERMS, Faults { losses: 3, ..NONE }),
        pair("loss-and-stall", TERMS, Faults { losses: 1, ..STALL }),
        lasting(ms(30), pair("two-stalls", TERMS, Faults { stalls: 2, ..NONE })),
        pair("stall-and-cancellation", TERMS, Faults { cancellations: 1, ..STALL }),
        lasting(ms(1_500), pair("stall-of-a-long-body", TERMS, STALL)),
        pair("stall-not-renewed", Terms { renew: false, ..TERMS }, STALL),
        pair("stall-and-min-hold", Terms { min_hold: Some(ms(300)), ..TERMS }, STALL),
        pair("stall-of-a-short-lease", Terms { ttl: ms(300), ..TERMS }, STALL),
        Plan { manual_renewals: 2, ..pair("loss-and-manual-renewals", TERMS, LOSS) },
        Plan { manual_renewals: 1, ..pair("stall-and-manual-renewal", TERMS, STALL) },
        Plan { has_messages: false, ..pair("loss-without-messages", IMPATIENT, LOSS) },
        Plan { has_messages: false, ..pair("stall-without-messages", IMPATIENT, STALL) },
        calling(&[0, 0, 1], pair("local-queue-and-cancellation", TERMS, dropped)),
        calling(&[0, 0, 1], pair("local-queue-and-stall", TERMS, STALL)),
        calling(&[0, 0, 1], pair("impatient-local-queue", IMPATIENT, LOSS)),
        crowd("long-local-queue"),
        Plan { local_handover: false, ..crowd("long-local-queue-without-handover") },
        calling(&[0, 0, 1, 1], pair("two-local-queues", TERMS, NONE)),
        calling(&[0, 1, 2], pair("three-clients", TERMS, LOSS)),
        of(&[(0, SHARED), (1, TERMS), (0, SHARED)], pair("readers-and-writer", TERMS, dropped)),
        of(&[(0, PERMIT), (1, PERMIT), (0, PERMIT)], pair("permits-and-cancellation", TERMS, dropped)),
        of(&[(0, SHARED), (1, TERMS)], pair("reader-and-writer-and-stall", TERMS, STALL)),
    ]
}

/// The plan of this name.
pub fn named(name: &str) -> Option<Plan> {
    small().into_iter().chain(large()).find(|plan| plan.name == name)
}

/// Two clients with a call each, on the same terms.
fn pair(name: &'static str, terms: Terms, faults: Faults) -> Plan {
    Plan {
        name,
        clients: 2,
        calls: vec![(0, terms), (1, terms)],
        longest_body: ms(100),
        has_messages: true,
        local_handover: true,
        manual_renewals: 0,
        downgrades: 0,
        faults,
    }
}

/// The same with a call of each of these clients.
fn calling(of: &[usize], mut plan: Plan) -> Plan {
    let (_, terms) = plan.calls[0];
    plan.clients = of.iter().max().map_or(0, |last| last + 1);
    plan.calls = of.iter().map(|client| (*client, terms)).collect();
    plan
}

/// The same with these calls instead.
fn of(calls: &[(usize, Terms)], mut plan: Plan) -> Plan {
    plan.clients = calls.iter().map(|(client, _)| client + 1).max().unwrap_or(0);
    plan.calls = calls.to_vec();
    plan
}

/// The same with bodies that last so long.
fn lasting(longest_body: Duration, plan: Plan) -> Plan {
    Plan { longest_body, ..plan }
}

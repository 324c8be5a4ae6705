//! The plans that there are, by name: those that the tests check, and those that take minutes.

use std::time::Duration;

use lock_core::lease::{Terms, Wait};
use lock_core::store::Kind;

use super::plan::{Faults, Plan};

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A lease lasts longer than two operations may take, so that a renewal can fail and be tried again.
const TERMS: Terms =
    Terms { kind: Kind::Exclusive, ttl: ms(1_200), wait: Wait::Forever, renew: true, max_hold: None, min_hold: None };
const NONE: Faults = Faults { losses: 0, stalls: 0, cancellations: 0, crashes: 0, resets: 0 };

/// Plans of up to some hundred thousand states each.
pub fn small() -> Vec<Plan> {
    let impatient = Terms { wait: Wait::AtMost(ms(300)), ..TERMS };
    let keeping = Terms { min_hold: Some(ms(300)), ..TERMS };
    let (loss, stall) = (Faults { losses: 1, ..NONE }, Faults { stalls: 1, ..NONE });
    let dropped = Faults { cancellations: 1, ..loss };
    vec![
        pair("loss-and-cancellation", TERMS, dropped),
        pair("loss-and-crash", TERMS, Faults { crashes: 1, ..loss }),
        pair("stall", TERMS, stall),
        lasting(ms(1_500), pair("loss-of-a-long-body", TERMS, loss)),
        lasting(ms(500), pair("impatient", impatient, dropped)),
        pair("min-hold", keeping, dropped),
        Plan { calls: calls(&[0, 0, 1], TERMS), ..pair("local-queue", TERMS, loss) },
    ]
}

/// Plans of up to some million states each.
pub fn large() -> Vec<Plan> {
    let (loss, stall) = (Faults { losses: 1, ..NONE }, Faults { stalls: 1, ..NONE });
    let short = Terms { ttl: ms(300), ..TERMS };
    let three = Plan { clients: 3, calls: calls(&[0, 1, 2], TERMS), ..pair("three-clients", TERMS, loss) };
    vec![
        pair("loss-and-reset", TERMS, Faults { resets: 1, ..loss }),
        pair("stall-and-reset", TERMS, Faults { resets: 1, ..stall }),
        pair("two-resets", TERMS, Faults { resets: 2, ..NONE }),
        pair("three-losses", TERMS, Faults { losses: 3, ..NONE }),
        pair("loss-and-stall", TERMS, Faults { losses: 1, ..stall }),
        pair("stall-and-cancellation", TERMS, Faults { cancellations: 1, ..stall }),
        lasting(ms(1_500), pair("stall-of-a-long-body", TERMS, stall)),
        pair("stall-not-renewed", Terms { renew: false, ..TERMS }, stall),
        pair("stall-and-min-hold", Terms { min_hold: Some(ms(300)), ..TERMS }, stall),
        pair("stall-of-a-short-lease", short, stall),
        Plan {
            calls: calls(&[0, 0, 1], TERMS),
            ..pair("local-queue-and-cancellation", TERMS, Faults { cancellations: 1, ..NONE })
        },
        Plan { calls: calls(&[0, 0, 1, 1], TERMS), ..pair("two-local-queues", TERMS, NONE) },
        three,
    ]
}

/// The plan of this name.
pub fn named(name: &str) -> Option<Plan> {
    small().into_iter().chain(large()).find(|plan| plan.name == name)
}

/// Two clients with a call each, on the same terms.
fn pair(name: &'static str, terms: Terms, faults: Faults) -> Plan {
    let calls = calls(&[0, 1], terms);
    Plan { name, clients: 2, calls, longest_body: ms(100), local_handover: true, faults }
}

/// The calls of these clients.
fn calls(of: &[usize], terms: Terms) -> Vec<(usize, Terms)> {
    of.iter().map(|client| (*client, terms)).collect()
}

fn lasting(longest_body: Duration, plan: Plan) -> Plan {
    Plan { longest_body, ..plan }
}

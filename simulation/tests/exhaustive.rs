//! Every state of the small plans keeps every promise, and none is left out.

use std::collections::BTreeSet;

use lock_simulation::exhaustive::{check, situations, small};

#[test]
fn every_state_of_the_small_plans_keeps_every_promise() {
    let mut came_to = BTreeSet::new();
    for plan in small() {
        let report = check(&plan, 2);
        println!("{}: {report}", plan.name);
        assert!(report.broken.is_none(), "cargo xtask exhaustive {} tells more: {:?}", plan.name, report.broken);
        assert!(report.is_exhausted, "{}: states were left out", plan.name);
        assert!(report.different > 1_000, "{}: {report} show too little", plan.name);
        came_to.extend(report.came_to);
    }
    let missed: Vec<_> = situations().filter(|name| !came_to.contains(name)).collect();
    assert!(missed.is_empty(), "no plan came to this: {missed:?}");
}

//! The checks bite: each fault that is planted in the core or in the store is found.
//!
//! One test, because a process has one fault at a time; and in a build in which faults can be planted alone, as
//! `cargo xtask test` makes one.
#![cfg(lock_planted)]

use lock_core::planted::{ALL, Mutant, plant};
use lock_simulation::search;
use lock_simulation::simulator::{Plan, shrink, simulate};

/// What a simulation does not run, the library's own future around a body: a campaign finds that.
const ELSEWHERE: Mutant = Mutant::BodyOutlivesRelease;

/// Where to begin: at the start, but for what is rare.
fn first_seed(mutant: Mutant) -> u64 {
    match mutant {
        // The store has to stand still for longer than a waiter without messages counts as alive, while others come.
        Mutant::PlaceForgotten => 15_000,
        _ => 0,
    }
}

#[test]
fn each_planted_fault_is_found() {
    for mutant in ALL.into_iter().filter(|&mutant| mutant != ELSEWHERE) {
        plant(Some(mutant));
        let from = first_seed(mutant);
        let found = search(from..from + 2_000, || false).found.unwrap_or_else(|| panic!("nobody noticed {mutant:?}"));
        println!("{mutant:?}: seed {}, {}", found.seed, found.violation.what);
        let fewer = shrink(&Plan::of(found.seed)).expect("it is found again");
        assert!(simulate(&fewer, false).violation.is_some(), "{mutant:?} is found without the other faults, too");
        for fault in 0..fewer.faults.len() {
            let still = simulate(&fewer.without(fault), false).violation;
            assert!(still.is_none(), "{:?} takes no part in it", fewer.faults[fault].trouble);
        }
    }
}

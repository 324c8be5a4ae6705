//! The exhaustive check bites: each planted fault that concerns one key is found by it.
//!
//! One test plants them, because a process has one fault at a time; and in a build in which faults can be planted
//! alone, as `cargo xtask test` makes one.
#![cfg(lock_planted)]

use lock_core::planted::{ALL, Mutant, plant};
use lock_simulation::exhaustive::{check, named};

/// Which plan finds which fault.
const FOUND_BY: [(Mutant, &str); 20] = [
    (Mutant::ReleaseWithoutCompare, "loss-and-cancellation"),
    (Mutant::RenewWithoutCompare, "stall-of-a-long-body"),
    (Mutant::ClockFromReply, "stall"),
    (Mutant::MarginOfWrongSign, "stall"),
    (Mutant::LossIgnored, "stall"),
    (Mutant::FailedRenewalCounts, "stall-of-a-long-body"),
    (Mutant::RetryWithNewToken, "error-and-loss"),
    (Mutant::MessagesAlone, "loss-and-cancellation"),
    (Mutant::HandOverFromArrival, "stall"),
    (Mutant::FirstLeaseUnrenewed, "loss-of-a-long-body"),
    (Mutant::DeadWaiterNotSkipped, "loss-and-crash"),
    (Mutant::KeptByItsToken, "min-hold"),
    (Mutant::HeirNobodyHearsKept, "reader-and-writer-and-crash"),
    (Mutant::SetEndsWithTheLast, "readers-of-two-ttls"),
    (Mutant::CountWithoutPurge, "permits-and-crash"),
    (Mutant::ReleaseFreesTheSet, "permits"),
    (Mutant::FenceAtEnqueue, "readers-and-hasty-writer"),
    (Mutant::SharedFromReply, "downgrade"),
    (Mutant::QueuePassed, "readers-and-hasty-writer"),
    (Mutant::LeavingChangesNothing, "readers-and-hasty-writer"),
];

const OF_PERIODS: &str = "no call here keeps its success; in the simulator some do";

/// What is about more than a key, its clients and a store that keeps what it knows.
const ELSEWHERE: [(Mutant, &str); 8] = [
    (Mutant::PlainFenceCounter, "it takes a store that forgets; the simulator has one"),
    (Mutant::BodyOutlivesRelease, "it is in the library's own future around a body; a campaign runs that"),
    (Mutant::UnseenGrantKept, "its tasks are polled when they are woken; the simulator has some that are not"),
    (Mutant::SilenceTrusted, "its connections end or work; the simulator has some that fall silent"),
    (Mutant::PlaceForgotten, "it takes a store that stands still; the simulator has one"),
    (Mutant::DoneForgotten, OF_PERIODS),
    (Mutant::FailureIsDone, OF_PERIODS),
    (Mutant::ToldAtReplica, "it takes a second server; the simulator has one"),
];

#[test]
fn each_planted_fault_that_concerns_one_key_is_found() {
    for (mutant, name) in FOUND_BY {
        plant(Some(mutant));
        let plan = named(name).expect("there is this plan");
        let report = check(&plan, 2);
        let Some((broken, history)) = &report.broken else { panic!("{name} does not notice {mutant:?}: {report}") };
        println!("{mutant:?}: {name}, after {} steps: {broken}", history.len());
    }
}

#[test]
fn each_planted_fault_is_found_here_or_elsewhere() {
    for mutant in ALL {
        let here = FOUND_BY.iter().filter(|(found, _)| *found == mutant).count();
        let elsewhere = ELSEWHERE.iter().filter(|(found, _)| *found == mutant).count();
        assert_eq!(here + elsewhere, 1, "{mutant:?}");
    }
}

//! Twenty thousand fleets keep every promise, whatever goes wrong.

use lock_simulation::search;

const SCHEDULES: u64 = 20_000;

#[test]
fn a_fleet_keeps_its_promises_whatever_goes_wrong() {
    let searched = search(0..SCHEDULES, || false);
    assert!(searched.found.is_none(), "cargo xtask simulate tells more: {:?}", searched.found);
    assert_eq!(searched.schedules, SCHEDULES);
    assert!(searched.grants > SCHEDULES * 20, "{} grants show too little", searched.grants);
}

//! A short campaign holds; and one that must not is seen not to.

use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

/// One at a time: they take each other's processors.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs a campaign to its end.
fn campaign(arguments: &[&str], variables: &[(&str, &str)]) -> (Output, String) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut command = Command::new(env!("CARGO_BIN_EXE_campaign"));
    let output = command.args(arguments).envs(variables.iter().copied()).output().expect("a campaign can be started");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{said}{}", String::from_utf8_lossy(&output.stderr));
    (output, said)
}

/// How many of these the table at the end has.
fn found(said: &str, what: &str) -> usize {
    let table = said.rsplit_once("\nfound\n").expect("there is a table").1;
    let line = table.lines().find(|line| line.ends_with(what)).expect("the table has a line for it");
    line.split_whitespace().next().and_then(|count| count.parse().ok()).expect("a line begins with a number")
}

/// How many bodies of this kind were there at once for a key.
fn at_once(said: &str, kind: &str) -> usize {
    let table = said.rsplit_once("\nheld\n").expect("there is a table").1;
    let behind = table.split(&format!(" {kind}, ")).nth(1).expect("the table has a line for it");
    behind.split(' ').next().and_then(|count| count.parse().ok()).expect("it says how many")
}

#[test]
fn a_short_campaign_holds() {
    // What is printed of a failure is what concerns it; all that was known then stays here.
    let kept = concat!(env!("CARGO_TARGET_TMPDIR"), "/campaign");
    let (output, said) = campaign(&["--seconds", "30", "--seed", "1", "--keep", kept], &[]);
    assert!(output.status.success(), "all that is known of each phase with findings is in {kept}");
    assert!(said.contains("fail over"), "the servers of this seed change places");
    assert!(at_once(&said, "exclusive") >= 1 && at_once(&said, "shared") >= 2 && at_once(&said, "permits") >= 2);
    assert_eq!((found(&said, "overlaps"), found(&said, "fence regressions"), found(&said, "stuck keys")), (0, 0, 0));
    assert_eq!(said.lines().last(), Some("verdict: held, seed 1"));
}

#[test]
fn workers_that_lock_nothing_are_found_out() {
    let (output, said) = campaign(&["--seconds", "5", "--seed", "1", "--without-lock"], &[]);
    assert!(!output.status.success());
    assert!(found(&said, "overlaps") > 0 && found(&said, "lost updates") > 0);
    assert_eq!(said.lines().last(), Some("verdict: BROKEN, seed 1"));
}

#[test]
fn a_mutant_that_there_is_not_is_no_campaign() {
    let (output, said) = campaign(&["--seconds", "1", "--seed", "1"], &[("LOCK_MUTANT", "NoSuchMutant")]);
    assert!(!output.status.success());
    assert!(found(&said, "stuck waiters") > 0, "the workers end by themselves");
}

/// A fault of the library's own future around a body, which no simulation runs.
#[test]
fn a_body_that_outlives_its_release_is_found_out() {
    let mutant = [("LOCK_MUTANT", "BodyOutlivesRelease")];
    // Whether another body comes just then is the machine's affair.
    let is_found = (1..=6).any(|seed: u32| {
        let (output, said) = campaign(&["--seconds", "5", "--seed", &seed.to_string(), "--without-faults"], &mutant);
        !output.status.success() && found(&said, "overlaps") > 0
    });
    assert!(is_found, "nobody noticed");
}

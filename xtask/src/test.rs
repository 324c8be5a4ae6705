//! `cargo xtask test`: every test there is, with the servers that they need.
//!
//! A server that is missing fails the tests that want it. Only Valkey may be left out, and that is said here and again
//! by each test it concerns. Deliberately absent: formatting and lints, which `.ci/run` checks, the benches, whose
//! peers nobody has to compile for a test of this library, and long campaigns.

use std::ffi::OsString;

use crate::servers;
use crate::steps::{cargo, cargo_planted, run, say};

/// Gets the servers, then runs all tests, or with arguments those that they select.
pub(crate) fn test(arguments: &[String]) -> Result<(), String> {
    let servers = servers()?;
    run(cargo(&["test"]).args(features(arguments)).args(arguments).envs(servers.clone()))?;
    if arguments.is_empty() {
        say("TLS once more with the cryptography that a program has chosen");
        let alone = ["test", "-p", "lock-tests", "--features", "tls-no-provider", "--test", "cryptography"];
        run(cargo(&alone).envs(servers.clone()))?;
        say("the runtime once more without Redis: the memory store alone");
        run(&mut cargo(&["test", "-p", "lock-runtime", "--no-default-features"]))?;
        say("thousands of simulated fleets, every state of one key, and faults that are planted in both");
        run(&mut cargo_planted(&["test", "--profile", "simulation", "-p", "lock-simulation"]))?;
        say("a short campaign");
        run(cargo_planted(&["test", "-p", "lock-campaign"]).envs(servers))?;
    }
    Ok(())
}

/// What tells the tests where the servers are.
fn servers() -> Result<Vec<(&'static str, OsString)>, String> {
    let redis = servers::redis()?;
    say(&format!("Redis:  {}", redis.display()));
    let valkey = if let Some(valkey) = servers::valkey()? {
        say(&format!("Valkey: {}", valkey.display()));
        ("VALKEY_SERVER", valkey.into_os_string())
    } else {
        say("Valkey: none, so its tests are LEFT OUT");
        ("LOCK_TESTS_WITHOUT_VALKEY", "1".into())
    };
    Ok(vec![("REDIS_SERVER", redis.into_os_string()), valkey])
}

/// The library as it is shipped, and its tests of TLS too; all that there is of a package that the caller names.
fn features(arguments: &[String]) -> &'static [&'static str] {
    let for_cargo = arguments.iter().take_while(|argument| *argument != "--");
    let names_a_package = for_cargo.into_iter().any(|argument| argument.starts_with("-p") || is_package(argument));
    if names_a_package { &["--all-features"] } else { &["--features", "lock-runtime/tls,lock-tests/tls"] }
}

fn is_package(argument: &str) -> bool {
    argument == "--package" || argument.starts_with("--package=")
}

#[cfg(test)]
mod tests {
    use super::features;

    fn is_as_shipped(arguments: &[&str]) -> bool {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        !features(&arguments).contains(&"--all-features")
    }

    #[test]
    fn a_named_package_is_tested_with_all_that_it_has() {
        assert!(!is_as_shipped(&["-p", "lock-tests", "store"]));
        assert!(!is_as_shipped(&["-plock-tests"]) && !is_as_shipped(&["--package=lock-tests"]));
        assert!(is_as_shipped(&[]) && is_as_shipped(&["store"]));
        assert!(is_as_shipped(&["--profile", "release"]) && is_as_shipped(&["--", "-p"]));
    }
}

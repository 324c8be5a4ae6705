//! `cargo xtask bench`: a benchmark, with the server that it needs.
//!
//! Built with optimizations, unless it is to be short and its times mean nothing; run by cargo so that it finds this
//! checkout. Deliberately absent: what is measured, which the package `lock-benches` knows, and any judgement of it.

use crate::servers;
use crate::steps::{cargo, run, say};

/// Gets the server, then runs the benchmarks that the arguments select.
pub(crate) fn bench(arguments: &[String]) -> Result<(), String> {
    let redis = servers::redis()?;
    say(&format!("Redis:  {}", redis.display()));
    let profile = if arguments.iter().any(|argument| argument == "--short") { "dev" } else { "release" };
    let bench = ["run", "--profile", profile, "-p", "lock-benches", "--"];
    run(cargo(&bench).args(arguments).env("REDIS_SERVER", redis))
}

//! `cargo xtask campaign`: a fleet of processes on a real server, with everything that can go wrong.
//!
//! What is known of a phase with findings is left in `target/campaign`. Built without optimizations, so that what the
//! library asserts is asserted. Deliberately absent: what is done and checked, which the package `lock-campaign` knows.

use crate::servers;
use crate::steps::{cargo_planted, root, run, say};

/// Gets the server, then runs a campaign with these arguments.
pub(crate) fn campaign(arguments: &[String]) -> Result<(), String> {
    let redis = servers::redis()?;
    say(&format!("Redis:  {}", redis.display()));
    // The program looks for that of its workers beside itself.
    run(&mut cargo_planted(&["build", "-p", "lock-campaign", "--bins"]))?;
    let campaign = ["run", "--quiet", "-p", "lock-campaign", "--bin", "campaign", "--"];
    let keep = root().join("target/campaign");
    run(cargo_planted(&campaign).arg("--keep").arg(keep).args(arguments).env("REDIS_SERVER", redis))
}

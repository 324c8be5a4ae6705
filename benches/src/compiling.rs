//! `compiling`: how long a crate that depends on the library takes to compile, and on how many crates it depends.
//!
//! It is what everybody pays who builds a program with it. A crate with one dependency is made for each, with nothing
//! compiled before and the same compiler settings. Once each: a compilation is long, and varies little. Deliberately
//! absent: targets, since the peers set none and most of it is tokio's and redis-rs' own.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lock_tests::Server;
use serde_json::json;

use crate::checkout;
use crate::extent::Extent;
use crate::report::{Row, Section};
use crate::rounds::{self, Rounds};

/// On what the crate depends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Dependency {
    Ours,
    OursWithoutRedis,
    Rslock,
    Rlock,
    DistributedLockRedis,
    AsyncRedisLock,
    Distkit,
}

use Dependency::{AsyncRedisLock, Distkit, DistributedLockRedis, Ours, OursWithoutRedis, Rlock, Rslock};

const ALL: [Dependency; 7] = [Ours, OursWithoutRedis, Rslock, Rlock, DistributedLockRedis, AsyncRedisLock, Distkit];
const PEERS: [Dependency; 5] = [Rslock, Rlock, DistributedLockRedis, AsyncRedisLock, Distkit];

/// What it cost.
struct Cost {
    crates: usize,
    /// None where it was not compiled, for the time that takes.
    time: Option<Duration>,
}

/// Compiles all, and tells what it saw.
pub(crate) fn bench(extent: Extent, _server: &Server) -> Section {
    let samples = rounds::run(1, &ALL, |dependency| cost(dependency, extent));
    Section {
        name: "compiling",
        settings: vec![(
            "compiled",
            "in the profile `dev` with nothing compiled before, downloads left out".to_owned(),
        )],
        rows: rows(&samples),
        headings: &[],
        notes: vec!["Crates are those that are linked into the program, the library among them.".to_owned()],
        failures: samples.told_failures(),
        samples: samples
            .to_json(|cost| json!({ "crates": cost.crates, "seconds": cost.time.map(|it| it.as_secs_f64()) })),
        plots: Vec::new(),
        broken: samples.failures().into_iter().find(|(it, ..)| *it == Ours).map(|(_, _, why)| why.to_owned()),
    }
}

fn rows(samples: &Rounds<Dependency, Cost>) -> Vec<Row> {
    let seconds = |of| samples.figures(of, |cost: &Cost| Some(cost.time?.as_nanos() as f64));
    let crates = |of| samples.figures(of, |cost: &Cost| Some(cost.crates as f64));
    let row = |ours, work, peer: Dependency| {
        [
            Row::new(work, "time to compile", seconds(ours)).against(peer.name(), seconds(peer)).in_time(),
            Row::new(work, "crates", crates(ours)).against(peer.name(), crates(peer)),
        ]
    };
    let peers = PEERS.into_iter().flat_map(|peer| row(Ours, "with redis", peer));
    peers.chain(row(OursWithoutRedis, "without redis", Ours)).collect()
}

impl Dependency {
    fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::OursWithoutRedis => "ours, without redis",
            Self::Rslock => "rslock",
            Self::Rlock => "rlock",
            Self::DistributedLockRedis => "distributed-lock-redis",
            Self::AsyncRedisLock => "async-redis-lock",
            Self::Distkit => "distkit",
        }
    }

    /// Its line in a manifest.
    fn line(self) -> String {
        let ours = checkout::root().join("lock-runtime");
        let ours = ours.display();
        match self {
            Self::Ours => format!("lock-runtime = {{ path = \"{ours}\" }}"),
            Self::OursWithoutRedis => format!("lock-runtime = {{ path = \"{ours}\", default-features = false }}"),
            Self::Rslock => "rslock = { version = \"0.10.0\", features = [\"tokio-comp\"] }".to_owned(),
            Self::Rlock => "rlock = \"0.2.0\"".to_owned(),
            Self::DistributedLockRedis => "distributed-lock-redis = \"0.2.0\"".to_owned(),
            Self::AsyncRedisLock => "async-redis-lock = \"0.4.0\"".to_owned(),
            Self::Distkit => {
                "distkit = { version = \"0.7.1\", default-features = false, features = [\"lock\"] }".to_owned()
            }
        }
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn cost(dependency: Dependency, extent: Extent) -> Result<Cost, String> {
    let folder = Folder::with(dependency).map_err(|error| format!("no crate can be made: {error}"))?;
    folder.cargo(&["fetch"])?;
    let tree = folder.cargo(&["tree", "-e", "normal", "--prefix", "none", "--format", "{p}"])?;
    let mut crates: Vec<&str> = tree.lines().skip(1).map(|line| line.trim_end_matches(" (*)")).collect();
    crates.sort_unstable();
    crates.dedup();
    let began = Instant::now();
    let time = match extent {
        Extent::Short => None,
        Extent::Full => Some(folder.cargo(&["build", "--offline"]).map(|_| began.elapsed())?),
    };
    Ok(Cost { crates: crates.len(), time })
}

/// A crate with one dependency, and all that is compiled of it; gone when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn with(dependency: Dependency) -> std::io::Result<Self> {
        let folder = Self(checkout::root().join("target/bench/compiling"));
        folder.clear();
        fs::create_dir_all(folder.0.join("src"))?;
        let manifest = format!(
            "[package]\nname = \"one-dependency\"\nedition = \"2024\"\n\n[dependencies]\n{}\n\n[workspace]\n",
            dependency.line()
        );
        fs::write(folder.0.join("Cargo.toml"), manifest)?;
        fs::write(folder.0.join("src/lib.rs"), "")?;
        Ok(folder)
    }

    fn cargo(&self, arguments: &[&str]) -> Result<String, String> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(arguments).current_dir(&self.0).env("CARGO_TARGET_DIR", self.target()).stdin(Stdio::null());
        let output = command.output().map_err(|error| format!("cargo cannot be run: {error}"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let told = String::from_utf8_lossy(&output.stderr);
        let why = told.lines().find(|line| line.starts_with("error")).unwrap_or("cargo failed without a word");
        Err(format!("cargo {}: {why}", arguments.join(" ")))
    }

    fn target(&self) -> PathBuf {
        Path::new(&self.0).join("target")
    }

    fn clear(&self) {
        // Nothing is there at first, and what cannot be removed is in nobody's way but the disk's.
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.clear();
    }
}

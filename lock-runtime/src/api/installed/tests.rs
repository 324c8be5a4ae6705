//! In processes of their own, as there is one installed client and one memory of scopes in each.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use tracing::{Event, Metadata, Subscriber, span};

use crate::{Client, LockError, distributed_lock};

/// Set in those processes.
const CHILD: &str = "LOCK_RUNTIME_INSTALLS";

#[distributed_lock(key = "job")]
async fn job() -> Result<(), LockError> {
    Ok(())
}

fn is_in_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Runs the test of this name in a process of its own.
fn in_child(name: &str) {
    let this = std::env::current_exe().expect("this test runs");
    let module = module_path!().split_once("::").expect("the crate comes first").1;
    let name = format!("{module}::{name}");
    let child = Command::new(this).args(["--exact", &name, "--nocapture"]).env(CHILD, "1").output().expect("it runs");
    let said = String::from_utf8_lossy(&child.stdout) + String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
}

/// Counts the events that tell of a call outside of scopes.
struct Outside;

static OUTSIDE: AtomicUsize = AtomicUsize::new(0);

impl Subscriber for Outside {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = String::new();
        event.record(&mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            if field.name() == "message" {
                text = format!("{value:?}");
            }
        });
        OUTSIDE.fetch_add(usize::from(text.contains("no scope here")), Ordering::Relaxed);
    }

    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[test]
fn a_scope_reaches_a_spawned_task_by_the_current_client() {
    if !is_in_child() {
        return in_child("a_scope_reaches_a_spawned_task_by_the_current_client");
    }
    let runtime = tokio::runtime::Runtime::new().expect("it can be built");
    runtime.block_on(async {
        let (installed, scoped) = (Client::connect_lazy("memory://installed"), Client::connect_lazy("memory://scoped"));
        let (installed, scoped) = (installed.expect("memory"), scoped.expect("memory"));
        assert!(Client::installed().is_none() && Client::current().is_none());
        installed.install().expect("the first");
        assert!(Client::installed().is_some() && Client::current().is_some());
        let _held = scoped.lock("job").await.expect("free");
        let inside = async {
            let current = Client::current().expect("a scope's");
            tokio::spawn(current.scope(job())).await.expect("no panic")
        };
        assert!(matches!(scoped.scope(inside).await, Err(LockError::Busy { .. })));
    });
}

#[test]
fn a_call_outside_of_scopes_is_told_of_once_there_are_some() {
    if !is_in_child() {
        return in_child("a_call_outside_of_scopes_is_told_of_once_there_are_some");
    }
    tracing::subscriber::set_global_default(Outside).expect("the only one");
    let runtime = tokio::runtime::Runtime::new().expect("it can be built");
    runtime.block_on(async {
        let (installed, scoped) = (Client::connect_lazy("memory://"), Client::connect_lazy("memory://"));
        let scoped = scoped.expect("memory");
        installed.expect("memory").install().expect("the first");
        job().await.expect("free");
        assert_eq!(OUTSIDE.load(Ordering::Relaxed), 0, "there are no scopes in this process");
        scoped.scope(job()).await.expect("free");
        assert_eq!(OUTSIDE.load(Ordering::Relaxed), 0, "this is one");
        scoped.scope(async { tokio::spawn(job()).await }).await.expect("no panic").expect("free");
        assert_eq!(OUTSIDE.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn who_has_no_client_is_told_of_scopes_only_where_there_are_some() {
    if !is_in_child() {
        return in_child("who_has_no_client_is_told_of_scopes_only_where_there_are_some");
    }
    let runtime = tokio::runtime::Runtime::new().expect("it can be built");
    runtime.block_on(async {
        let told = |error: LockError| error.to_string();
        assert!(!told(job().await.expect_err("no client")).contains("scope"));
        let scoped = Client::connect_lazy("memory://").expect("memory");
        let outcome = scoped.scope(async { tokio::spawn(job()).await }).await.expect("no panic");
        let told = told(outcome.expect_err("no client"));
        assert!(told.contains("client.scope(future)") && told.contains("Client::current()"), "{told}");
    });
}

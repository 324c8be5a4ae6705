//! One test body, one test per kind of server or store.
//!
//! Each test has a server of its own, so that tests do not meet and a failing one leaves nothing behind, and a runtime
//! with two threads, as programs have. Deliberately absent: bodies that compare two kinds with each other.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::kind::Kind;
use crate::server::Server;

/// Makes of each `async fn name(server: Server) { .. }` the tests `name::redis` and `name::valkey`.
///
/// ```
/// lock_tests::on_every_server! {
///     /// Attributes and several functions are fine.
///     async fn a_new_server_is_empty(server: lock_tests::Server) {
///         assert!(server.keys().is_empty());
///     }
/// }
/// ```
#[macro_export]
macro_rules! on_every_server {
    ($($(#[$attribute:meta])* async fn $name:ident($($argument:tt)*) $body:block)+) => {$(
        $(#[$attribute])*
        async fn $name($($argument)*) $body

        mod $name {
            #[test]
            fn redis() {
                $crate::on_server($crate::Kind::Redis, super::$name);
            }

            #[test]
            fn valkey() {
                $crate::on_server($crate::Kind::Valkey, super::$name);
            }
        }
    )+};
}

/// Makes of each `async fn name(url: String) { .. }` the tests `name::memory`, `name::redis` and `name::valkey`.
///
/// The URL of the memory store has a name of its own, so that several clients made from it share one store.
///
/// ```
/// lock_tests::on_every_store! {
///     async fn a_url_has_a_scheme(url: String) {
///         assert!(url.contains("://"));
///     }
/// }
/// ```
#[macro_export]
macro_rules! on_every_store {
    ($($(#[$attribute:meta])* async fn $name:ident($($argument:tt)*) $body:block)+) => {$(
        $(#[$attribute])*
        async fn $name($($argument)*) $body

        mod $name {
            #[test]
            fn memory() {
                $crate::on_memory(super::$name);
            }

            #[test]
            fn redis() {
                $crate::on_store($crate::Kind::Redis, super::$name);
            }

            #[test]
            fn valkey() {
                $crate::on_store($crate::Kind::Valkey, super::$name);
            }
        }
    )+};
}

/// Runs a body with a server.
#[doc(hidden)]
pub fn on_server<F: Future<Output = ()>>(kind: Kind, body: impl FnOnce(Server) -> F) {
    if let Some(server) = Server::of(kind) {
        run(body(server));
    }
}

/// Runs a body with the URL of a server, which outlives it.
#[doc(hidden)]
pub fn on_store<F: Future<Output = ()>>(kind: Kind, body: impl FnOnce(String) -> F) {
    if let Some(server) = Server::of(kind) {
        run(body(server.url()));
    }
}

/// Runs a body with the URL of a memory store.
#[doc(hidden)]
pub fn on_memory<F: Future<Output = ()>>(body: impl FnOnce(String) -> F) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    run(body(format!("memory://test-{}", NEXT.fetch_add(1, Ordering::Relaxed))));
}

fn run(body: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime can be built").block_on(body);
}

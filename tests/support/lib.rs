//! What tests with real servers and real processes are made of.
//!
//! In reading order: [`Server`] is a Redis or a Valkey of the test's own, [`on_every_server!`] and [`on_every_store!`]
//! make one test body run on each kind, [`Pair`] is a server with a replica, [`Worker`] is a second process, [`Proxy`]
//! is a network that misbehaves on command, [`Ledger`] finds two that were inside at once without trusting the lock,
//! [`Steps`] is a body that knows when it last ran, and [`spawn_polled`] makes it certain who came first.
//!
//! What must stay true: nothing started here outlives the test process, however it ends, and everything listens on
//! the loopback address alone. A harness that is in trouble panics, since that is how a test fails.
//! Deliberately absent: anything of the lock library, so that no bug of it can hide itself here.

#![allow(clippy::missing_panics_doc, clippy::missing_errors_doc)]

mod ask;
mod kind;
mod ledger;
mod on_every;
mod pair;
mod polled;
mod port;
mod process;
mod proxy;
mod question;
mod rights;
mod server;
mod steps;
mod temporary;
mod tls;
mod worker;

#[doc(hidden)]
pub use on_every::{on_memory, on_server, on_store};

pub use kind::Kind;
pub use ledger::{Findings, Inside, Ledger, OutOfOrder, Overlap, Visitor};
pub use pair::Pair;
pub use polled::spawn_polled;
pub use proxy::{Counts, Proxy};
pub use rights::RIGHTS;
pub use server::{Builder, Server};
pub use steps::Steps;
pub use temporary::TemporaryDir;
pub use worker::Worker;

//! The harness bites: each piece of the support library is shown to find, or to do, what tests rely on it for.

mod ledger;
mod pair;
mod proxy;
mod server;
mod worker;

//! `rediss://` leaves the program's cryptography alone, which is one for the whole process: hence a binary of its own,
//! with one test, in whose course it is chosen.
//!
//! Its build lets rustls choose no default by itself, as in a program with two providers: `ClientConfig::builder()`
//! panics until one is installed.

#[cfg(all(feature = "tls-no-provider", not(feature = "tls")))]
mod chosen;
#[cfg(feature = "tls")]
mod ours;
#[cfg(any(feature = "tls", feature = "tls-no-provider"))]
mod program;

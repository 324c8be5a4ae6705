//! Proof by trying to break it: programs that run fleets for minutes and judge what they saw.
//!
//! `campaign` is real servers, real processes, a nemesis, and a ledger outside Redis. Deliberately absent: tests of
//! single promises, which `lock-tests` has.

pub mod campaign;

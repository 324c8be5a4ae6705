//! Any text is a duration that reads back, or is refused in words.
//!
//! The file of the macro crate stands here as it is, since a macro crate offers nothing but its macros.

#![no_main]

#[path = "../../lock-macros/src/duration.rs"]
mod duration;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match duration::parse(text) {
        Ok(read) => assert_eq!(duration::parse(&duration::written(read)), Ok(read)),
        Err(fault) => assert!(fault.contains(text)),
    }
});

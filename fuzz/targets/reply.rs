//! Whatever a server writes is read as what it says, or is an error.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| lock_runtime::read_any_reply(bytes));

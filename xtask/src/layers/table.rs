//! The layers of each crate, lowest first, and what else is declared rather than found.
//!
//! Deliberately absent: how it is checked.

/// The layers of one folder of sources: the files and folders in it, one row a layer. A file uses what is in its own
/// file or folder and in the rows before, but nothing that stands beside it in a row. All but `lib.rs` has a row; a
/// name that nothing bears yet does no harm.
pub(crate) struct Layers {
    pub(crate) folder: &'static str,
    pub(crate) rows: &'static [&'static [&'static str]],
}

pub(crate) const LAYERS: [Layers; 2] = [
    Layers { folder: "lock-core/src", rows: &[&["planted"], &["store"], &["lease"], &["key"], &["walk"], &["client"]] },
    Layers {
        folder: "lock-runtime/src",
        rows: &[&["system"], &["store"], &["engine"], &["api"], &["private", "conformance", "guide"]],
    },
];

/// How many lines a file may have, with its tests.
pub(crate) const LONGEST: usize = 500;

/// Where each type has its methods in one file.
pub(crate) const ONE_IMPL: &str = "lock-core/src";

/// Where a file may add to a type that is defined below it, by what that offers.
pub(crate) const EXTENSIONS: &str = "lock-runtime/src/api";

/// Where the redis crate may be named, and what that is a part of.
pub(crate) const SPEAK_REDIS: [&str; 2] = ["lock-runtime/src/store/redis", "lock-runtime/src/api/redis.rs"];
pub(crate) const KNOWS_NO_REDIS: &str = "lock-runtime/src";

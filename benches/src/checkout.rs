//! The checkout that is measured, and into which the report is written.

use std::path::PathBuf;

/// The root of the workspace that cargo runs us for; without cargo, of the one that we were built in.
pub(crate) fn root() -> PathBuf {
    let built_in = || env!("CARGO_MANIFEST_DIR").into();
    let manifest = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(built_in));
    manifest.parent().map_or_else(|| manifest.clone(), PathBuf::from)
}

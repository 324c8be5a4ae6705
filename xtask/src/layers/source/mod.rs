//! Rust as text, read as far as it matters who uses whom: modules, names, paths, methods.

mod cfg;
pub(crate) mod impls;
pub(crate) mod imports;
mod items;
pub(crate) mod mentions;
pub(crate) mod packages;
pub(crate) mod read;
pub(crate) mod resolve;
mod tokens;
pub(crate) mod tree;

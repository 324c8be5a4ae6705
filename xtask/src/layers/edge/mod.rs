//! Which file uses which, and where such uses go in a circle.

pub(crate) mod circles;
mod common;
pub(crate) mod uses;

//! `cargo xtask layers`: that the code has the shape that ARCHITECTURE.md draws.
//!
//! `table` declares the layers, `source` reads the code, `edge` is which file uses which, `rule` what must hold, and
//! `verdict` tells. Deliberately absent: exceptions. What breaks a rule is moved, not listed.

mod edge;
mod finding;
mod rule;
#[cfg(test)]
mod sample;
mod source;
mod table;
mod verdict;

pub(crate) use verdict::layers;

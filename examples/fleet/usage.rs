//! What is said to those who start it otherwise.

pub(crate) const USAGE: &str = "usage: fleet [--processes 1..64] [--jobs N] [redis://host:port]";

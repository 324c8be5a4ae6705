//! How the example is called.

pub(crate) const USAGE: &str = "usage: leader [URL]";

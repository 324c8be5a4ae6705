//! What must hold, one rule a file.

pub(crate) mod circle;
pub(crate) mod impls;
pub(crate) mod length;
pub(crate) mod redis;
pub(crate) mod upward;

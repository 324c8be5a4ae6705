//! How much is measured.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    Full,
    /// To see that everything works.
    Short,
}

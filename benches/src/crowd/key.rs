//! What the keys are called.

/// What a key is called in the server.
pub(super) fn key(number: usize) -> String {
    format!("job:{number}")
}

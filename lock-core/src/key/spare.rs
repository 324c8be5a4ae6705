//! Reusable boxes: transient stages live in one, so that a held lease stays small, and taking one from here allocates
//! nothing.

/// How many are kept.
const MOST: usize = 64;

#[derive(Debug)]
pub(super) struct Spare<T>(Vec<Box<T>>);

impl<T> Default for Spare<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Spare<T> {
    #[expect(clippy::unnecessary_box_returns, reason = "the box is what is spared")]
    pub(super) fn put_into(&mut self, value: T) -> Box<T> {
        match self.0.pop() {
            Some(mut spare) => {
                *spare = value;
                spare
            }
            None => Box::new(value),
        }
    }

    /// A kept value as it was left, or a new one.
    #[expect(clippy::unnecessary_box_returns, reason = "the box is what is spared")]
    pub(super) fn take(&mut self) -> Box<T>
    where
        T: Default,
    {
        self.0.pop().unwrap_or_default()
    }

    pub(super) fn keep(&mut self, used: Box<T>) {
        if self.0.len() < MOST {
            self.0.push(used);
        }
    }
}

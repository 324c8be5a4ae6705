//! What is not known: asks of one token that had no answer, and may yet take effect.

use super::SessionId;

/// Where such asks are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    Nowhere,
    /// All on this line: a release that is answered behind them there is final.
    On(SessionId),
    /// On more lines than one, or on one that is gone: a release is followed by another one later.
    Somewhere,
}

impl Doubt {
    /// One more ask had no answer.
    pub(super) fn and(self, line: Option<SessionId>) -> Self {
        match (self, line) {
            (doubt, None) => doubt,
            (Self::Nowhere, Some(line)) => Self::On(line),
            (Self::On(known), Some(line)) if known == line => self,
            _ => Self::Somewhere,
        }
    }

    /// The line to release on.
    pub(super) fn line(self) -> Option<SessionId> {
        match self {
            Self::On(line) => Some(line),
            Self::Nowhere | Self::Somewhere => None,
        }
    }

    /// Whether a release that was answered on that line settles it.
    pub(super) fn is_settled_by(self, via: Option<SessionId>) -> bool {
        match self {
            Self::Nowhere => true,
            Self::On(line) => via == Some(line),
            Self::Somewhere => false,
        }
    }

    /// The line to release on is in trouble.
    pub(super) fn without_line(self) -> Self {
        match self {
            Self::Nowhere => Self::Nowhere,
            Self::On(_) | Self::Somewhere => Self::Somewhere,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_settles_only_what_is_all_on_its_line() {
        let (one, other) = (Some(SessionId(1)), Some(SessionId(2)));
        assert!(Doubt::Nowhere.is_settled_by(one));
        assert!(Doubt::Nowhere.and(one).and(one).is_settled_by(one));
        assert!(!Doubt::Nowhere.and(one).is_settled_by(other));
        assert!(!Doubt::Nowhere.and(one).and(other).is_settled_by(other));
        assert!(!Doubt::Nowhere.and(one).without_line().is_settled_by(one));
    }
}

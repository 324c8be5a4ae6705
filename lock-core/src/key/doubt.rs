//! Requests for one token that had no answer and may still take effect.

use super::ids::SessionId;

/// Where those requests are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Doubt {
    Nowhere,
    /// All on this session: a release that is answered behind them there is final.
    On(SessionId),
    /// On several sessions, or on one that is gone: the release has to be repeated later.
    Somewhere,
}

impl Doubt {
    /// Another request had no answer.
    pub(super) fn and(self, session: Option<SessionId>) -> Self {
        match (self, session) {
            (doubt, None) => doubt,
            (Self::Nowhere, Some(session)) => Self::On(session),
            (Self::On(known), Some(session)) if known == session => self,
            _ => Self::Somewhere,
        }
    }

    /// The session to send the release over.
    pub(super) fn session(self) -> Option<SessionId> {
        match self {
            Self::On(session) => Some(session),
            Self::Nowhere | Self::Somewhere => None,
        }
    }

    /// Whether a release that was answered over `via` settles them all.
    pub(super) fn is_settled_by(self, via: Option<SessionId>) -> bool {
        match self {
            Self::Nowhere => true,
            Self::On(session) => via == Some(session),
            Self::Somewhere => false,
        }
    }

    /// The session to release on failed.
    pub(super) fn without_session(self) -> Self {
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
    fn a_release_settles_only_what_is_all_on_its_session() {
        let (one, other) = (Some(SessionId(1)), Some(SessionId(2)));
        assert!(Doubt::Nowhere.is_settled_by(one));
        assert!(Doubt::Nowhere.and(one).and(one).is_settled_by(one));
        assert!(!Doubt::Nowhere.and(one).is_settled_by(other));
        assert!(!Doubt::Nowhere.and(one).and(other).is_settled_by(other));
        assert!(!Doubt::Nowhere.and(one).without_session().is_settled_by(one));
    }
}

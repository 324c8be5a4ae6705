//! What is asked for: an exclusive lock, a shared one, or a permit; and which of them a waiter asks for in turn.
//!
//! Pure. What must stay true: who finds room beside whom is decided here anew, and nothing of it is the library's.

use std::fmt;

/// One of so many holds of a waiter is a writer's, where most are readers'.
const READERS_AND_WRITERS: usize = 10;

/// What one hold is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Exclusive,
    Shared,
    /// One of so many.
    Permit(usize),
}

/// What the holds of a waiter are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mix {
    All(Kind),
    /// One hold in ten is exclusive, the others are shared.
    NineReadOneWrites,
}

impl Kind {
    /// Whether one of this kind may hold beside these.
    pub(crate) fn has_room(self, inside: impl ExactSizeIterator<Item = Self>) -> bool {
        let count = inside.len();
        let mut inside = inside;
        match self {
            Self::Exclusive => count == 0,
            Self::Shared => inside.all(|other| other == Self::Shared),
            Self::Permit(most) => count < most && inside.all(|other| matches!(other, Self::Permit(_))),
        }
    }

    /// From the text that `Display` makes of it.
    pub(crate) fn of_text(text: &str) -> Option<Self> {
        match text {
            "exclusive" => Some(Self::Exclusive),
            "shared" => Some(Self::Shared),
            _ => Some(Self::Permit(text.strip_prefix("permit-of-")?.parse().ok()?)),
        }
    }
}

impl Mix {
    /// The kind of a waiter's hold. Each waiter begins at a place of its own, so that not all write at once.
    pub(crate) fn kind(self, place: usize, hold: usize) -> Kind {
        match self {
            Self::All(kind) => kind,
            Self::NineReadOneWrites if (place + hold).is_multiple_of(READERS_AND_WRITERS) => Kind::Exclusive,
            Self::NineReadOneWrites => Kind::Shared,
        }
    }

    /// From the text that `Display` makes of it.
    pub(crate) fn of_text(text: &str) -> Option<Self> {
        if text == NINE_TO_ONE { Some(Self::NineReadOneWrites) } else { Kind::of_text(text).map(Self::All) }
    }
}

const NINE_TO_ONE: &str = "9-read-1-writes";

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exclusive => f.write_str("exclusive"),
            Self::Shared => f.write_str("shared"),
            Self::Permit(most) => write!(f, "permit-of-{most}"),
        }
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(kind) => kind.fmt(f),
            Self::NineReadOneWrites => f.write_str(NINE_TO_ONE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_exclude_each_other_and_permits_are_counted() {
        use Kind::{Exclusive, Permit, Shared};
        let has_room = |kind: Kind, inside: &[Kind]| kind.has_room(inside.iter().copied());
        for kind in [Exclusive, Shared, Permit(1)] {
            assert!(has_room(kind, &[]));
            assert!(!has_room(kind, &[Exclusive]) && !has_room(Exclusive, &[kind]));
        }
        assert!(has_room(Shared, &[Shared; 100]) && !has_room(Shared, &[Shared, Permit(9)]));
        assert!(has_room(Permit(5), &[Permit(5); 4]) && !has_room(Permit(5), &[Permit(5); 5]));
        assert!(!has_room(Permit(5), &[Shared]));
    }

    #[test]
    fn one_hold_in_ten_is_a_writers_whoever_begins_where() {
        for place in 0..40 {
            let writes = (0..1000).filter(|&hold| Mix::NineReadOneWrites.kind(place, hold) == Kind::Exclusive);
            assert_eq!(writes.count(), 100);
        }
        assert_ne!(Mix::NineReadOneWrites.kind(0, 0), Mix::NineReadOneWrites.kind(1, 0));
    }

    #[test]
    fn a_mix_survives_a_command_line() {
        let kinds = [Kind::Exclusive, Kind::Shared, Kind::Permit(5)];
        for mix in kinds.map(Mix::All).into_iter().chain([Mix::NineReadOneWrites]) {
            assert_eq!(Mix::of_text(&mix.to_string()), Some(mix));
        }
        assert_eq!((Mix::of_text("permit-of-x"), Kind::of_text(NINE_TO_ONE)), (None, None));
    }
}

//! The ways to take a lock, and what each asks for.

use lock_core::store::Kind;

use crate::chance::Chance;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    AttributeThatWaits,
    AttributeThatDoesNot,
    AttributeThatSkips,
    AttributeWithMaxHold,
    AttributeThatShares,
    AttributeWithPermits,
    AttributeForTwo,
    RunThatWaitsForever,
    RunThatDoesNotWait,
    RunThatDoesNotRenew,
    /// The key outlasts a short body.
    RunThatKeeps,
    RunForSeveral,
    GuardThatIsReleased,
    GuardThatIsDropped,
    /// Twice at once.
    GuardThatRenewsByHand,
    SetThatIsReleased,
    SetThatIsDropped,
}

const FORMS: [Form; 17] = [
    Form::AttributeThatWaits,
    Form::AttributeThatDoesNot,
    Form::AttributeThatSkips,
    Form::AttributeWithMaxHold,
    Form::AttributeThatShares,
    Form::AttributeWithPermits,
    Form::AttributeForTwo,
    Form::RunThatWaitsForever,
    Form::RunThatDoesNotWait,
    Form::RunThatDoesNotRenew,
    Form::RunThatKeeps,
    Form::RunForSeveral,
    Form::GuardThatIsReleased,
    Form::GuardThatIsDropped,
    Form::GuardThatRenewsByHand,
    Form::SetThatIsReleased,
    Form::SetThatIsDropped,
];
/// How many permits there are: half of a fleet was deployed with another number than the other half.
const PERMITS: [Kind; 3] = [Kind::permits(2), Kind::permits(3), Kind::permits(3).with_weight(2)];

impl Form {
    pub(super) fn draw(chance: &mut Chance) -> Self {
        chance.one_of(&FORMS)
    }

    /// Beside whom it wants to hold.
    pub(super) fn kind(self, chance: &mut Chance) -> Kind {
        match self {
            Self::AttributeThatWaits
            | Self::AttributeThatDoesNot
            | Self::AttributeThatSkips
            | Self::AttributeWithMaxHold
            | Self::AttributeForTwo => Kind::Exclusive,
            Self::AttributeThatShares => Kind::Shared,
            Self::AttributeWithPermits => chance.one_of(&PERMITS),
            _ => match chance.below(100) {
                0..50 => Kind::Exclusive,
                50..75 => Kind::Shared,
                _ => chance.one_of(&PERMITS),
            },
        }
    }

    /// What it locks beside this one of so many keys, in any order.
    pub(super) fn keys(self, key: u64, all: u64, chance: &mut Chance) -> Vec<u64> {
        let count = match self {
            Self::AttributeForTwo => 2,
            Self::RunForSeveral | Self::SetThatIsReleased | Self::SetThatIsDropped => 2 + chance.below(2),
            _ => 1,
        };
        let step = 1 + chance.below(2);
        (0..count).map(|place| (key + place * step) % all).collect()
    }
}

//! Those who hold one key: one of them, or a set beside each other.
//!
//! What must stay true: all are of one group, each has an expiry of its own, and who has expired is nobody, also while
//! others hold on. Absent on purpose: the queue, and fences.

use crate::planted::{Mutant, planted};
use crate::store::{Holding, Kind, Moment, Names, Owner, Token};

/// Who has a place that was released and is kept: no token that a client draws.
const NOBODY: Token = Token::from_bits(0);

/// All who hold one key, in order of expiry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Holders {
    group: Group,
    first: Holder,
    /// Empty, and without an allocation, unless there are several.
    beside: Vec<Holder>,
}

/// Who may hold beside each other, but for how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Group {
    Exclusive,
    Shared,
    Permits,
    /// Nobody at all: what was to be done is done.
    Done,
}

/// One of them. In order of expiry; the order of tokens is theirs whatever they are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Holder {
    expiry: Moment,
    /// Nobody's, if it was released and its place is kept for a while.
    token: Token,
    weight: u32,
}

impl Group {
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Exclusive => Self::Exclusive,
            Kind::Shared => Self::Shared,
            Kind::Permits { .. } => Self::Permits,
        }
    }

    /// As far as a holder says it: how many permits there are, each who asks brings along.
    fn kind(self, weight: u32) -> Kind {
        match self {
            Self::Exclusive | Self::Done => Kind::Exclusive,
            Self::Shared => Kind::Shared,
            Self::Permits => Kind::permits(0).with_weight(weight),
        }
    }
}

impl Holders {
    /// One who holds a key that nobody held.
    pub(super) fn one(token: Token, kind: Kind, expiry: Moment) -> Self {
        let first = Holder { expiry, token, weight: kind.weight() };
        Self { group: Group::of(kind), first, beside: Vec::new() }
    }

    /// One more beside them, who has found room; instead of them, if that could not be.
    pub(super) fn and(self, token: Token, kind: Kind, expiry: Moment) -> Self {
        let mut one = Self::one(token, kind, expiry);
        if self.group == one.group && self.are_a_set() {
            one.beside.push(self.first);
            one.beside.extend(self.beside);
            one.sort();
        }
        one
    }

    /// Whether one of this kind may hold beside them.
    pub(super) fn have_room_for(&self, now: Moment, kind: Kind) -> bool {
        match kind {
            Kind::Exclusive => false,
            Kind::Shared => self.group == Group::Shared,
            Kind::Permits { most, weight } => {
                let counts = |holder: &&Holder| now < holder.expiry || planted(Mutant::CountWithoutPurge);
                let taken: u64 = self.all().filter(counts).map(|holder| u64::from(holder.weight)).sum();
                self.group == Group::Permits && taken + u64::from(weight) <= u64::from(most)
            }
        }
    }

    /// Whether others might hold beside them.
    pub(super) fn are_a_set(&self) -> bool {
        matches!(self.group, Group::Shared | Group::Permits)
    }

    /// When this token's lease ends, if it holds.
    pub(super) fn expiry_of(&self, now: Moment, token: Token) -> Option<Moment> {
        self.all().find(|holder| holder.is(now, token)).map(|holder| holder.expiry)
    }

    /// When the last of them has expired.
    pub(super) fn expiry(&self) -> Moment {
        self.all().map(|holder| holder.expiry).max().unwrap_or(self.first.expiry)
    }

    /// When one of this kind may have it, if nothing is renewed or released: when the first place of a set of permits
    /// is free, for one who wants a permit; else when the last of them has expired.
    pub(super) fn held_until(&self, now: Moment, kind: Kind) -> Moment {
        let living = || self.all().map(|holder| holder.expiry).filter(|expiry| now < *expiry);
        match self.group {
            Group::Permits if Group::of(kind) == Group::Permits => living().min(),
            _ => living().max(),
        }
        .unwrap_or_else(|| self.expiry())
    }

    /// This token's lease ends then.
    pub(super) fn set_expiry(&mut self, now: Moment, token: Token, expiry: Moment) {
        self.change(now, token, |holder| holder.expiry = expiry);
    }

    /// This token's place is kept until then, and the token holds nothing.
    pub(super) fn keep_until(&mut self, now: Moment, token: Token, expiry: Moment) {
        let nobody = if planted(Mutant::KeptByItsToken) { token } else { NOBODY };
        self.change(now, token, |holder| (holder.expiry, holder.token) = (expiry, nobody));
    }

    /// What the one of them who holds exclusively was to do is done, and nobody holds until then.
    pub(super) fn done_until(self, expiry: Moment) -> Self {
        let group = if planted(Mutant::DoneForgotten) { self.group } else { Group::Done };
        Self { group, first: Holder { expiry, token: NOBODY, weight: 1 }, beside: Vec::new() }
    }

    /// Whether what was to be done is done.
    pub(super) fn are_done(&self) -> bool {
        self.group == Group::Done
    }

    /// Whether they hold shared, or might: a permit is neither less nor more than that.
    pub(super) fn may_be_shared(&self) -> bool {
        self.group != Group::Permits
    }

    /// The same, who hold shared from now on.
    pub(super) fn shared(self) -> Self {
        Self { group: Group::Shared, ..self }
    }

    /// Without this token, and without those who have expired; none if nobody is left.
    pub(super) fn without(self, now: Moment, token: Token) -> Option<Self> {
        let counts = |holder: &Holder| now < holder.expiry || planted(Mutant::CountWithoutPurge);
        let mut left = self.all().copied().filter(|holder| !holder.is(now, token) && counts(holder));
        let first = left.next()?;
        let beside = left.collect();
        Some(Self { group: self.group, first, beside })
    }

    /// Those who hold, as an inspection tells of them.
    pub(super) fn inspect(&self, now: Moment) -> impl Iterator<Item = Holding> {
        self.living(now).map(move |holder| {
            let owner = match holder.token {
                _ if self.are_done() => Owner::Done(None),
                NOBODY => Owner::Kept(None),
                token => Owner::Token(token),
            };
            Holding::new(owner, Some(holder.expiry.since(now))).with_kind(self.group.kind(holder.weight))
        })
    }

    /// Who holds, [`NOBODY`] where a place is kept, and when that ends.
    pub(super) fn tokens(&self, now: Moment) -> impl Iterator<Item = (Token, Moment)> {
        self.living(now).map(|holder| (holder.token, holder.expiry))
    }

    /// Shows its names. Whoever replaces them keeps their order.
    pub(super) fn show_names(&mut self, names: &mut impl Names) {
        for holder in std::iter::once(&mut self.first).chain(&mut self.beside) {
            if holder.token != NOBODY {
                names.token(&mut holder.token);
            }
            names.moment(&mut holder.expiry);
        }
    }

    fn all(&self) -> impl Iterator<Item = &Holder> {
        std::iter::once(&self.first).chain(&self.beside)
    }

    fn living(&self, now: Moment) -> impl Iterator<Item = &Holder> {
        self.all().filter(move |holder| now < holder.expiry)
    }

    fn change(&mut self, now: Moment, token: Token, change: impl FnOnce(&mut Holder)) {
        let mut all = std::iter::once(&mut self.first).chain(&mut self.beside);
        if let Some(holder) = all.find(|holder| holder.is(now, token)) {
            change(holder);
        }
        self.sort();
    }

    fn sort(&mut self) {
        if !self.beside.is_empty() {
            self.beside.push(self.first);
            self.beside.sort_unstable();
            self.first = self.beside.remove(0);
        }
    }
}

impl Holder {
    fn is(&self, now: Moment, token: Token) -> bool {
        self.token == token && token != NOBODY && now < self.expiry
    }
}

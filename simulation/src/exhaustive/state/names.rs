//! The normal form of names: first all of them are collected, then each is replaced by its rank.
//!
//! States that differ in their names alone go on in the same way, so one of them is seen for all. Must stay true: names
//! keep their order, moments their distances, and fences so much of theirs that no block overlaps the next.

use std::collections::{BTreeMap, BTreeSet};

use lock_core::Moment;
use lock_core::key::{CallNames, Number};
use lock_core::store::{Names, Token};

/// Fences that are this far apart or farther are no part of one block.
const LONGEST_BLOCK: u64 = 33;
/// How far tokens are apart: a call that starts over uses the next few.
pub(crate) const TOKENS_APART: u128 = 256;

/// All names of a state. Each client has numbers of its own; those of packets are the network's.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    pub(crate) tokens: BTreeSet<u128>,
    fences: BTreeSet<u64>,
    numbers: BTreeMap<usize, BTreeSet<u64>>,
    /// Whose numbers come next.
    of: usize,
}

/// Shows a state's names to whoever visits it, and whose they are.
pub(crate) trait StateNames: CallNames {
    /// The numbers that follow are of this client, or the network's.
    fn numbers_of(&mut self, whom: usize);
}

impl Names for Collected {
    fn token(&mut self, token: &mut Token) {
        self.tokens.insert(token.bits());
    }

    fn fence(&mut self, fence: &mut u64) {
        self.fences.insert(*fence);
    }

    fn moment(&mut self, _: &mut Moment) {}

    fn clock(&mut self, _: &mut u64) {}
}

impl CallNames for Collected {
    fn number(&mut self, number: &mut Number) {
        self.numbers.entry(self.of).or_default().insert(number.0);
    }

    fn told(&mut self, _: &mut Moment) {}
}

impl StateNames for Collected {
    fn numbers_of(&mut self, whom: usize) {
        self.of = whom;
    }
}

/// Replaces the names that were collected.
#[derive(Debug)]
pub(crate) struct Ranked {
    tokens: Vec<u128>,
    fences: BTreeMap<u64, u64>,
    numbers: BTreeMap<usize, Vec<u64>>,
    of: usize,
    now: Moment,
    /// What it is called.
    today: Moment,
}

impl Ranked {
    pub(crate) fn new(collected: Collected, now: Moment, today: Moment) -> Self {
        // The lowest fence counts as none at all.
        let (mut fences, mut last) = (BTreeMap::new(), (collected.fences.first().copied().unwrap_or(0), 0));
        for fence in collected.fences {
            last = (fence, last.1 + (fence - last.0).min(LONGEST_BLOCK));
            fences.insert(fence, last.1);
        }
        let numbers = collected.numbers.into_iter().map(|(of, numbers)| (of, numbers.into_iter().collect()));
        Self { tokens: collected.tokens.into_iter().collect(), fences, numbers: numbers.collect(), of: 0, now, today }
    }

    /// The last number of this client.
    pub(crate) fn last_number(&self, whom: usize) -> u64 {
        self.numbers.get(&whom).map_or(0, |numbers| rank(numbers.len()))
    }

    /// The last token.
    pub(crate) fn last_token(&self) -> Token {
        token(self.tokens.len())
    }
}

fn token(rank: usize) -> Token {
    Token::from_bits((rank as u128) * TOKENS_APART)
}

fn rank(at: usize) -> u64 {
    u64::try_from(at).unwrap_or(u64::MAX)
}

impl Names for Ranked {
    fn token(&mut self, name: &mut Token) {
        let at = self.tokens.binary_search(&name.bits()).expect("it was collected");
        *name = token(at + 1);
    }

    fn fence(&mut self, fence: &mut u64) {
        *fence = self.fences[fence];
    }

    fn moment(&mut self, moment: &mut Moment) {
        // The first and the last of all are no points in time.
        if *moment != Moment::MIN && *moment != Moment::MAX {
            *moment = self.today + moment.since(self.now) - self.now.since(*moment);
        }
    }

    fn clock(&mut self, clock: &mut u64) {
        *clock = *clock + self.today.nanos() / 1_000 - self.now.nanos() / 1_000;
    }
}

impl CallNames for Ranked {
    fn number(&mut self, number: &mut Number) {
        let at = self.numbers[&self.of].binary_search(&number.0).expect("it was collected");
        number.0 = rank(at + 1);
    }

    fn told(&mut self, moment: &mut Moment) {
        *moment = self.today;
    }
}

impl StateNames for Ranked {
    fn numbers_of(&mut self, whom: usize) {
        self.of = whom;
    }
}

/// Shows the moments of a walk, which it tells its caller and decides nothing by.
#[derive(Debug)]
pub(crate) struct Told<'a, N>(pub(crate) &'a mut N);

impl<N: StateNames> Names for Told<'_, N> {
    fn token(&mut self, token: &mut Token) {
        self.0.token(token);
    }

    fn fence(&mut self, fence: &mut u64) {
        self.0.fence(fence);
    }

    fn moment(&mut self, moment: &mut Moment) {
        self.0.told(moment);
    }

    fn clock(&mut self, clock: &mut u64) {
        self.0.clock(clock);
    }
}

impl<N: StateNames> CallNames for Told<'_, N> {
    fn number(&mut self, number: &mut Number) {
        self.0.number(number);
    }

    fn told(&mut self, moment: &mut Moment) {
        self.0.told(moment);
    }
}

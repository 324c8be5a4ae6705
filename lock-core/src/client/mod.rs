//! What decides: every lease, its renewals, the waiters of each key, and the releases that have yet to reach the store.
//!
//! A [`Core`] is a value. It is told what happened and when, and answers with what to do: a [`Step`] to the task that
//! asked, [`Action`]s for whoever holds the core, [`Job`]s for the keeper. One [`Ticket`] stands for one acquire, from
//! its arrival until the store has confirmed its release.
//! Must stay true: at most one ticket of a key stands at the store (the line's *occupant*); a token is used for one
//! grant, which may pass through several hands of this process; a ticket is filed no later than the next moment at which
//! the clock concerns it, before anybody asks for that.
//! Absent on purpose: clocks, sockets, tasks, randomness.

mod agenda;
mod asking;
mod closing;
mod contended;
mod doubt;
mod first_lease;
mod hand_over;
mod holding;
mod inspect;
pub mod lease;
mod leaving;
mod line;
mod looking;
mod looks;
mod manual;
mod messages;
mod release;
mod releasing;
mod renewal;
mod slab;
mod spare;
#[cfg(test)]
mod tests;
mod waiting;

use std::collections::BTreeSet;
use std::time::Duration;

use foldhash::{HashMap, HashMapExt as _};

use crate::store::LockKey;
use crate::store::Moment;
use crate::store::{StoreError, Token};

use agenda::Agenda;
pub use closing::Closed;
use contended::Contended;
use doubt::Doubt;
use first_lease::FirstLease;
use lease::Held;
use line::Line;
use looks::Looks;
pub use manual::{ByHandStep, ManualRenewalId};
pub use messages::{Action, Given, Giving, Job, Refusal, SessionId, Settings, Step, Tally, Terms, TicketId, Via, Wait};
pub use release::ReleaseStep;
use releasing::Releasing;
use renewal::Rhythm;
use slab::Slab;
use spare::Spare;
use waiting::Waiting;
pub use waiting::no_answer;

/// How many tickets the keeper looks at before others may: while it does, every task of the client has to wait.
const MOST_AT_ONCE: usize = 512;

#[derive(Debug)]
struct Ticket<S> {
    key: LockKey,
    token: Token,
    /// None if no task of ours asked for it.
    seat: Option<S>,
    stage: Stage,
    /// Whether it is found by its token.
    known: bool,
}

/// Boxed is what is so for a short time only: leases are small, and may be very many.
#[derive(Debug)]
enum Stage {
    Waiting(Box<Waiting>),
    Held(Held),
    Releasing(Box<Releasing>),
}

impl<S> Ticket<S> {
    fn due(&self) -> Moment {
        match &self.stage {
            Stage::Waiting(waiting) => waiting.due(),
            Stage::Held(held) => held.due(),
            Stage::Releasing(releasing) => releasing.due(),
        }
    }
}

/// See the module. `S` is cheap to clone, and dropping one runs no foreign code.
#[derive(Debug)]
pub struct Core<S> {
    settings: Settings,
    tickets: Slab<Ticket<S>>,
    /// Those that the store may speak of by their token: queued there, or handed on while they were renewed.
    by_token: HashMap<Token, TicketId>,
    lines: HashMap<LockKey, Line>,
    agenda: Agenda,
    /// Those that may have to be filed anew.
    touched: Vec<TicketId>,
    /// How many acquires came.
    arrivals: u64,
    /// How many renewals by hand were asked for.
    manual_renewals: u64,
    spare_waiting: Spare<Waiting>,
    spare_releasing: Spare<Releasing>,
    actions: Vec<Action<S>>,
    /// How many leases are held, and how many tickets wait or have yet to hear that they were refused.
    held: usize,
    waiting: usize,
    /// How many of those stand in the store's queues, or may.
    queued: usize,
    /// How many grants are being given back that nobody waited for.
    handed_back: usize,
    /// How many releases are over, and their tasks have yet to hear.
    settled: usize,
    /// The keeper's line; while it has none, tickets that need it are parked.
    keeper: Option<SessionId>,
    /// Whether the store tells of grants over it.
    listening: bool,
    contended: Contended,
    first_lease: FirstLease,
    looks: Looks,
    tally: Tally,
    /// Why it has none, as far as is known.
    outage: Option<StoreError>,
    parked: BTreeSet<TicketId>,
    closing: Option<closing::Closing<S>>,
}

impl<S: Clone> Core<S> {
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            tickets: Slab::default(),
            by_token: HashMap::new(),
            lines: HashMap::new(),
            agenda: Agenda::default(),
            touched: Vec::new(),
            arrivals: 0,
            manual_renewals: 0,
            spare_waiting: Spare::default(),
            spare_releasing: Spare::default(),
            actions: Vec::new(),
            held: 0,
            waiting: 0,
            queued: 0,
            handed_back: 0,
            settled: 0,
            keeper: None,
            listening: false,
            contended: Contended::default(),
            first_lease: FirstLease::default(),
            looks: Looks::default(),
            tally: Tally::default(),
            outage: None,
            parked: BTreeSet::new(),
            closing: None,
        }
    }

    /// What came of the calls since the last time; empty, and then without cost, when nothing is contended.
    pub fn take_actions(&mut self) -> Vec<Action<S>> {
        std::mem::take(&mut self.actions)
    }

    /// When the clock concerns this core next.
    pub fn next_due(&mut self) -> Moment {
        self.settle();
        while let Some((at, place)) = self.agenda.first() {
            let due = self.due_at(place);
            if due == at {
                break;
            }
            self.agenda.file(place, due);
        }
        self.soonest()
    }

    /// The same or a moment before that, at less cost.
    pub fn soonest(&mut self) -> Moment {
        self.settle();
        let tickets = self.agenda.first().map_or(Moment::MAX, |(at, _)| at);
        tickets.min(self.looks.due()).min(self.closing.as_ref().map_or(Moment::MAX, closing::Closing::due))
    }

    /// What is due at `now`; if that is very much, a part of it, and the rest stays due.
    pub fn work(&mut self, now: Moment) -> Vec<Job> {
        self.settle();
        let mut jobs = Vec::new();
        let (mut from, mut looked_at) = (Moment::MIN, 0);
        while let Some(due) = self.agenda.first_from(from).filter(|_| looked_at < MOST_AT_ONCE) {
            let row = self.row(due, MOST_AT_ONCE - looked_at);
            looked_at += row.len();
            if due > now && !row.is_empty() && !row.iter().any(|&id| self.goes_along(now, id)) {
                break;
            }
            self.tick_row(now, due, row, &mut jobs);
            from = due + Duration::from_nanos(1);
        }
        self.serve_looks(now, &mut jobs);
        self.tick_closing(now);
        jobs
    }

    /// Who is due at this moment, in the order in which they came; at most so many of those that are filed there.
    /// Whoever is found too early is filed again.
    fn row(&mut self, at: Moment, most: usize) -> Vec<TicketId> {
        let places: Vec<u32> = self.agenda.row(at).take(most).collect();
        let mut row = Vec::with_capacity(places.len());
        for place in places {
            match self.due_at(place) {
                due if due == at => row.extend(self.tickets.at(place)),
                due => self.agenda.file(place, due),
            }
        }
        row.sort_unstable();
        row
    }

    /// When whoever is at this place is due.
    fn due_at(&self, place: u32) -> Moment {
        self.tickets.at(place).map_or(Moment::MAX, |id| self.due(id))
    }

    fn due(&self, id: TicketId) -> Moment {
        self.tickets.get(id).map_or(Moment::MAX, Ticket::due)
    }

    /// Each ticket once: one that stays due (a job that is sent at once) is looked at again in the next round. What is
    /// given back meanwhile is a new one.
    fn tick_row(&mut self, now: Moment, due: Moment, mut row: Vec<TicketId>, jobs: &mut Vec<Job>) {
        while !row.is_empty() {
            let newest = self.tickets.newest();
            for id in row {
                if self.due(id) == due && (due <= now || self.goes_along(now, id)) {
                    jobs.extend(self.tick(now, id));
                }
            }
            self.settle();
            row = if self.tickets.newest() == newest { Vec::new() } else { self.row(due, usize::MAX) };
            row.retain(|id| id.came_after(newest));
        }
    }

    fn tick(&mut self, now: Moment, id: TicketId) -> Option<Job> {
        match self.stage(id)? {
            Stage::Waiting(_) => self.tick_waiting(now, id),
            Stage::Held(_) => self.tick_held(now, id),
            Stage::Releasing(_) => self.tick_releasing(now, id),
        }
    }

    /// A renewal that is nearly due goes out with those that are.
    fn goes_along(&self, now: Moment, id: TicketId) -> bool {
        match self.stage(id) {
            Some(Stage::Held(held)) => {
                held.lost.is_none() && held.schedule.due() == held.due() && held.schedule.wants(now)
            }
            _ => false,
        }
    }

    /// The keeper has a session again, over which the store tells of grants or not: what waited for one is due, and
    /// who stands in line looks whether a grant was missed.
    pub fn connected(&mut self, now: Moment, line: SessionId, listening: bool) {
        self.keeper = Some(line);
        self.listening = listening;
        self.outage = None;
        self.look_again(now);
        for id in std::mem::take(&mut self.parked) {
            match self.stage_mut(id) {
                Some(Stage::Waiting(waiting)) => waiting.hurry(now),
                Some(Stage::Held(held)) => held.schedule.hurry(now),
                Some(Stage::Releasing(releasing)) => releasing.hurry(now),
                None => {}
            }
            self.file(id);
        }
    }

    /// The keeper's session is gone.
    pub fn disconnected(&mut self) {
        self.keeper = None;
    }

    /// The keeper could not open a session.
    pub fn out_of_reach(&mut self, error: StoreError) {
        self.outage = Some(error);
    }

    /// How the leases came that were waited for.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// How many leases are held.
    pub fn held(&self) -> usize {
        self.held
    }

    /// How many acquires are under way.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether nothing is left to do.
    pub fn is_idle(&self) -> bool {
        self.tickets.is_empty()
    }

    fn stage(&self, id: TicketId) -> Option<&Stage> {
        self.tickets.get(id).map(|ticket| &ticket.stage)
    }

    fn stage_mut(&mut self, id: TicketId) -> Option<&mut Stage> {
        self.tickets.get_mut(id).map(|ticket| &mut ticket.stage)
    }

    fn insert(&mut self, ticket: Ticket<S>) -> TicketId {
        let id = self.tickets.insert(ticket);
        self.file(id);
        id
    }

    fn remove(&mut self, id: TicketId) {
        self.forget_token(id);
        if !self.parked.is_empty() {
            self.parked.remove(&id);
        }
        match self.tickets.remove(id).map(|ticket| ticket.stage) {
            Some(Stage::Waiting(waiting)) => self.waits_no_more(waiting),
            Some(Stage::Releasing(releasing)) => {
                self.handed_back -= usize::from(releasing.is_handed_back());
                self.settled -= usize::from(releasing.is_over());
                self.spare_releasing.keep(releasing);
            }
            Some(Stage::Held(_)) | None => {}
        }
    }

    /// A ticket has stopped waiting.
    fn waits_no_more(&mut self, waiting: Box<Waiting>) {
        self.queued -= usize::from(waiting.entry.is_some());
        self.spare_waiting.keep(waiting);
    }

    /// From now on the ticket is found by its token.
    fn know(&mut self, id: TicketId) {
        if let Some(ticket) = self.tickets.get_mut(id) {
            ticket.known = true;
            self.by_token.insert(ticket.token, id);
        }
    }

    /// The ticket is no longer found by its token.
    fn forget_token(&mut self, id: TicketId) {
        if let Some(ticket) = self.tickets.get_mut(id)
            && std::mem::take(&mut ticket.known)
            && self.by_token.get(&ticket.token) == Some(&id)
        {
            self.by_token.remove(&ticket.token);
        }
    }

    /// The ticket may have another next moment now; to be called after every change of one.
    fn file(&mut self, id: TicketId) {
        if self.touched.last() != Some(&id) {
            self.touched.push(id);
        }
    }

    /// Files every ticket that was touched: once, however often it changed. Who is gone or put off is left, and found
    /// too early: most tickets are gone before the clock ever concerns them.
    fn settle(&mut self) {
        while let Some(id) = self.touched.pop() {
            self.agenda.file_no_later(id.place, self.due(id));
        }
    }

    /// Tickets that lie side by side are renewed together, and so is what lies beside them in memory: with very many of
    /// them, fetching that is most of what a renewal costs. Those of another page or another client have a rhythm of
    /// their own.
    fn rhythm(&self, id: TicketId) -> Rhythm {
        #[allow(clippy::cast_possible_truncation)] // half of an id is random enough
        let client = self.settings.listener.bits() as u64;
        Rhythm(client.wrapping_add(Slab::<Ticket<S>>::page(id) as u64))
    }

    fn wake(&mut self, id: TicketId) {
        if let Some(ticket) = self.tickets.get(id) {
            self.actions.extend(ticket.seat.clone().map(Action::Wake));
        }
    }
}

/// A part of `span` that differs from seed to seed and from step to step.
fn jitter(seed: u64, step: u32, span: Duration) -> Duration {
    // SplitMix64's finalizer (Steele, Lea, Flood 2014): well spread, and the same for the same input.
    let mut bits = seed ^ u64::from(step).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    #[allow(clippy::cast_precision_loss)] // a fraction needs no more than 53 bits
    span.mul_f64((bits >> 11) as f64 / (1u64 << 53) as f64)
}

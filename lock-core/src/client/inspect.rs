//! What the simulator sees of a core, beside what it is told.

use super::waiting::Phase;
use super::{Core, Stage, TicketId};
use crate::store::Token;

impl<S: Clone> Core<S> {
    /// The token under which a ticket stands at the store.
    pub fn token_of(&self, id: TicketId) -> Option<Token> {
        self.tickets.get(id).map(|ticket| ticket.token)
    }

    /// Whether a ticket was refused; its task may have yet to hear.
    pub fn has_refused(&self, id: TicketId) -> bool {
        matches!(self.stage(id), Some(Stage::Waiting(waiting)) if matches!(waiting.phase, Phase::Refused(_)))
    }

    /// Whether any ticket has this token.
    pub fn knows(&self, token: Token) -> bool {
        self.tickets.iter().any(|(_, ticket)| ticket.token == token)
    }

    /// What is still there of a core that has come to rest; nothing should be.
    pub fn residue(&mut self) -> Option<String> {
        // Who is filed too early is not left over.
        self.next_due();
        let is_empty = self.tickets.is_empty()
            && self.lines.is_empty()
            && self.by_token.is_empty()
            && self.agenda.is_empty()
            && self.parked.is_empty()
            && self.looks.is_empty()
            && [self.held, self.waiting, self.queued, self.handed_back, self.settled] == [0; 5];
        let Self { tickets, lines, by_token, agenda, parked, held, waiting, queued, handed_back, settled, .. } = self;
        (!is_empty).then(|| {
            let keys: Vec<String> = lines.keys().map(ToString::to_string).collect();
            format!(
                "{} tickets, lines of {keys:?}, {} known tokens, {} filed, {} parked, {held} held, {waiting} waiting, \
                 {queued} queued, {handed_back} handed back, {settled} settled",
                tickets.len(),
                by_token.len(),
                agenda.len(),
                parked.len()
            )
        })
    }
}

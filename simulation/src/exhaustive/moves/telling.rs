//! A history in words.

use std::time::Duration;

use super::moments::Party;
use super::steps::Step;
use crate::exhaustive::state::packet::{Coming, is_keepers};
use crate::exhaustive::state::world::World;
use crate::request::shown;

impl World {
    /// What a step from this state does.
    pub(crate) fn told(&self, step: Step) -> String {
        match step {
            Step::Arrives(task) => format!("call {task} comes"),
            Step::Polls(task) => format!("call {task} goes on"),
            Step::Ends(task) => format!("the body of call {task} returns"),
            Step::RenewsManually(task) => format!("the body of call {task} renews manually"),
            Step::Downgrades(task) => format!("the body of call {task} makes its lease a shared one"),
            Step::KeeperWorks(client) => format!("the keeper of client {client} does what is due"),
            Step::KeeperTimesOut(client, _) => format!("the keeper of client {client} had no answer in time"),
            Step::RequestArrives(link) => format!("{} arrives, {}", self.first_up(link), self.over(link)),
            Step::ReplyArrives(link) => format!("{} arrives, {}", self.first_down(link), self.over(link)),
            Step::TimePasses => "time passes".to_owned(),
            Step::Opens(link) => format!("a connection is opened, {}", self.over(link)),
            Step::LosesRequest(link) => format!("LOST: {}, {}", self.first_up(link), self.over(link)),
            Step::Fails(link, kind) => format!("{kind:?}: {}, {}", self.first_up(link), self.over(link)),
            Step::LosesReply(link) => format!("LOST: {}, {}", self.first_down(link), self.over(link)),
            Step::Stalls(Party::Process(client)) => format!("STALLED: the process of client {client}"),
            Step::Stalls(Party::Up(link)) => format!("STALLED: what goes to the store, {}", self.over(link)),
            Step::Stalls(Party::Down(link)) => format!("STALLED: what comes from the store, {}", self.over(link)),
            Step::IsDropped(task) => format!("DROPPED: call {task}"),
            Step::Crashes(client) => format!("KILLED: client {client}"),
            Step::Resets(link) => format!("RESET: the connection {}", self.over(link)),
        }
    }

    /// How long it takes.
    pub(crate) fn takes(&self, step: Step) -> Duration {
        let next = if step == Step::TimePasses { self.next_moment() } else { None };
        next.map_or(Duration::ZERO, |next| next.since(self.now))
    }

    fn over(&self, link: usize) -> String {
        let link = &self.links[link];
        let of = if is_keepers(link.session) { "keeper" } else { "tasks" };
        let which = if link.is_open { "" } else { ", which was closed" };
        format!("of the {of} of client {}{which}", link.client)
    }

    fn first_up(&self, link: usize) -> &'static str {
        self.links[link].up.front().map_or("nothing", |packet| packet.request.name())
    }

    fn first_down(&self, link: usize) -> String {
        match self.links[link].down.front() {
            Some(Coming::Answer(_, _, Ok(reply))) => format!("`{}`", shown(reply)),
            Some(Coming::Answer(_, _, Err(error))) => format!("`{error}`"),
            Some(Coming::Grant(_)) => "a grant message".to_owned(),
            None => "nothing".to_owned(),
        }
    }
}

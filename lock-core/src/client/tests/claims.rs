//! Nothing is sent that the store did not claim.

use super::*;
use crate::store::{Capabilities, Enqueue, Look};

const QUEUES: Capabilities = Capabilities::new().with_queues();
const SHARED: Capabilities = Model::CAPABILITIES.with_shared();

fn of(capabilities: Capabilities) -> Story {
    Story::with(Settings { capabilities, ..settings() })
}

impl Story {
    /// An acquire arrives, finds the key held, and asks once more.
    fn asks_again(&mut self, terms: Terms) -> (CallId, AcquireRequest) {
        let (id, sent) = self.ask("a", terms);
        self.taken(id, sent);
        let Step::Send(request) = self.next(id) else { panic!("it looks at once") };
        (id, request)
    }

    fn enqueues(&mut self, terms: Terms) -> Enqueue {
        match self.asks_again(terms) {
            (_, AcquireRequest::Enqueue(enqueue)) => *enqueue,
            (_, other) => panic!("{other:?}"),
        }
    }

    fn looks(&mut self, terms: Terms) -> (CallId, Look) {
        match self.asks_again(terms) {
            (id, AcquireRequest::Look(look)) => (id, look),
            (_, other) => panic!("{other:?}"),
        }
    }

    fn gives_back(&mut self, id: CallId) -> ReleaseRequest {
        self.end(id, None);
        match self.only_job() {
            Sent::Release(_, request, _) => request,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_store_without_queues_is_sent_no_entry_and_no_rotation() {
    let mut story = of(Capabilities::new());
    let (id, look) = story.looks(patient());
    assert_eq!(look.fences, 1);
    story.held_elsewhere(id, story.now, ms(50));
    // It looks again by the keeper, likewise.
    let jobs = story.next_work();
    let [Sent::Ask(_, AcquireRequest::Look(_), _)] = &jobs[..] else { panic!("{jobs:?}") };
    story.answer(id, story.now, Ok(Acquired::granted(7)));
    assert!(matches!(story.next(id), Step::Granted { fence: 7, .. }));
    assert_eq!(story.client.tally().by_look, 1);
    story.arrive("a", patient()).expect("it waits");
    let given = story.gives_back(id);
    assert!(matches!(given, ReleaseRequest::Release(Release { leave: None, .. })), "{given:?}");
}

#[test]
fn a_block_is_asked_for_where_it_is_reserved() {
    for (capabilities, fences) in [(QUEUES, 1), (QUEUES.with_fence_blocks(), 32)] {
        let mut story = of(capabilities);
        let holder = story.hold("a", patient());
        for _ in 0..2 {
            story.arrive("a", patient()).expect("it waits");
        }
        let ReleaseRequest::Rotate(rotation) = story.gives_back(holder) else { panic!("somebody waits") };
        assert_eq!((rotation.fences, rotation.entry.fences), (fences, fences));
    }
    // By a look, too.
    for (capabilities, fences) in [(Capabilities::new(), 1), (Capabilities::new().with_fence_blocks(), 32)] {
        let mut story = of(capabilities);
        let (id, sent) = story.ask("a", patient());
        story.arrive("a", patient()).expect("it waits");
        story.taken(id, sent);
        let step = story.next(id);
        let Step::Send(AcquireRequest::Look(look)) = step else { panic!("{step:?}") };
        assert_eq!(look.fences, fences);
    }
}

#[test]
fn a_first_lease_is_no_shorter_than_the_store_can() {
    let mut story = of(QUEUES);
    assert_eq!(story.enqueues(patient()).entry.first_lease, ms(1000));
    let mut story = of(QUEUES.with_shortest_ttl(ms(10_000)));
    assert_eq!(story.enqueues(patient()).entry.first_lease, ms(10_000));
}

#[test]
fn a_kind_goes_along_with_whatever_asks() {
    let shared = Terms { kind: Kind::Shared, ..patient() };
    let tries = Terms { wait: Wait::AtMost(Duration::ZERO), ..shared };
    let without_queues = Capabilities::new().with_shared();
    for (capabilities, terms) in [(SHARED, tries), (without_queues, shared)] {
        let mut story = of(capabilities);
        let id = story.arrive("a", terms).expect("nothing refuses it");
        let step = story.next(id);
        assert!(matches!(step, Step::Send(AcquireRequest::Ask(ref ask)) if ask.kind == Kind::Shared), "{step:?}");
    }
    let mut story = of(SHARED);
    let id = story.arrive("a", shared).expect("it waits");
    let step = story.next(id);
    let Step::Send(AcquireRequest::Enqueue(look)) = step else { panic!("{step:?}") };
    assert_eq!(look.entry.kind, Kind::Shared);
    assert_eq!(of(without_queues).looks(shared).1.kind, Kind::Shared);
}

#[test]
fn a_shared_lease_passes_to_nobody_without_the_store() {
    let (exclusive, shared) = (patient(), Terms { kind: Kind::Shared, ..patient() });
    for (holds, waits) in [(exclusive, shared), (shared, exclusive), (shared, shared)] {
        let mut story = of(SHARED);
        let holder = story.arrive("a", holds).expect("nothing refuses it");
        assert!(matches!(story.next(holder), Step::Send(_)));
        let sent = story.now;
        story.grant(holder, sent);
        story.arrive("a", waits).expect("it waits");
        let given = story.gives_back(holder);
        assert!(matches!(given, ReleaseRequest::Release(_)), "{given:?}");
    }
}

#[test]
fn a_lease_with_fences_to_spare_passes_on_to_its_own_kind_alone() {
    let mut story = of(SHARED);
    let holder = story.hold("a", patient());
    let next = story.arrive("a", patient()).expect("it waits");
    let shares = story.arrive("a", Terms { kind: Kind::Shared, ..patient() }).expect("it waits");
    story.end(holder, None);
    let Sent::Release(id, ReleaseRequest::Rotate(_), _) = story.only_job() else { panic!("somebody waits") };
    story.rotated(id, Rotated::Retained { fence: 100 });
    assert!(matches!(story.next(next), Step::Granted { fence: 100, .. }));
    story.end(next, None);
    assert!(matches!(story.next(shares), Step::Pending), "the store has to say");
    assert_eq!(story.client.held(), 0);
}

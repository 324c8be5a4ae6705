//! The promises of a store that keeps sets of holders, one function each; its name is the promise.

use std::time::{Duration, Instant};

use super::process::Process;
use super::trial::{Broken, Trial, ensure, expect, fence, past, token};
use crate::store::{
    Acquired, Ask, Downgrade, Enqueue, Entry, Kind, Release, Released, Renewal, Renewed, StoreError, Token,
};

const SHARED: Kind = Kind::Shared;
const TWO: Kind = Kind::permits(2);

impl Trial {
    async fn tries(&self, token: Token, kind: Kind, ttl: Duration) -> Result<Acquired, Broken> {
        let ask = Ask::new(self.key.clone(), token, ttl).with_kind(kind).with_time_left();
        Ok(self.session.acquire(ask).await?)
    }

    /// A try that must be granted; gives its fence.
    async fn holds(&self, kind: Kind) -> Result<(Token, u64), Broken> {
        let token = token();
        Ok((token, fence(self.tries(token, kind, self.long).await?, "a try that finds room")?))
    }

    /// Nobody else of this kind must find room.
    async fn has_no_room(&self, kind: Kind, when: &str) -> Result<(), Broken> {
        match self.tries(token(), kind, self.long).await? {
            Acquired::Held { .. } => Ok(()),
            other => Err(Broken(format!("{when} there was room for {kind}: {other:?}"))),
        }
    }

    async fn renews(&self, token: Token, kind: Kind, ttl: Duration) -> Result<Renewed, Broken> {
        let renewal = Renewal::new(self.key.clone(), token, ttl).with_kind(kind);
        let answer: Option<Result<Renewed, StoreError>> = self.session.renew(vec![renewal]).await.pop();
        Ok(answer.ok_or_else(|| Broken("a renewal was not answered".to_owned()))??)
    }

    async fn gives_back(&self, token: Token, kind: Kind, entry: Option<Entry>) -> Result<Released, Broken> {
        let release = Release::new(self.key.clone(), token).with_kind(kind).with_leave(entry);
        Ok(self.other.release(release).await?)
    }

    /// A release by a holder.
    async fn gives_up(&self, token: Token, kind: Kind) -> Result<(), Broken> {
        expect(self.gives_back(token, kind, None).await?, Released::Freed, "a release by a holder")
    }

    async fn asks(&self, token: Token, entry: &Entry) -> Result<Acquired, Broken> {
        let enqueue = Enqueue::new(self.key.clone(), token, self.long, entry.clone());
        Ok(self.session.enqueue(enqueue).await?)
    }

    /// Somebody who waits, as must be.
    async fn waits(&self, entry: &Entry) -> Result<Token, Broken> {
        let token = token();
        match self.asks(token, entry).await? {
            Acquired::Held { queued_at: Some(_), .. } => Ok(token),
            other => Err(Broken(format!("a waiter of {} at a key with no room: {other:?}", entry.kind))),
        }
    }

    async fn downgrades(&self, token: Token) -> Result<Renewed, Broken> {
        Ok(self.session.downgrade(Downgrade::new(self.key.clone(), token, self.long)).await?)
    }
}

impl Process {
    /// One who waits for that kind, with one fence.
    fn entry_of(&self, kind: Kind) -> Entry {
        self.entry().with_fences(1).with_kind(kind)
    }
}

pub(super) async fn sharers_hold_beside_each_other(trial: Trial) -> Result<(), Broken> {
    let ((one, first), (two, second)) = (trial.holds(SHARED).await?, trial.holds(SHARED).await?);
    ensure(second > first, || format!("fence {second} after {first}"))?;
    for token in [one, two] {
        expect(trial.renews(token, SHARED, trial.long).await?, Renewed::Renewed, "a renewal by a sharer")?;
        trial.gives_up(token, SHARED).await?;
    }
    trial.is_free("after the last sharer").await
}

pub(super) async fn nobody_holds_beside_another_kind(trial: Trial) -> Result<(), Broken> {
    let claimed = trial.store.capabilities();
    let kinds = || [Kind::Exclusive, SHARED, TWO].into_iter().filter(|kind| claimed.keeps(*kind));
    for kind in kinds() {
        let (holder, _) = trial.holds(kind).await?;
        for other in kinds().filter(|other| !kind.agrees_with(*other)) {
            trial.has_no_room(other, &format!("beside {kind}")).await?;
        }
        trial.gives_up(holder, kind).await?;
    }
    trial.is_free("in the end").await
}

pub(super) async fn each_of_a_set_expires_by_itself(trial: Trial) -> Result<(), Broken> {
    let (brief, (lasting, _)) = (token(), trial.holds(SHARED).await?);
    fence(trial.tries(brief, SHARED, trial.short).await?, "a second sharer")?;
    past(trial.short).await;
    expect(trial.renews(brief, SHARED, trial.long).await?, Renewed::NotOurs, "a renewal after its own expiry")?;
    expect(trial.gives_back(brief, SHARED, None).await?, Released::NotOurs, "a release after its own expiry")?;
    expect(trial.renews(lasting, SHARED, trial.long).await?, Renewed::Renewed, "a renewal by the other")?;
    trial.has_no_room(Kind::Exclusive, "beside a sharer that came before one with a shorter lease").await?;
    trial.gives_up(lasting, SHARED).await
}

pub(super) async fn a_set_is_free_when_its_last_lease_expires(trial: Trial) -> Result<(), Broken> {
    let began = Instant::now();
    fence(trial.tries(token(), SHARED, 2 * trial.short).await?, "a sharer")?;
    fence(trial.tries(token(), SHARED, trial.short).await?, "a sharer with a shorter lease")?;
    trial.expires(began, 2 * trial.short).await
}

pub(super) async fn one_who_gives_back_leaves_the_others(trial: Trial) -> Result<(), Broken> {
    let ((one, _), (two, _)) = (trial.holds(SHARED).await?, trial.holds(SHARED).await?);
    trial.gives_up(one, SHARED).await?;
    expect(trial.gives_back(one, SHARED, None).await?, Released::NotOurs, "a second release")?;
    expect(trial.renews(one, SHARED, trial.long).await?, Renewed::NotOurs, "a renewal of what was given back")?;
    trial.has_no_room(Kind::Exclusive, "beside the other").await?;
    trial.gives_up(two, SHARED).await?;
    trial.is_free("after the last").await
}

pub(super) async fn a_place_that_is_kept_is_taken_and_nobodys(trial: Trial) -> Result<(), Broken> {
    let (holder, _) = trial.holds(SHARED).await?;
    let kept = || Release::new(trial.key.clone(), holder).with_kind(SHARED).with_keep(Some(2 * trial.short));
    let began = Instant::now();
    expect(trial.session.release(kept()).await?, Released::Freed, "a release that keeps a place")?;
    expect(trial.session.release(kept()).await?, Released::NotOurs, "a second one")?;
    expect(trial.renews(holder, SHARED, trial.long).await?, Renewed::NotOurs, "a renewal of a kept place")?;
    trial.expires(began, 2 * trial.short).await
}

pub(super) async fn who_asks_again_holds_one_place(trial: Trial) -> Result<(), Broken> {
    let (holder, first) = trial.holds(TWO).await?;
    let second = fence(trial.tries(holder, TWO, trial.long).await?, "a holder that asks again")?;
    ensure(second > first, || format!("fence {second} after {first}"))?;
    let (other, _) = trial.holds(TWO).await?;
    trial.gives_up(holder, TWO).await?;
    trial.gives_up(other, TWO).await
}

pub(super) async fn a_downgrade_makes_an_exclusive_lease_shared(trial: Trial) -> Result<(), Broken> {
    let (holder, _) = trial.holds(Kind::Exclusive).await?;
    expect(trial.downgrades(token()).await?, Renewed::NotOurs, "a stranger's downgrade")?;
    for when in ["a downgrade", "a second downgrade"] {
        expect(trial.downgrades(holder).await?, Renewed::Renewed, when)?;
    }
    let (beside, _) = trial.holds(SHARED).await?;
    trial.has_no_room(Kind::Exclusive, "beside a lease that was downgraded").await?;
    expect(trial.renews(holder, SHARED, trial.long).await?, Renewed::Renewed, "a renewal after a downgrade")?;
    trial.gives_up(holder, SHARED).await?;
    trial.gives_up(beside, SHARED).await
}

pub(super) async fn what_is_to_be_downgraded_is_given_back_as_shared(trial: Trial) -> Result<(), Broken> {
    // The downgrade may have been lost on its way.
    let (holder, _) = trial.holds(Kind::Exclusive).await?;
    expect(trial.renews(holder, SHARED, trial.long).await?, Renewed::Renewed, "a renewal as shared")?;
    trial.has_no_room(SHARED, "beside an exclusive lease").await?;
    trial.gives_up(holder, SHARED).await?;
    trial.is_free("after it was given back").await
}

pub(super) async fn so_many_permits_are_given_and_no_more(trial: Trial) -> Result<(), Broken> {
    let ((one, _), (two, _)) = (trial.holds(TWO).await?, trial.holds(TWO).await?);
    trial.has_no_room(TWO, "beside two of two").await?;
    let (three, _) = trial.holds(Kind::permits(3)).await?;
    trial.gives_up(one, TWO).await?;
    trial.has_no_room(TWO, "beside two of two").await?;
    trial.gives_up(three, Kind::permits(3)).await?;
    let (again, _) = trial.holds(TWO).await?;
    trial.gives_up(again, TWO).await?;
    trial.gives_up(two, TWO).await
}

pub(super) async fn an_expired_permit_is_free_while_others_hold(trial: Trial) -> Result<(), Broken> {
    let (lasting, _) = trial.holds(TWO).await?;
    fence(trial.tries(token(), TWO, trial.short).await?, "a second permit")?;
    match trial.tries(token(), TWO, trial.long).await? {
        Acquired::Held { for_at_most: Some(left), .. } if left <= trial.short => {}
        other => return Err(Broken(format!("for how long two of two permits are held: {other:?}"))),
    }
    past(trial.short).await;
    let (next, _) = trial.holds(TWO).await?;
    trial.gives_up(next, TWO).await?;
    trial.gives_up(lasting, TWO).await
}

pub(super) async fn a_weight_takes_so_many_permits(trial: Trial) -> Result<(), Broken> {
    let (three, two) = (Kind::permits(5).with_weight(3), Kind::permits(5).with_weight(2));
    let (heavy, _) = trial.holds(three).await?;
    trial.has_no_room(three, "beside three of five").await?;
    let (light, _) = trial.holds(two).await?;
    trial.has_no_room(Kind::permits(5), "beside five of five").await?;
    expect(trial.renews(light, two, trial.long).await?, Renewed::Renewed, "a renewal of two permits")?;
    trial.gives_up(heavy, three).await?;
    let (one, _) = trial.holds(Kind::permits(5)).await?;
    trial.has_no_room(three, "beside three of five").await?;
    trial.gives_up(one, Kind::permits(5)).await?;
    trial.gives_up(light, two).await?;
    trial.is_free("after all").await
}

pub(super) async fn nobody_passes_the_queue_where_there_is_room(trial: Trial) -> Result<(), Broken> {
    let mut process = trial.process().await?;
    let (reader, _) = trial.holds(SHARED).await?;
    let writer = trial.waits(&process.entry_of(Kind::Exclusive)).await?;
    trial.has_no_room(SHARED, "behind a writer that waits").await?;
    let next = trial.waits(&process.entry_of(SHARED)).await?;
    trial.gives_up(reader, SHARED).await?;
    expect(process.hears().await?.token == writer, true, "whether the writer is granted first")?;
    trial.gives_up(writer, Kind::Exclusive).await?;
    expect(process.hears().await?.token == next, true, "whether the reader behind it is granted next")?;
    trial.gives_up(next, SHARED).await
}

pub(super) async fn those_who_fit_at_the_head_come_in_together(trial: Trial) -> Result<(), Broken> {
    let mut process = trial.process().await?;
    let (holder, last) = trial.holds(Kind::Exclusive).await?;
    let run = [trial.waits(&process.entry_of(SHARED)).await?, trial.waits(&process.entry_of(SHARED)).await?];
    let writer = trial.waits(&process.entry_of(Kind::Exclusive)).await?;
    trial.gives_up(holder, Kind::Exclusive).await?;
    let mut fences = vec![last];
    for token in run {
        let grant = process.hears().await?;
        ensure(grant.token == token && grant.fences == 1, || format!("a grant to one of a run: {grant:?}"))?;
        fences.push(grant.fence);
        expect(trial.renews(token, SHARED, trial.long).await?, Renewed::Renewed, "a renewal by one of a run")?;
    }
    ensure(fences.is_sorted_by(|one, next| one < next), || format!("fences of a run: {fences:?}"))?;
    trial.gives_up(run[1], SHARED).await?;
    ensure(process.has_heard_nothing(), || "a writer came in beside a reader".to_owned())?;
    trial.gives_up(run[0], SHARED).await?;
    expect(process.hears().await?.token == writer, true, "whether the writer is granted after the run")?;
    trial.gives_up(writer, Kind::Exclusive).await
}

pub(super) async fn an_heir_that_nobody_hears_costs_no_place(trial: Trial) -> Result<(), Broken> {
    let mut process = trial.process().await?;
    let one = Kind::permits(1);
    let (holder, _) = trial.holds(one).await?;
    let dead = trial.waits(&trial.unheard().with_fences(1).with_kind(one)).await?;
    let alive = trial.waits(&process.entry_of(one)).await?;
    trial.gives_up(holder, one).await?;
    expect(process.hears().await?.token == alive, true, "whether the one who is alive is granted the place")?;
    expect(trial.renews(dead, one, trial.long).await?, Renewed::NotOurs, "a renewal by the dead")?;
    trial.gives_up(alive, one).await
}

pub(super) async fn a_look_finds_a_dead_head_that_does_not_fit(trial: Trial) -> Result<(), Broken> {
    let process = trial.process().await?;
    let (reader, _) = trial.holds(SHARED).await?;
    trial.waits(&trial.unheard().with_fences(1)).await?;
    let next = token();
    fence(trial.asks(next, &process.entry_of(SHARED)).await?, "a reader behind a writer that is dead")?;
    trial.gives_up(reader, SHARED).await?;
    trial.gives_up(next, SHARED).await
}

pub(super) async fn who_leaves_the_queue_lets_in_those_behind(trial: Trial) -> Result<(), Broken> {
    let mut process = trial.process().await?;
    let (reader, _) = trial.holds(SHARED).await?;
    let writers = process.entry_of(Kind::Exclusive);
    let writer = trial.waits(&writers).await?;
    let next = trial.waits(&process.entry_of(SHARED)).await?;
    let left = trial.gives_back(writer, Kind::Exclusive, Some(writers)).await?;
    expect(left, Released::NotOurs, "a release by a waiter that leaves")?;
    expect(process.hears().await?.token == next, true, "whether the reader behind is granted the key")?;
    trial.gives_up(reader, SHARED).await?;
    trial.gives_up(next, SHARED).await
}

pub(super) async fn a_downgrade_lets_readers_in(trial: Trial) -> Result<(), Broken> {
    let mut process = trial.process().await?;
    let (holder, _) = trial.holds(Kind::Exclusive).await?;
    let reader = trial.waits(&process.entry_of(SHARED)).await?;
    expect(trial.downgrades(holder).await?, Renewed::Renewed, "a downgrade")?;
    expect(process.hears().await?.token == reader, true, "whether the reader at the head comes in")?;
    for token in [holder, reader] {
        trial.gives_up(token, SHARED).await?;
    }
    trial.is_free("after both").await
}

//! What a store promises that says who holds a key, and keeps the cards of its clients.

use super::trial::{Broken, Trial, ensure, expect, past, token};
use crate::store::{Card, Holding, Inspection, Kind, Owner, Released, Waiting};

impl Trial {
    async fn inspected(&self) -> Result<Inspection, Broken> {
        Ok(self.other.inspect(self.key.clone()).await?)
    }
}

pub(super) async fn a_free_key_has_no_holder(trial: Trial) -> Result<(), Broken> {
    let found = trial.inspected().await?;
    ensure(found == Inspection::new(), || format!("of a free key: {found:?}"))?;
    trial.is_free("after it was inspected").await
}

pub(super) async fn an_inspection_tells_the_holder_and_changes_nothing(trial: Trial) -> Result<(), Broken> {
    let holder = token();
    trial.acquired(holder, trial.long).await?;
    for _ in 0..2 {
        let found = trial.inspected().await?;
        let [Holding { owner, kind, remaining, .. }] = found.holders[..] else {
            return Err(Broken(format!("of a held key: {found:?}")));
        };
        expect(owner == Owner::Token(holder), true, "its owner is who holds it")?;
        expect(kind, Some(Kind::Exclusive), "its kind")?;
        let about_right = remaining.is_some_and(|left| left <= trial.long && left > trial.long / 2);
        ensure(about_right, || format!("{remaining:?} are left of {:?}", trial.long))?;
    }
    expect(trial.release(holder, None).await?, Released::Freed, "a release by the holder")?;
    trial.is_free("after its release").await
}

pub(super) async fn an_inspection_tells_that_a_key_is_kept(trial: Trial) -> Result<(), Broken> {
    let holder = token();
    trial.acquired(holder, trial.long).await?;
    expect(trial.release(holder, Some(trial.short)).await?, Released::Freed, "a release by the holder")?;
    let found = trial.inspected().await?;
    if trial.is_exact {
        let is_kept = |holding: &Holding| matches!(holding.owner, Owner::Kept(whose) if whose.is_none_or(|token| token == holder));
        ensure(found.holders.len() == 1 && found.holders.iter().all(is_kept), || format!("of a kept key: {found:?}"))?;
    }
    past(trial.short).await;
    let found = trial.inspected().await?;
    ensure(found.holders.is_empty(), || format!("of a key that was kept: {found:?}"))
}

pub(super) async fn a_card_is_told_until_its_client_takes_leave(trial: Trial) -> Result<(), Broken> {
    let (holder, card) = (token(), Card::new("host|a", 7, "program %41", 1_790_000_000));
    trial.session.introduce(holder.client(), card.clone()).await?;
    trial.acquired(holder, trial.long).await?;
    let found = trial.inspected().await?;
    let told = |found: &Inspection| found.cards.iter().any(|told| told.client == holder.client() && told.card == card);
    ensure(told(&found), || format!("of a client with a card: {found:?}"))?;
    ensure(found.cards.iter().all(|told| told.remaining <= Card::LASTS), || format!("it is kept for long: {found:?}"))?;
    trial.session.take_leave(holder.client()).await?;
    let found = trial.inspected().await?;
    ensure(!told(&found) && found.holders.len() == 1, || format!("of a client that took leave: {found:?}"))?;
    trial.release(holder, None).await.map(drop)
}

pub(super) async fn an_inspection_tells_who_waits_in_order(trial: Trial) -> Result<(), Broken> {
    let (holder, first, second, process) = (token(), token(), token(), trial.process().await?);
    trial.acquired(holder, trial.long).await?;
    for waiter in [first, second] {
        trial.queue(waiter, &process.entry()).await?;
    }
    let found = trial.inspected().await?.waiters;
    let known = |token| Waiting::new(Some(token), Some(Kind::Exclusive));
    ensure(found[..] == [known(first), known(second)], || format!("of a key with two waiters: {found:?}"))?;
    for waiter in [first, second] {
        trial.leave(waiter, &process.entry()).await?;
    }
    trial.release(holder, None).await.map(drop)
}

//! What a store promises that keeps a key as done, one function each; its name is the promise.

use std::time::{Duration, Instant};

use super::trial::{Broken, PATIENCE, Trial, ensure, expect, fence, token};
use crate::store::{Acquired, Look, Release, Released, Renewed, Token};

impl Trial {
    fn done(&self, token: Token, keep: Duration) -> Release {
        Release::new(self.key.clone(), token).with_keep(Some(keep)).with_done()
    }

    /// Takes the key, and says that what was to be done is done for so long; says when.
    async fn does(&self, holder: Token, period: Duration) -> Result<Instant, Broken> {
        self.acquired(holder, self.long).await?;
        let asked = Instant::now();
        let release = self.session.release(self.done(holder, period)).await?;
        expect(release, Released::Freed, "a release by the holder, which says that it is done").map(|()| asked)
    }
}

/// It must say that it is done, for so long at most, and not for much less.
fn is_done(answer: Acquired, period: Duration, what: &str) -> Result<(), Broken> {
    match answer {
        Acquired::Done { again_in, .. } if again_in <= period && again_in > period / 2 => Ok(()),
        answer => Err(Broken(format!("{what} of what is done for {period:?}: {answer:?}"))),
    }
}

pub(super) async fn what_is_done_is_told_to_whoever_asks(trial: Trial) -> Result<(), Broken> {
    trial.does(token(), trial.long).await?;
    let ask = trial.ask(token(), trial.long).with_time_left();
    is_done(trial.session.acquire(ask).await?, trial.long, "an acquire that asks for the time left")?;
    is_done(trial.look(token(), trial.long).await?, trial.long, "a look through another session")?;
    // Whoever does not ask for the time may be told no more than that the key is not free.
    match trial.acquire(token(), trial.long).await? {
        Acquired::Held { .. } | Acquired::Done { .. } => Ok(()),
        answer => Err(Broken(format!("an acquire of what is done: {answer:?}"))),
    }
}

pub(super) async fn what_is_done_is_nobodys(trial: Trial) -> Result<(), Broken> {
    let holder = token();
    trial.does(holder, trial.long).await?;
    expect(trial.renew(holder, trial.long).await?, Renewed::NotOurs, "a renewal of what is done")?;
    for keep in [None, Some(Duration::ZERO), Some(trial.short)] {
        expect(trial.release(holder, keep).await?, Released::NotOurs, "a second release of what is done")?;
    }
    let again = trial.session.release(trial.done(holder, trial.short)).await?;
    expect(again, Released::NotOurs, "a second release that says that it is done")?;
    is_done(trial.look(holder, trial.long).await?, trial.long, "a look by the token that held it")
}

pub(super) async fn what_is_done_may_be_done_again_when_its_time_is_over(trial: Trial) -> Result<(), Broken> {
    let asked = trial.does(token(), 2 * trial.short).await?;
    let next = token();
    while let Acquired::Done { .. } = trial.look(next, trial.long).await? {
        ensure(asked.elapsed() < 2 * trial.short + PATIENCE, || "it stayed done for too long".to_owned())?;
        // Nothing tells when a key expires.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (lasted, period) = (asked.elapsed(), 2 * trial.short);
    expect(trial.release(next, None).await?, Released::Freed, "a release by who has it next")?;
    // Two clocks are compared, and a store may count in whole milliseconds.
    ensure(lasted + period / 50 + Duration::from_millis(2) >= period, || format!("done for {lasted:?}, not {period:?}"))
}

pub(super) async fn what_was_lost_cannot_be_done(trial: Trial) -> Result<(), Broken> {
    let (stranger, holder) = (token(), token());
    trial.acquired(holder, trial.long).await?;
    let release = trial.session.release(trial.done(stranger, trial.long)).await?;
    expect(release, Released::NotOurs, "a release by a stranger, which says that it is done")?;
    expect(trial.renew(holder, trial.long).await?, Renewed::Renewed, "a renewal by the holder behind that")?;
    expect(trial.release(holder, None).await?, Released::Freed, "a release by the holder")
}

/// Whoever waits is not handed it, is told by its next look, and stands in no queue from then on.
pub(super) async fn who_waits_for_what_is_done_is_told_and_leaves(trial: Trial) -> Result<(), Broken> {
    let (holder, waiter, process) = (token(), token(), trial.process().await?);
    trial.acquired(holder, trial.long).await?;
    trial.queue(waiter, &process.entry()).await?;
    let period = 2 * trial.short;
    expect(trial.session.release(trial.done(holder, period)).await?, Released::Freed, "a release by the holder")?;
    match trial.look_as(waiter, &process.entry()).await? {
        Acquired::Done { .. } => {}
        answer => return Err(Broken(format!("a look by who waits for what is done: {answer:?}"))),
    }
    ensure(process.has_heard_nothing(), || "it was granted what is done".to_owned())?;
    let (next, began) = (token(), Instant::now());
    let look = || Look::new(trial.key.clone(), next, trial.long);
    let mut answer = trial.session.look(look()).await?;
    while let Acquired::Done { .. } = answer {
        ensure(began.elapsed() < period + PATIENCE, || "it stayed done for too long".to_owned())?;
        tokio::time::sleep(Duration::from_millis(5)).await;
        answer = trial.session.look(look()).await?;
    }
    fence(answer, "a look when its time is over, past nobody who still stands in line")?;
    expect(trial.release(next, None).await?, Released::Freed, "a release by who has it next")
}

//! What a store with queues promises of waiters whose entries are of a version that it does not know: those of
//! processes that run another release.

use super::trial::{Broken, Trial, ensure, expect, fence, token};
use crate::store::{Entry, Rotated};

/// Later than any that there is.
const LATER: u32 = 999;

/// More than are stepped over.
const VERY_MANY: usize = 70;

fn later(entry: Entry) -> Entry {
    entry.with_version(LATER)
}

pub(super) async fn an_entry_of_an_unknown_version_is_stepped_over_and_stays(trial: Trial) -> Result<(), Broken> {
    let (holder, unknown, known, mut process) = (token(), token(), token(), trial.process().await?);
    trial.acquired(holder, trial.long).await?;
    trial.queue(unknown, &later(process.entry())).await?;
    trial.queue(known, &process.entry()).await?;
    trial.hands_over(holder, known, &mut process).await?;
    let rotated = trial.rotate(known, trial.long, token(), &process.entry()).await?;
    expect(rotated, Rotated::Freed, "a rotation while nobody waits whose entry is known, which shows that it stayed")?;
    fence(trial.look_as(unknown, &later(process.entry())).await?, "its look at the free key")?;
    trial.releases(unknown).await?;
    trial.is_free("after it, who left the queue when it was granted the key").await?;
    ensure(process.has_heard_nothing(), || "somebody else was granted the key".to_owned())
}

pub(super) async fn a_release_to_entries_of_unknown_versions_frees_the_key(trial: Trial) -> Result<(), Broken> {
    let (holder, unknown, process) = (token(), token(), trial.process().await?);
    trial.acquired(holder, trial.long).await?;
    trial.queue(unknown, &later(process.entry())).await?;
    trial.releases(holder).await?;
    trial.is_not_held_by(unknown, "a renewal by one whose entry is not known").await?;
    trial.is_free("although it waits").await?;
    trial.leave(unknown, &later(process.entry())).await?;
    Ok(())
}

pub(super) async fn very_many_entries_of_unknown_versions_block_nobody(trial: Trial) -> Result<(), Broken> {
    let (holder, known, process) = (token(), token(), trial.process().await?);
    trial.acquired(holder, trial.long).await?;
    let unknown: Vec<_> = (0..VERY_MANY).map(|_| token()).collect();
    for &unknown in &unknown {
        trial.queue(unknown, &later(process.entry())).await?;
    }
    trial.queue(known, &process.entry()).await?;
    trial.releases(holder).await?;
    // So many are not stepped over at once, but a look finds the key free.
    fence(trial.look_as(known, &process.entry()).await?, "a look at the free key")?;
    trial.releases(known).await?;
    for unknown in unknown {
        trial.leave(unknown, &later(process.entry())).await?;
    }
    trial.is_free("after all have left").await
}

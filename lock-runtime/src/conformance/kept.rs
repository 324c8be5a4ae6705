//! What every store promises of a key that is kept for a while behind its release, one function each; its name is the
//! promise.

use std::time::{Duration, Instant};

use super::trial::{Broken, Trial, ensure, expect, token};
use crate::store::{Acquired, Released, Renewed};

pub(super) async fn a_release_keeps_the_key_for_what_is_left_of_min_hold(trial: Trial) -> Result<(), Broken> {
    let holder = token();
    trial.acquired(holder, trial.long).await?;
    let asked = Instant::now();
    expect(trial.release(holder, Some(trial.short)).await?, Released::Freed, "a release by the holder")?;
    trial.expires(asked, trial.short).await
}

pub(super) async fn a_release_can_keep_a_key_longer_than_its_ttl(trial: Trial) -> Result<(), Broken> {
    let holder = token();
    trial.acquired(holder, trial.short).await?;
    let asked = Instant::now();
    expect(trial.release(holder, Some(2 * trial.short)).await?, Released::Freed, "a release by the holder")?;
    trial.expires(asked, 2 * trial.short).await
}

/// Whatever was sent about its token and comes late leaves it as it is.
pub(super) async fn a_kept_key_is_nobodys(trial: Trial) -> Result<(), Broken> {
    let holder = token();
    trial.acquired(holder, trial.long).await?;
    let asked = Instant::now();
    expect(trial.release(holder, Some(2 * trial.short)).await?, Released::Freed, "a release by the holder")?;
    expect(trial.renew(holder, trial.long).await?, Renewed::NotOurs, "a renewal of a kept key")?;
    for keep in [None, Some(Duration::ZERO), Some(trial.long)] {
        expect(trial.release(holder, keep).await?, Released::NotOurs, "a second release of a kept key")?;
    }
    let answer = trial.acquire(holder, trial.long).await?;
    ensure(matches!(answer, Acquired::Held { .. }), || format!("an acquire of a kept key: {answer:?}"))?;
    match trial.look(holder, trial.long).await? {
        Acquired::Held { for_at_most: Some(left), .. } if left <= 2 * trial.short => {}
        answer => return Err(Broken(format!("a look at a kept key by the token that held it: {answer:?}"))),
    }
    trial.expires(asked, 2 * trial.short).await
}

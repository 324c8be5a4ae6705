//! Pauses of tasks. The keeper ends them, so that they need no timer of the task's runtime, which may have none.

use std::sync::Mutex;

use tokio::sync::oneshot;

use lock_core::Moment;

use crate::system::foreign;
use crate::system::mutex::enter;

#[derive(Debug)]
struct Alarm {
    at: Moment,
    /// Closed when nobody awaits it any more.
    rings: oneshot::Sender<()>,
}

/// Those that have not rung; one for each task that pauses.
#[derive(Debug, Default)]
pub(crate) struct Alarms(Mutex<Vec<Alarm>>);

impl Alarms {
    /// Has one ring at that time. The keeper has to be woken for it.
    pub(crate) fn set(&self, at: Moment) -> oneshot::Receiver<()> {
        let (rings, rung) = oneshot::channel();
        enter(&self.0).push(Alarm { at, rings });
        rung
    }

    /// Rings those that are due.
    pub(crate) fn ring(&self, now: Moment) {
        let due: Vec<Alarm> = {
            let mut all = enter(&self.0);
            all.retain(|alarm| !alarm.rings.is_closed());
            all.extract_if(.., |alarm| alarm.at <= now).collect()
        };
        // Whoever it was for may be gone by now.
        for alarm in due {
            foreign::run(|| _ = alarm.rings.send(()));
        }
    }

    /// When one is due, given when something else is.
    pub(crate) fn wakes_at(&self, due: Moment) -> Moment {
        enter(&self.0).iter().map(|alarm| alarm.at).fold(due, Moment::min)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_rings_when_it_is_due_and_those_that_nobody_awaits_are_forgotten() {
        let (alarms, start) = (Alarms::default(), Moment::from_nanos(1_000_000));
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(alarms.wakes_at(at(9)), at(9));
        let (mut first, mut second, dropped) = (alarms.set(at(2)), alarms.set(at(5)), alarms.set(at(1)));
        assert_eq!(alarms.wakes_at(at(9)), at(1));
        drop(dropped);
        alarms.ring(start);
        assert_eq!(alarms.wakes_at(at(9)), at(2));
        alarms.ring(at(2));
        assert_eq!((first.try_recv().is_ok(), second.try_recv().is_ok()), (true, false));
        alarms.ring(Moment::MAX);
        assert_eq!((second.try_recv().is_ok(), alarms.wakes_at(at(9))), (true, at(9)));
    }
}

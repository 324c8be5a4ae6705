//! Who waits for which bytes to come by.
//!
//! The bytes may come in pieces, so the end of what a connection carried before is looked at together with what it
//! carries now; only what ends in the new piece counts.

use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::oneshot;

use super::mutex::lock;

/// How long bytes are awaited.
const PATIENCE: Duration = Duration::from_secs(20);
/// How much of what came before is kept; the longest bytes that can be awaited are one longer.
const KEPT: usize = 255;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Requests,
    Replies,
}

#[derive(Debug, Default)]
pub(crate) struct Sightings {
    watchers: Mutex<Vec<Watcher>>,
}

#[derive(Debug)]
struct Watcher {
    direction: Direction,
    wanted: Vec<u8>,
    seen: oneshot::Sender<()>,
}

/// The end of what one direction of one connection carried so far.
#[derive(Debug, Default)]
pub(crate) struct Tail(Vec<u8>);

impl Sightings {
    /// A watcher from now on, and the future that ends when it saw what it waits for.
    pub(crate) fn next(&self, direction: Direction, wanted: &[u8]) -> impl Future<Output = ()> + Send + use<> {
        assert!(wanted.len() <= KEPT + 1, "bytes to wait for are at most {} long", KEPT + 1);
        let (seen, sight) = oneshot::channel();
        let shown = format!("{direction:?} with `{}`", String::from_utf8_lossy(wanted));
        lock(&self.watchers).push(Watcher { direction, wanted: wanted.to_vec(), seen });
        async move {
            let in_time = tokio::time::timeout(PATIENCE, sight).await;
            assert!(matches!(in_time, Ok(Ok(()))), "the proxy saw no {shown} within {PATIENCE:?}");
        }
    }

    /// Tells those who wait for what just came by.
    pub(crate) fn came_by(&self, direction: Direction, tail: &mut Tail, piece: &[u8]) {
        let mut watchers = lock(&self.watchers);
        let (seen, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut *watchers)
            .into_iter()
            .partition(|watcher| watcher.direction == direction && tail.then_holds(piece, &watcher.wanted));
        *watchers = waiting;
        drop(watchers);
        tail.push(piece);
        for watcher in seen {
            let _ = watcher.seen.send(());
        }
    }
}

impl Tail {
    fn then_holds(&self, piece: &[u8], wanted: &[u8]) -> bool {
        let Some(before) = wanted.len().checked_sub(1) else { return true };
        let from = self.0.len().saturating_sub(before);
        let bytes = [&self.0[from..], piece].concat();
        bytes.windows(wanted.len()).any(|window| window == wanted)
    }

    fn push(&mut self, piece: &[u8]) {
        self.0.extend_from_slice(piece);
        let surplus = self.0.len().saturating_sub(KEPT);
        self.0.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::Tail;

    #[test]
    fn bytes_are_found_over_the_border_of_two_pieces_and_once() {
        let mut tail = Tail::default();
        assert!(!tail.then_holds(b"EVAL", b"EVALSHA"));
        tail.push(b"EVAL");
        assert!(tail.then_holds(b"SHA 1", b"EVALSHA"));
        tail.push(b"SHA 1");
        assert!(!tail.then_holds(b" 2", b"EVALSHA"));
        assert!(tail.then_holds(b"EVALSHA", b"EVALSHA"));
    }

    #[test]
    fn anything_will_do_for_one_who_waits_for_nothing_in_particular() {
        assert!(Tail::default().then_holds(b"+", b""));
    }

    #[test]
    fn little_is_kept() {
        let mut tail = Tail::default();
        tail.push(&[0; 1000]);
        assert_eq!(tail.0.len(), super::KEPT);
    }
}

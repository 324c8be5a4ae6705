//! Moves bytes between the two sides of each connection, as the rules say at that moment.
//!
//! Each direction is two halves with a queue between them: one takes in and stamps, one gives out when it is time. So a
//! delay does not slow the pipeline down, and what is held is out of the sender's hands.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::mutex::lock;
use super::sightings::{Direction, Tail};
use super::{Fate, Rule, Rules, Shared};

/// A piece on its way. The queue of them is unbounded: a test holds back what it has itself sent.
struct Piece {
    due: Instant,
    bytes: Vec<u8>,
}

/// A connection's number, taken back when it has ended.
struct Open {
    shared: Arc<Shared>,
    number: usize,
}

/// Accepts until it is dropped, and the socket with it.
pub(crate) async fn accept_all(listener: TcpListener, shared: Arc<Shared>) {
    // An error concerns the one connection that went away before it was accepted.
    loop {
        if let Ok((client, _)) = listener.accept().await {
            // Before it counts as open, so that a reset reaches all that do.
            let resets = shared.resets.subscribe();
            let open = Open::new(&shared);
            tokio::spawn(connection(client, resets, open));
        }
    }
}

async fn connection(mut client: TcpStream, mut resets: watch::Receiver<u64>, open: Open) {
    let shared = &*open.shared;
    let port = shared.server.load(Ordering::Relaxed);
    let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else {
        let _ = client.set_zero_linger();
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let reset = tokio::select! {
        biased;
        _ = resets.changed() => true,
        () = both_ways(shared, open.number, &mut client, &mut server) => false,
    };
    if reset {
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
    drop((client, server));
    drop(open);
}

async fn both_ways(shared: &Shared, number: usize, client: &mut TcpStream, server: &mut TcpStream) {
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let requests = pump(shared, (number, Direction::Requests), from_client, to_server);
    let replies = pump(shared, (number, Direction::Replies), from_server, to_client);
    // An error ends both directions; the end of one is told to the other side, and the other direction goes on.
    let _ = tokio::try_join!(requests, replies);
}

async fn pump(
    shared: &Shared,
    (number, direction): (usize, Direction),
    from: ReadHalf<'_>,
    to: WriteHalf<'_>,
) -> io::Result<()> {
    let (queue, pieces) = mpsc::unbounded_channel();
    let taken_in = take_in(shared, direction, from, queue);
    let given_out = give_out(shared, (number, direction), to, pieces);
    tokio::try_join!(taken_in, given_out).map(|_| ())
}

async fn take_in(
    shared: &Shared,
    direction: Direction,
    mut from: ReadHalf<'_>,
    queue: mpsc::UnboundedSender<Piece>,
) -> io::Result<()> {
    let mut rules = shared.rules.subscribe();
    let mut tail = Tail::default();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        until(&mut rules, |rules| !rules.frozen).await;
        let length = tokio::select! {
            length = from.read(&mut buffer) => length?,
            _ = rules.changed() => continue,
        };
        let bytes = &buffer[..length];
        if bytes.is_empty() {
            return Ok(());
        }
        let rule = until(&mut rules, |rules| !rules.frozen).await.of(direction);
        shared.came_in(direction, &mut tail, bytes);
        if rule.fate != Fate::Drop {
            let _ = queue.send(Piece { due: Instant::now() + rule.delay, bytes: bytes.to_vec() });
        }
    }
}

async fn give_out(
    shared: &Shared,
    (number, direction): (usize, Direction),
    mut to: WriteHalf<'_>,
    mut pieces: mpsc::UnboundedReceiver<Piece>,
) -> io::Result<()> {
    let mut rules = shared.rules.subscribe();
    while let Some(Piece { due, bytes }) = pieces.recv().await {
        // The delay that was asked for.
        tokio::time::sleep_until(due).await;
        let stalled = |rules: &Rules| rules.stalled && direction == Direction::Requests;
        let moving = |rules: &Rules| !rules.frozen && !stalled(rules) && rules.of(direction).fate != Fate::Hold;
        if until(&mut rules, moving).await.of(direction).fate == Fate::Drop || shared.is_silent(number, direction) {
            continue;
        }
        let passing = shared.passing(direction, bytes.len());
        to.write_all(&bytes[..passing.unwrap_or(bytes.len())]).await?;
        if passing.is_some() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
    }
    to.shutdown().await
}

/// Waits for rules of this kind. They live as long as the pumps.
async fn until(rules: &mut watch::Receiver<Rules>, wanted: impl Fn(&Rules) -> bool) -> Rules {
    rules.wait_for(|rules| wanted(rules)).await.map_or_else(|_| Rules::default(), |rules| *rules)
}

impl Rules {
    fn of(self, direction: Direction) -> Rule {
        match direction {
            Direction::Requests => self.requests,
            Direction::Replies => self.replies,
        }
    }
}

impl Shared {
    fn came_in(&self, direction: Direction, tail: &mut Tail, bytes: &[u8]) {
        let mut traffic = lock(&self.traffic);
        let count = match direction {
            Direction::Requests => &mut traffic.counts.request_bytes,
            Direction::Replies => &mut traffic.counts.reply_bytes,
        };
        *count += bytes.len() as u64;
        drop(traffic);
        self.sightings.came_by(direction, tail, bytes);
    }

    /// Whether what comes over the connection of this number is thrown away.
    fn is_silent(&self, number: usize, direction: Direction) -> bool {
        let brings_no_replies = number < self.without_replies_below.load(Ordering::SeqCst);
        (brings_no_replies && direction == Direction::Replies)
            || number < self.silent_below.load(Ordering::SeqCst)
            || lock(&self.silenced).contains(&number)
    }

    /// How many of these bytes still pass before the connection is cut; `None` when it is not.
    fn passing(&self, direction: Direction, bytes: usize) -> Option<usize> {
        let mut cut_after = lock(&self.cut_after);
        let left = (*cut_after).filter(|_| direction == Direction::Replies)?;
        *cut_after = left.checked_sub(bytes).filter(|&left| left > 0);
        cut_after.is_none().then_some(left)
    }
}

impl Open {
    fn new(shared: &Arc<Shared>) -> Self {
        let mut traffic = lock(&shared.traffic);
        let number = traffic.counts.connections;
        traffic.counts.connections += 1;
        traffic.open.insert(number);
        drop(traffic);
        Self { shared: Arc::clone(shared), number }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        lock(&self.shared.traffic).open.remove(&self.number);
        self.shared.a_connection_ended.notify_all();
    }
}

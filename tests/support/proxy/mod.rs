//! A network between a client and a server that misbehaves on command.
//!
//! What is here is the switchboard; `pump` moves the bytes and obeys. It runs on a thread of its own, so a test that
//! blocks does not hold up its network. Every mode counts for the bytes that arrive from then on and for those that are
//! still here; all modes but the one-time ones last until [`Proxy::pass`]. Where it leads to is no mode, nor is a
//! stall. Deliberately absent: any knowledge of what the bytes mean, so TLS passes as well, and chance.

mod mutex;
mod pump;
mod sightings;

use std::collections::BTreeSet;
use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::port;
use crate::server::Server;
use mutex::lock;
use sightings::{Direction, Sightings};

/// How long a port or the end of a connection is awaited.
const PATIENCE: Duration = Duration::from_secs(10);

/// A proxy on the loopback address. All its connections end when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    port: u16,
    door: Mutex<Option<Door>>,
    runtime: Option<Runtime>,
}

/// What went through a proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Connections that clients made, so far.
    pub connections: usize,
    /// Those that are there now.
    pub open: usize,
    /// Bytes that came from clients, whatever became of them.
    pub request_bytes: u64,
    /// Bytes that came from the server, whatever became of them.
    pub reply_bytes: u64,
}

/// What the pumps obey and report to.
#[derive(Debug)]
struct Shared {
    /// The port to which new connections lead.
    server: AtomicU16,
    rules: watch::Sender<Rules>,
    resets: watch::Sender<u64>,
    /// Connections below this number are silent for good, and those below the other bring no replies.
    silent_below: AtomicUsize,
    without_replies_below: AtomicUsize,
    /// Those of these numbers are, too.
    silenced: Mutex<BTreeSet<usize>>,
    /// How many bytes of replies still pass until the connection that carries them is cut.
    cut_after: Mutex<Option<usize>>,
    traffic: Mutex<Traffic>,
    a_connection_ended: Condvar,
    sightings: Sightings,
}

#[derive(Debug, Default)]
struct Traffic {
    counts: Counts,
    /// The connections that are there, by their number.
    open: BTreeSet<usize>,
}

/// What happens to bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Rules {
    frozen: bool,
    stalled: bool,
    requests: Rule,
    replies: Rule,
}

#[derive(Clone, Copy, Debug, Default)]
struct Rule {
    fate: Fate,
    delay: Duration,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fate {
    #[default]
    Pass,
    Hold,
    Drop,
}

/// Who accepts, the word that this has ended, and the listening socket once more.
#[derive(Debug)]
struct Door {
    socket: std::net::TcpListener,
    accepting: JoinHandle<()>,
    closed: mpsc::Receiver<()>,
}

impl Proxy {
    /// A proxy in front of a server.
    pub fn before(server: &Server) -> Self {
        Self::to(server.port())
    }

    /// A proxy in front of a port of 127.0.0.1.
    pub fn to(server: u16) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let (port, listener) = listen_anywhere();
        let runtime = Some(runtime.expect("a runtime can be built"));
        let proxy = Self { shared: Arc::new(Shared::new(server)), port, door: Mutex::new(None), runtime };
        *lock(&proxy.door) = Some(proxy.door(listener));
        proxy
    }

    /// The URL for a client.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port of 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What went through so far.
    pub fn counts(&self) -> Counts {
        let traffic = lock(&self.shared.traffic);
        Counts { open: traffic.open.len(), ..traffic.counts }
    }

    /// Ends all misbehaviour: what was held is sent, and new connections are accepted.
    pub fn pass(&self) {
        *lock(&self.shared.cut_after) = None;
        self.shared.rules.send_modify(|rules| *rules = Rules { stalled: rules.stalled, ..Rules::default() });
        self.accept_new();
    }

    /// Ends all misbehaviour, and all connections first: none that lost bytes goes on, not even one that is made just
    /// now.
    pub fn pass_anew(&self) {
        self.refuse_new();
        self.reset_all();
        self.pass();
    }

    /// Makes requests arrive later by this much. What is on its way already stays so.
    pub fn delay_requests(&self, delay: Duration) {
        self.shared.rules.send_modify(|rules| rules.requests.delay = delay);
    }

    /// Makes replies arrive later by this much. What is on its way already stays so.
    pub fn delay_replies(&self, delay: Duration) {
        self.shared.rules.send_modify(|rules| rules.replies.delay = delay);
    }

    /// Keeps requests here until [`Self::pass`]: the server sees them late.
    pub fn hold_requests(&self) {
        self.shared.rules.send_modify(|rules| rules.requests.fate = Fate::Hold);
    }

    /// Keeps replies here until [`Self::pass`]: the server did what it was asked, and the client does not know.
    pub fn hold_replies(&self) {
        self.shared.rules.send_modify(|rules| rules.replies.fate = Fate::Hold);
    }

    /// Throws requests away, held ones too; the server never sees them.
    pub fn swallow_requests(&self) {
        self.shared.rules.send_modify(|rules| rules.requests.fate = Fate::Drop);
    }

    /// Throws replies away, held ones too: the server did what it was asked, and the client never hears of it. A
    /// connection that lost a reply should be reset before bytes pass again, since a client would take the next reply
    /// for the lost one; see [`Self::pass_anew`].
    pub fn drop_replies(&self) {
        self.shared.rules.send_modify(|rules| rules.replies.fate = Fate::Drop);
    }

    /// Throws away, in both directions, what comes over the connections that are there now, for good, in every mode:
    /// nobody closes them, and new ones pass. As a gateway that has forgotten its connections.
    pub fn silence_those_there(&self) {
        self.shared.silent_below.store(lock(&self.shared.traffic).counts.connections, Ordering::SeqCst);
    }

    /// The same for replies alone: the server does what it is asked, and the client never hears of it.
    pub fn silence_replies_of_those_there(&self) {
        self.shared.without_replies_below.store(lock(&self.shared.traffic).counts.connections, Ordering::SeqCst);
    }

    /// Silences the connection of this number in both directions; the first has 0.
    pub fn silence_one(&self, number: usize) {
        lock(&self.shared.silenced).insert(number);
    }

    /// Keeps requests here until [`Self::end_stall`], whatever mode there is meanwhile, and however it ends.
    pub fn stall(&self) {
        self.shared.rules.send_modify(|rules| rules.stalled = true);
    }

    /// Sends what was kept here by [`Self::stall`], as the mode says.
    pub fn end_stall(&self) {
        self.shared.rules.send_modify(|rules| rules.stalled = false);
    }

    /// Moves no byte in either direction and reads none, so that senders come to a stop when the buffers are full.
    pub fn freeze(&self) {
        self.shared.rules.send_modify(|rules| rules.frozen = true);
    }

    /// Ends all connections there are with a reset (RST), on both sides, and what is held with them. Once; returns when
    /// it is done.
    pub fn reset_all(&self) {
        let mut traffic = lock(&self.shared.traffic);
        let there = traffic.open.clone();
        self.shared.resets.send_modify(|resets| *resets += 1);
        while !traffic.open.is_disjoint(&there) {
            let waited = self.shared.a_connection_ended.wait_timeout(traffic, PATIENCE);
            let (woken, late) = waited.unwrap_or_else(PoisonError::into_inner);
            assert!(!late.timed_out(), "connections of the proxy on port {} do not end", self.port);
            traffic = woken;
        }
    }

    /// Lets this many more bytes of replies pass, over all connections, then closes the connection that carried the
    /// last of them; with 0, the one that the next reply is for, before it. Once: later connections pass again.
    pub fn cut_after_reply_bytes(&self, bytes: usize) {
        *lock(&self.shared.cut_after) = Some(bytes);
    }

    /// Leads new connections to this port of 127.0.0.1, in every mode. Those that are there stay where they lead to.
    pub fn lead_to(&self, server: u16) {
        self.shared.server.store(server, Ordering::Relaxed);
    }

    /// Refuses new connections, from this call's return on. Those there are stay.
    pub fn refuse_new(&self) {
        if let Some(door) = lock(&self.door).take() {
            door.accepting.abort();
            let _ = door.closed.recv();
            // Closing is not enough: a child that is just being started has a copy of the socket for a moment.
            let _ = rustix::net::shutdown(&door.socket, rustix::net::Shutdown::Both);
        }
    }

    /// Accepts new connections again.
    pub fn accept_new(&self) {
        let mut door = lock(&self.door);
        if door.is_none() {
            *door = Some(self.door(listen_again(self.port)));
        }
    }

    /// Waits, from this call on (not from the first poll), for a request that contains these bytes; it arrived here,
    /// and what becomes of it is up to the mode. Panics after twenty seconds.
    pub fn until_request_containing(&self, bytes: &[u8]) -> impl Future<Output = ()> + Send + 'static {
        self.shared.sightings.next(Direction::Requests, bytes)
    }

    /// Waits, from this call on (not from the first poll), for bytes of a reply; they arrived here, and what becomes of
    /// them is up to the mode. Panics after twenty seconds.
    pub fn until_reply(&self) -> impl Future<Output = ()> + Send + 'static {
        self.shared.sightings.next(Direction::Replies, &[])
    }

    /// As [`Self::until_reply`], for a reply that contains these bytes.
    pub fn until_reply_containing(&self, bytes: &[u8]) -> impl Future<Output = ()> + Send + 'static {
        self.shared.sightings.next(Direction::Replies, bytes)
    }

    fn door(&self, listener: std::net::TcpListener) -> Door {
        let runtime = self.runtime.as_ref().expect("a proxy has its runtime until it is dropped");
        let shared = Arc::clone(&self.shared);
        let socket = listener.try_clone().expect("a socket can be cloned");
        let (open, closed) = mpsc::channel();
        let _inside = runtime.enter();
        let listener = TcpListener::from_std(listener).expect("a runtime takes a listening socket");
        let accepting = runtime.spawn(async move {
            // Dropped behind what the call below holds.
            let _open: mpsc::Sender<()> = open;
            pump::accept_all(listener, shared).await;
        });
        Door { socket, accepting, closed }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting for it is not allowed within another runtime, and tests are.
            runtime.shutdown_background();
        }
    }
}

impl Shared {
    fn new(server: u16) -> Self {
        Self {
            server: AtomicU16::new(server),
            rules: watch::Sender::default(),
            resets: watch::Sender::default(),
            silent_below: AtomicUsize::new(0),
            without_replies_below: AtomicUsize::new(0),
            silenced: Mutex::default(),
            cut_after: Mutex::default(),
            traffic: Mutex::default(),
            a_connection_ended: Condvar::new(),
            sightings: Sightings::default(),
        }
    }
}

fn listen(port: u16) -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn listen_anywhere() -> (u16, std::net::TcpListener) {
    // Somebody may be quicker on a port that was free just now, but hardly on a hundred.
    let tried = (0..100).map(|_| port::free()).find_map(|port| Some((port, listen(port).ok()?)));
    tried.expect("one can listen on one of a hundred free ports")
}

fn listen_again(port: u16) -> std::net::TcpListener {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match listen(port) {
            Ok(listener) => return listener,
            // Somebody's search for a free port may try this one just now; it lets go of it at once.
            Err(error) => assert!(Instant::now() < deadline, "one cannot listen on port {port} again: {error}"),
        }
        // Nothing tells when it has.
        std::thread::sleep(Duration::from_millis(1));
    }
}

//! Ports of the loopback address that nobody listens on.
//!
//! They come from below the range out of which systems give ports to outgoing connections. From inside it, a port whose
//! server is down for a moment can go to somebody's outgoing connection, and a client that keeps trying to connect to
//! it can even end up connected to itself. A port that was found free can be taken a moment later, so the caller tries
//! again with another one.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST: u16 = 10_240;
const COUNT: u16 = 20_000;

/// The next port, from a start that differs from process to process, on which one can listen.
pub(crate) fn free() -> u16 {
    static START: OnceLock<u16> = OnceLock::new();
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = *START.get_or_init(|| u16::try_from(RandomState::new().hash_one(0) % u64::from(COUNT)).unwrap_or(0));
    (0..COUNT)
        .map(|_| FIRST + (start + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT)
        .find(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
        .expect("one port of twenty thousand should be free")
}

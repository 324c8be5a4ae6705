//! A server that is far away: a relay that holds everything back for half a round trip each way.
//!
//! By threads that sleep, since a runtime's timers count in milliseconds. What must stay true: what is held back does
//! not hold back what comes after it, and the relay itself never gathers what was sent apart.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// A relay; it ends with the process.
pub(crate) struct Distance {
    port: u16,
    turns: Arc<Turns>,
}

/// How often the talk turned from the server's side to the client's.
#[derive(Default)]
struct Turns {
    count: AtomicU64,
    server_spoke: AtomicBool,
}

/// Bytes on their way, and when they arrive.
type Piece = (Instant, Vec<u8>);

impl Distance {
    /// Puts a round trip between a client and the server at this address.
    pub(crate) fn to(server: String, round_trip: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let turns = Arc::new(Turns::default());
        let counted = Arc::clone(&turns);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // A client whose server cannot be reached sees its connection end.
                let _ = relay(client, &server, round_trip / 2, &counted);
            }
        });
        Ok(Self { port, turns })
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}:{}", Ipv4Addr::LOCALHOST, self.port)
    }

    /// How many times a client spoke after it had heard: with one task that waits for each answer, its round trips.
    pub(crate) fn round_trips(&self) -> u64 {
        self.turns.count.load(Ordering::Relaxed)
    }
}

impl Turns {
    fn client_speaks(&self) {
        if self.server_spoke.swap(false, Ordering::Relaxed) {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn server_speaks(&self) {
        self.server_spoke.store(true, Ordering::Relaxed);
    }
}

fn relay(client: TcpStream, server: &str, delay: Duration, turns: &Arc<Turns>) -> io::Result<()> {
    let server = TcpStream::connect(server)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (asks, answers) = (Arc::clone(turns), Arc::clone(turns));
    carry(client.try_clone()?, server.try_clone()?, delay, move || asks.client_speaks());
    carry(server, client, delay, move || answers.server_speaks());
    Ok(())
}

/// Carries bytes one way, by a thread that reads and one that waits and writes.
fn carry(mut from: TcpStream, mut to: TcpStream, delay: Duration, heard: impl Fn() + Send + 'static) {
    let (send, pieces) = mpsc::channel::<Piece>();
    thread::spawn(move || {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            heard();
            if send.send((Instant::now() + delay, bytes[..count].to_vec())).is_err() {
                break;
            }
        }
    });
    thread::spawn(move || {
        for (due, bytes) in pieces {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_back_has_gone_both_ways() {
        let echo = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = echo.local_addr().expect("it is bound").to_string();
        thread::spawn(move || {
            let (mut stream, _) = echo.accept()?;
            io::copy(&mut stream.try_clone()?, &mut stream)
        });
        let round_trip = Duration::from_millis(20);
        let distance = Distance::to(address, round_trip).expect("a port is free");
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, distance.port)).expect("it listens");
        let mut answer = [0; 4];
        for turns in 0..3 {
            let began = Instant::now();
            stream.write_all(b"ping").and_then(|()| stream.read_exact(&mut answer)).expect("it answers");
            assert!(began.elapsed() >= round_trip && &answer == b"ping");
            assert_eq!(distance.round_trips(), turns);
        }
    }
}

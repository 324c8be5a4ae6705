//! A server whose clock is set back while some hold and others wait.
//!
//! The server's clock is what its C library says, and a library of ours, loaded before it, adds an offset to that. It
//! is built where the test runs, by the compiler that Rust links with.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use lock_runtime::Client;
use lock_tests::{Kind, Ledger, Server, TemporaryDir};

use super::{all_served, connect, connect_asking, enters, until_in_line};

/// Adds to `gettimeofday` the microseconds that the file named in `CLOCK_OFFSET` holds, as eight bytes.
const SHIM: &str = r#"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static volatile long long *offset;

__attribute__((constructor)) static void map_offset(void) {
    int file = open(getenv("CLOCK_OFFSET"), O_RDONLY);
    offset = mmap(0, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    if (offset == MAP_FAILED) abort();
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec real;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &real);
    long long us = real.tv_sec * 1000000LL + real.tv_nsec / 1000 + *offset;
    now->tv_sec = us / 1000000;
    now->tv_usec = us % 1000000;
    return 0;
}
"#;

/// A clock that can be set, and the server that goes by it.
struct Clock {
    server: Server,
    directory: TemporaryDir,
}

impl Clock {
    fn new() -> Self {
        let directory = TemporaryDir::new("clock");
        let (source, library, offset) =
            (directory.path().join("shim.c"), directory.path().join("shim.so"), directory.path().join("offset"));
        fs::write(&source, SHIM).expect("a file can be written in a directory of ours");
        fs::write(&offset, 0_i64.to_ne_bytes()).expect("a file can be written in a directory of ours");
        let built = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).args([&library, &source]).output();
        let built = built.expect("there is a C compiler where Rust can link");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let server = Server::builder(Kind::Redis).env("LD_PRELOAD", &library).env("CLOCK_OFFSET", &offset).start();
        Self { server, directory }
    }

    /// Sets it so many seconds away from the true time.
    fn set(&self, seconds: i64) {
        // Over the same bytes: the server has them mapped.
        let offset = fs::OpenOptions::new().write(true).open(self.offset()).expect("it was written before");
        write_at_start(&offset, &(seconds * 1_000_000).to_ne_bytes());
    }

    fn offset(&self) -> std::path::PathBuf {
        self.directory.path().join(Path::new("offset"))
    }

    fn seconds(&self) -> i64 {
        let time: (i64, i64) = self.server.ask(&["TIME"]);
        time.0
    }
}

fn write_at_start(file: &fs::File, bytes: &[u8]) {
    use std::os::unix::fs::FileExt as _;
    file.write_all_at(bytes, 0).expect("a file of ours can be written");
}

/// Half of them with local hand-over.
async fn four_clients(url: &str) -> Vec<Client> {
    vec![connect(url).await, connect(url).await, connect_asking(url).await, connect_asking(url).await]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_back_while_some_wait_and_one_holds_costs_no_more_than_time() {
    let (clock, ledger) = (Clock::new(), Ledger::new());
    let clients = four_clients(&clock.server.url()).await;
    let held = clients[0].lock("back").acquire().await.expect("it is free");
    let inside = ledger.enter("back", held.fence());
    let before = clock.seconds();
    let waits = |client: &Client| {
        let body = enters(&ledger, "back", Duration::from_millis(1));
        tokio::spawn(client.lock("back").wait_forever().run(body))
    };
    let mut waiters: Vec<_> = (0..40).map(|number| waits(&clients[number % 4])).collect();
    // Those of the holder's own client wait for it there.
    until_in_line(&clock.server, "back", 3).await;

    clock.set(-30);
    assert!(clock.seconds() < before - 20, "the server goes by the clock of the test");
    waiters.extend(clients.iter().map(waits));
    drop(inside);
    held.release().await.expect("the server is there");
    all_served(waiters).await;
    ledger.check().assert_clean();
    assert_eq!(ledger.check().grants, 45);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_back_again_and_again_in_the_thick_of_it_costs_no_more_than_time() {
    let (clock, ledger) = (Clock::new(), Ledger::new());
    let clients = four_clients(&clock.server.url()).await;
    let strikes = |client: &Client| {
        let (client, ledger) = (client.clone(), Ledger::at(ledger.path()));
        tokio::spawn(async move {
            for _ in 0..25 {
                client.lock("again").wait_forever().run(enters(&ledger, "again", Duration::from_millis(1))).await?;
            }
            Ok(())
        })
    };
    let hands: Vec<_> = clients.iter().chain(&clients).map(strikes).collect();
    let setting = async {
        for step in 1..=6 {
            // Between two steps everybody goes on, and no event of theirs is a better moment for the next one.
            tokio::time::sleep(Duration::from_millis(200)).await;
            clock.set(-5 * step);
        }
    };
    tokio::join!(setting, all_served(hands));
    ledger.check().assert_clean();
    assert_eq!(ledger.check().grants, 200);
}

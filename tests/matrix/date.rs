//! A process whose date is set while it holds a lock.
//!
//! Its date is what its C library says, and a library of ours, loaded before it, adds an offset to that.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::process::Command;
use std::time::Duration;

use lock_tests::{Server, TemporaryDir, Worker};

use crate::name;
use crate::processes::WORKER;

#[tokio::test]
async fn a_wall_clock_that_is_set_by_an_hour_changes_nothing() {
    let (server, clock) = (Server::redis(), WallClock::new());
    let mut worker = Worker::start_with(WORKER, &[&server.url()], &clock.variables());
    worker.line_starting_with("ready").await;
    let ttl = Duration::from_millis(700);
    worker.tell(&format!("body work {}", ttl.as_millis()));
    worker.line_starting_with("inside work").await;
    let before = date(&mut worker).await;
    for hours in [1, -1] {
        clock.set(hours * 3600);
        let ahead = date(&mut worker).await - before;
        assert!((ahead - hours * 3600).abs() < 60, "the worker goes by the clock of the test: {ahead}");
        let renewed = server.pttl(&name("work"));
        // Only renewals can have kept it for longer than its ttl.
        tokio::time::sleep(ttl * 5 / 4).await;
        assert!(renewed > 0 && server.pttl(&name("work")) > 0, "held through {hours} h");
    }
    assert!(!worker.lines().iter().any(|line| line.starts_with("outcome")), "{:?}", worker.lines());
}

async fn date(worker: &mut Worker) -> i64 {
    worker.tell("date");
    let line = worker.line_starting_with("date").await;
    line["date ".len()..].parse().expect("a number of seconds")
}

/// Adds to the date the seconds that the file named in `DATE_OFFSET` holds, as eight bytes, and to no other clock.
const SHIM: &str = r#"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile long long *offset;

__attribute__((constructor)) static void map_offset(void) {
    int file = open(getenv("DATE_OFFSET"), O_RDONLY);
    offset = mmap(0, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    if (offset == MAP_FAILED) abort();
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && clock == CLOCK_REALTIME && offset) now->tv_sec += *offset;
    return failed;
}
"#;

/// A date that can be set, for the processes that are started with its variables.
struct WallClock {
    directory: TemporaryDir,
    variables: [(&'static str, String); 2],
}

impl WallClock {
    /// Built where the test runs, by the compiler that Rust links with.
    fn new() -> Self {
        let directory = TemporaryDir::new("date");
        let file = |name: &str| directory.path().join(name);
        fs::write(file("shim.c"), SHIM).expect("a file can be written in a directory of ours");
        fs::write(file("offset"), 0_i64.to_ne_bytes()).expect("a file can be written in a directory of ours");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).args([file("shim.so"), file("shim.c")]);
        let built = compiler.output().expect("there is a C compiler where Rust can link");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let variables = [("LD_PRELOAD", "shim.so"), ("DATE_OFFSET", "offset")];
        let variables = variables.map(|(variable, name)| (variable, file(name).display().to_string()));
        Self { directory, variables }
    }

    fn variables(&self) -> Vec<(&str, &str)> {
        self.variables.iter().map(|(variable, value)| (*variable, value.as_str())).collect()
    }

    /// Sets it so many seconds away from the true date.
    fn set(&self, seconds: i64) {
        let offset = fs::OpenOptions::new().write(true).open(self.directory.path().join("offset"));
        // Over the same bytes: the processes have them mapped.
        offset.and_then(|file| file.write_all_at(&seconds.to_ne_bytes(), 0)).expect("a file of ours can be written");
    }
}

//! Stands for the lead: the processes of the election's tests.
//!
//! Called with the URL of a store, a ledger and a ttl in milliseconds; each step that it leads is in the ledger. Its
//! input has it `resign`, `break`, `continue` or `shutdown`, a word a line; `stop` stops the process between two of its
//! steps, which no signal from outside can promise.

use std::ops::ControlFlow;
use std::time::Duration;

use lock_runtime::{Client, Term};
use lock_tests::Ledger;
use rustix::process::{Signal, getpid, kill_process};
use tokio::sync::mpsc;
use tokio::time::sleep;

/// Says so when the term is over.
struct Over(u64);

impl Drop for Over {
    fn drop(&mut self) {
        println!("over {}", self.0);
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, ledger, ttl] = &arguments[..] else { panic!("where to stand? {arguments:?}") };
    let client = Client::connect(url).await.expect("the server is up");
    let election = client.elect("leader").ttl(Duration::from_millis(ttl.parse().expect("a number")));
    let (watch, ledger) = (election.watch(), Ledger::at(ledger));
    let (sender, mut words) = mpsc::channel(8);
    let runtime = tokio::runtime::Handle::current();
    // It ends with the process.
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            match line.as_str() {
                "resign" => watch.resign(),
                "shutdown" => drop(runtime.block_on(client.shutdown(Duration::ZERO))),
                _ => sender.blocking_send(line).expect("it stands"),
            }
        }
    });
    println!("stands");
    let outcome = election.run(async |term: Term| {
        let _over = Over(term.fence());
        println!("leads {}", term.fence());
        loop {
            drop(ledger.step("leader", term.fence()));
            tokio::select! {
                () = sleep(Duration::from_millis(2)) => {}
                word = words.recv() => match word.as_deref() {
                    Some("stop") => {
                        kill_process(getpid(), Signal::STOP).expect("a process may stop itself");
                        // What follows is another step.
                        tokio::task::yield_now().await;
                    }
                    Some("break") => return ControlFlow::Break(term.fence()),
                    _ => return ControlFlow::Continue(()),
                },
            }
        }
    });
    println!("outcome {:?}", outcome.await);
}

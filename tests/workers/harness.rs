//! The worker of the harness's own tests. It does what its input says, a command a line, and prints what came of it.

use std::io::BufRead as _;

use lock_tests::{Ledger, Server};

fn main() {
    let mut servers = Vec::new();
    let mut inside = Vec::new();
    println!("ready {}", std::env::args().skip(1).collect::<Vec<_>>().join(" "));
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        match *line.split(' ').collect::<Vec<_>>() {
            ["say", word] => println!("said {word}"),
            ["complain", word] => eprintln!("{word}"),
            ["server"] => {
                let server = Server::redis();
                println!("server {}", server.port());
                servers.push(server);
            }
            ["enter", directory, key, fence] => {
                let fence = fence.parse().expect("a fence is a number");
                inside.push(Ledger::at(directory).enter(key, fence));
                println!("entered");
            }
            ["leave"] => {
                inside.clear();
                println!("left");
            }
            ["exit", code] => std::process::exit(code.parse().expect("an exit code is a number")),
            _ => println!("what is `{line}`?"),
        }
    }
}

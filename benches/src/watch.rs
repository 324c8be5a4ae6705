//! The commands that clients send, counted by watching the server (`MONITOR`).
//!
//! Measured on Redis 7.0.15: both `commandstats` and `total_commands_processed` count what scripts call as well (a
//! script of a hundred INCRs adds 101 to the latter), and `CLIENT LIST` has no count of commands before Redis 8. What
//! scripts call would have to be subtracted by a table, which is wrong as soon as a script changes. MONITOR marks what
//! comes from a script (`lua`), and tells scripts apart by their hashes.
//!
//! What must stay true: no times are taken from a run that is watched, since watching slows the server down.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use lock_tests::Server;
use serde_json::{Value, json};

use crate::scripts::Names;

/// What ends the watch when it is echoed.
const END: &str = "the watch ends";
/// How long the server may be silent. A run has no such pause, and is at most seconds long.
const SILENCE: Duration = Duration::from_secs(60);

/// How often clients sent each command; scripts under their own names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sent(BTreeMap<String, u64>);

impl Sent {
    pub(crate) fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// How often this one was sent, by its own name or by its script's.
    pub(crate) fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// Commands for each of so many hand-overs or holds; none if there were none.
    pub(crate) fn per(&self, count: usize) -> Option<f64> {
        (count > 0).then(|| self.total() as f64 / count as f64)
    }

    /// `evalsha release 1.00, evalsha look 0.99`: each command for each of so many, the most frequent first.
    pub(crate) fn itemized(&self, count: usize) -> String {
        let mut items: Vec<(&String, u64)> = self.0.iter().map(|(name, &calls)| (name, calls)).collect();
        items.sort_by_key(|&(_, calls)| std::cmp::Reverse(calls));
        let item = |(name, calls): (&String, u64)| format!("{name} {:.3}", calls as f64 / count.max(1) as f64);
        items.into_iter().map(item).collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn to_json(&self) -> Value {
        json!(self.0)
    }

    fn add(&mut self, name: String) {
        *self.0.entry(name).or_default() += 1;
    }
}

/// A watch that goes on.
pub(crate) struct Watch(JoinHandle<Result<Sent, String>>);

impl Watch {
    /// Begins; every command that the server gets from now on counts.
    pub(crate) fn start(server: &Server) -> Result<Self, String> {
        let lines = monitor(server.port()).map_err(|error| format!("the server cannot be watched: {error}"))?;
        Ok(Self(std::thread::spawn(move || count(lines))))
    }

    /// Ends, with all that was sent before.
    pub(crate) fn finish(self, server: &Server) -> Result<Sent, String> {
        server.command(&["ECHO", END]);
        self.0.join().map_err(|_| "the watch panicked".to_owned())?
    }
}

fn monitor(port: u16) -> std::io::Result<BufReader<TcpStream>> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.write_all(b"MONITOR\r\n")?;
    let mut lines = BufReader::new(stream);
    let mut answer = String::new();
    lines.read_line(&mut answer)?;
    if answer == "+OK\r\n" { Ok(lines) } else { Err(std::io::Error::other(answer)) }
}

fn count(mut lines: BufReader<TcpStream>) -> Result<Sent, String> {
    let names = Names::read();
    let mut sent = Sent::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = lines.read_until(b'\n', &mut line).map_err(|error| format!("the watch broke: {error}"))?;
        if read == 0 {
            return Err("the server ended the watch".to_owned());
        }
        match seen(&String::from_utf8_lossy(&line)) {
            Seen::End => return Ok(sent),
            Seen::Sent { command, hash: None } => sent.add(command),
            Seen::Sent { command, hash: Some(hash) } => sent.add(format!("{command} {}", names.of(&hash))),
            Seen::InScript => {}
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Sent { command: String, hash: Option<String> },
    InScript,
    End,
}

/// `+1339518083.107412 [0 127.0.0.1:60866] "set" "a" "1"`, or with `[0 lua]` from a script.
fn seen(line: &str) -> Seen {
    let (source, words) = line.split_once("] \"").unwrap_or((line, ""));
    if source.ends_with(" lua") {
        return Seen::InScript;
    }
    // A name and a hash hold no quotes, whatever comes after them.
    let mut words = words.split('"');
    let command = words.next().unwrap_or_default().to_ascii_lowercase();
    let first = words.nth(1);
    match first {
        Some(END) if command == "echo" => Seen::End,
        Some(hash) if command == "evalsha" => Seen::Sent { command, hash: Some(hash.to_owned()) },
        _ => Seen::Sent { command, hash: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(command: &str, hash: Option<&str>) -> Seen {
        Seen::Sent { command: command.to_owned(), hash: hash.map(ToOwned::to_owned) }
    }

    #[test]
    fn what_a_client_sends_is_told_from_what_a_script_calls() {
        assert_eq!(seen("+1.2 [0 127.0.0.1:60866] \"SET\" \"a\" \"] \\\"x\"\r\n"), sent("set", None));
        assert_eq!(seen("+1.2 [0 lua] \"SET\" \"a\" \"1\"\r\n"), Seen::InScript);
        assert_eq!(seen("+1.2 [0 127.0.0.1:60866] \"ping\"\r\n"), sent("ping", None));
        assert_eq!(seen("+1.2 [0 unix:/tmp/lua] \"incr\" \"lua\"\r\n"), sent("incr", None));
    }

    #[test]
    fn a_script_is_known_by_its_hash() {
        assert_eq!(seen("+1.2 [0 1.1.1.1:1] \"EVALSHA\" \"abc\" \"1\" \"k\"\r\n"), sent("evalsha", Some("abc")));
        assert_eq!(seen("+1.2 [0 1.1.1.1:1] \"eval\" \"return 1\" \"0\"\r\n"), sent("eval", None));
    }

    #[test]
    fn only_our_echo_ends_the_watch() {
        assert_eq!(seen(&format!("+1.2 [0 1.1.1.1:1] \"ECHO\" \"{END}\"\r\n")), Seen::End);
        assert_eq!(seen(&format!("+1.2 [0 1.1.1.1:1] \"SET\" \"{END}\" \"1\"\r\n")), sent("set", None));
        assert_eq!(seen("+1.2 [0 1.1.1.1:1] \"ECHO\" \"x\"\r\n"), sent("echo", None));
    }

    #[test]
    fn commands_are_shared_out_over_handovers() {
        let mut commands = Sent::default();
        for name in ["evalsha look", "evalsha release", "set", "evalsha look"] {
            commands.add(name.to_owned());
        }
        assert_eq!((commands.total(), commands.per(2), commands.per(0)), (4, Some(2.0), None));
        assert_eq!(commands.itemized(2), "evalsha look 1.000, evalsha release 0.500, set 0.500");
    }

    #[test]
    fn a_watch_counts_what_clients_send_and_not_what_scripts_call() {
        let server = Server::redis();
        let watch = Watch::start(&server).expect("a server can be watched");
        server.command(&["SET", "a", "1"]);
        server.command(&["EVAL", "for n = 1, 100 do redis.call('INCR', 'a') end", "0"]);
        let sent = watch.finish(&server).expect("the server tells");
        assert_eq!((sent.total(), sent.itemized(1)), (2, "eval 1.000, set 1.000".to_owned()));
    }
}

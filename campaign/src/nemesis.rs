//! The nemesis: plants faults from a seed, one after the other in each of two lanes, and takes them away again.
//!
//! One lane is the server's, the other the workers' and their networks', so that faults of both kinds meet. What must
//! stay true: when a lane is done nothing is broken any more; a fault's time is written down so that it covers all of
//! it, but the time that a worker stood still so that it covers no more than that. Deliberately absent: knowing what a
//! fault does to a lock.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use lock_tests::{Pair, Proxy, Server};

use super::chance::Chance;
use super::clock::{Moment, nanos, now};
use super::fault::{Fault, kind};
use super::fleet::Fleet;
use super::history::{Planted, Still};
use super::store;

/// The calm between two faults of the server, which concern everybody, and between two of the workers.
const CALM: (Duration, Duration) = (Duration::from_millis(30), Duration::from_millis(900));
const CALM_OF_WORKERS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(200));
/// The ttls of the workers, which the lengths of faults go by.
const TTLS: [u64; 5] = super::worker::TTLS_MS;
/// A server answers nobody for at most so long, so that it still answers us in time.
const LONGEST_SLEEP: Duration = Duration::from_millis(1_500);
/// How much later than the servers change places some workers come to the new primary: as long as one may go without a
/// look.
const LATE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// What was planted so far.
#[derive(Debug)]
pub(crate) struct Script {
    begun: Moment,
    planted: Mutex<Vec<Planted>>,
}

impl Script {
    pub(crate) fn new() -> Self {
        Self { begun: now(), planted: Mutex::default() }
    }

    pub(crate) fn planted(&self) -> Vec<Planted> {
        let mut planted = self.planted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        planted.sort_by_key(|planted| planted.from);
        planted
    }

    /// Writes down a fault that is over.
    fn note(&self, fault: Fault, worker: Option<usize>, from: Moment) {
        let planted = Planted { fault, worker, from, to: now() };
        println!("{}", self.line(&planted));
        self.planted.lock().unwrap_or_else(PoisonError::into_inner).push(planted);
    }

    /// `S  +1.250s stop worker 2 for 0.500s`
    pub(crate) fn line(&self, planted: &Planted) -> String {
        let kind = kind(planted.fault.keeps_assumptions());
        let worker = planted.worker.map_or_else(String::new, |worker| format!(" {worker}"));
        let seconds = |nanos: u64| Duration::from_nanos(nanos).as_secs_f64();
        let (at, lasted) = (seconds(planted.from - self.begun), seconds(planted.to - planted.from));
        format!("{kind} {at:+8.3}s {}{worker} for {lasted:.3}s", planted.fault)
    }
}

/// What the lanes need to know.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) seed: u64,
    pub(crate) until: Moment,
    pub(crate) intact: bool,
    pub(crate) keys: &'a [u64],
    pub(crate) script: &'a Script,
}

/// From 0.2 to 3 ttls.
fn length(chance: &mut Chance) -> Duration {
    let ttl = Duration::from_millis(chance.one_of(&TTLS));
    let most = chance.one_of(&[ttl / 2, ttl, ttl * 3 / 2, ttl * 3]);
    chance.between(ttl / 5, most)
}

/// Faults of the server, until it is time; then it is as it was, but for which of the two is the primary.
/// The port of that one is kept up to date.
pub(crate) fn trouble_server(servers: &mut Pair, networks: &[Arc<Proxy>], primary: &AtomicU16, plan: &Plan<'_>) {
    let mut chance = Chance::new(plan.seed, 1);
    while now() < plan.until {
        sleep(chance.between(CALM.0, CALM.1));
        let breaking = !plan.intact && chance.percent(80);
        let fault = if breaking { chance.one_of(&Fault::BREAKING) } else { chance.one_of(&Fault::OF_SERVER) };
        let lasts = length(&mut chance);
        let key = chance.one_of(plan.keys);
        let from = now();
        if fault == Fault::FailOver {
            fail_over(servers, networks, primary, &mut chance);
        } else {
            plant_in_server(servers.primary_mut(), fault, lasts, key);
        }
        plan.script.note(fault, None, from);
    }
}

/// The servers change places, and each worker comes to the new primary in its own time. What some of them send is late
/// meanwhile: nothing tells them, and they go on listening at the old one.
fn fail_over(servers: &mut Pair, networks: &[Arc<Proxy>], primary: &AtomicU16, chance: &mut Chance) {
    let mut moves: Vec<Move<'_>> = networks.iter().map(|network| Move::draw(network, chance)).collect();
    moves.sort_by_key(|it| it.after);
    moves.iter().filter(|it| it.is_late()).for_each(|it| it.network.stall());
    servers.fail_over();
    let port = servers.primary().port();
    primary.store(port, Ordering::Relaxed);
    let mut waited = Duration::ZERO;
    for Move { network, after, is_cut } in moves {
        sleep(after.saturating_sub(waited));
        waited = after;
        network.lead_to(port);
        if is_cut {
            network.reset_all();
        }
        network.end_stall();
    }
}

/// How a worker comes to a new primary.
struct Move<'a> {
    network: &'a Proxy,
    /// How long after the servers changed places.
    after: Duration,
    /// Whether its connections are cut, or it is left to them to find out.
    is_cut: bool,
}

impl<'a> Move<'a> {
    fn draw(network: &'a Proxy, chance: &mut Chance) -> Self {
        let is_late = chance.percent(40);
        let after = if is_late { chance.between(LATE.0, LATE.1) } else { Duration::ZERO };
        Self { network, after, is_cut: !is_late || chance.percent(30) }
    }

    fn is_late(&self) -> bool {
        !self.after.is_zero()
    }
}

fn plant_in_server(server: &mut Server, fault: Fault, lasts: Duration, key: u64) {
    let milliseconds = lasts.as_millis().to_string();
    match fault {
        Fault::StopServer => {
            server.stop();
            sleep(lasts);
            server.cont();
        }
        Fault::RestartServer => {
            server.kill();
            sleep(lasts / 4);
            server.restart();
        }
        Fault::KillClients => store::command(server, &["CLIENT", "KILL", "TYPE", "normal"]),
        Fault::KillSubscribers => store::command(server, &["CLIENT", "KILL", "TYPE", "pubsub"]),
        Fault::PauseAll | Fault::PauseWrites => {
            let what = if fault == Fault::PauseAll { "ALL" } else { "WRITE" };
            store::command(server, &["CLIENT", "PAUSE", &milliseconds, what]);
            sleep(lasts);
        }
        Fault::Sleep => {
            let seconds = lasts.min(LONGEST_SLEEP).as_secs_f64().to_string();
            store::command(server, &["DEBUG", "SLEEP", &seconds]);
        }
        Fault::ScriptFlush => store::command(server, &["SCRIPT", "FLUSH"]),
        Fault::FullMemory => {
            store::command(server, &["CONFIG", "SET", "maxmemory", "1"]);
            sleep(lasts);
            store::command(server, &["CONFIG", "SET", "maxmemory", "0"]);
        }
        Fault::RevokeRights => {
            store::revoke_rights(server);
            sleep(lasts);
            store::give_rights(server);
        }
        Fault::RestartEmpty => store::restart_empty(server),
        Fault::FlushAll => store::command(server, &["FLUSHALL"]),
        Fault::DeleteKey => store::command(server, &["DEL", &store::name(key)]),
        Fault::Stranger => {
            store::command(server, &["SET", &store::name(key), super::scan::STRANGER]);
            sleep(lasts);
            store::command(server, &["DEL", &store::name(key)]);
        }
        other => unreachable!("{other} is no fault of a server"),
    }
}

/// Faults of the workers and their networks, until it is time; then all run and all bytes pass.
pub(crate) fn trouble_workers(fleet: &mut Fleet, plan: &Plan<'_>) {
    let mut chance = Chance::new(plan.seed, 2);
    while now() < plan.until {
        sleep(chance.between(CALM_OF_WORKERS.0, CALM_OF_WORKERS.1));
        let fault = chance.one_of(&Fault::OF_WORKER);
        let worker = usize::try_from(chance.below(fleet.size())).expect("a place");
        let lasts = length(&mut chance);
        let from = now();
        plant_in_worker(fleet, worker, fault, lasts);
        plan.script.note(fault, Some(worker), from);
    }
}

fn plant_in_worker(fleet: &mut Fleet, worker: usize, fault: Fault, lasts: Duration) {
    let member = fleet.member(worker);
    match fault {
        Fault::StopWorker => {
            let from = now();
            member.process().stop();
            sleep(lasts);
            // Whatever it does from here on, it does awake.
            let to = now();
            member.process().cont();
            return member.stood(Still { from, to });
        }
        Fault::KillWorker => return fleet.replace(worker, || sleep(lasts / 4)),
        _ => {}
    }
    let proxy = member.proxy();
    // Not longer than a few of the workers' time-outs, most of the time.
    let late = lasts / 4;
    match fault {
        Fault::DelayRequests => proxy.delay_requests(late),
        Fault::DelayReplies => proxy.delay_replies(late),
        Fault::DropReplies => proxy.drop_replies(),
        Fault::SwallowRequests => proxy.swallow_requests(),
        Fault::Freeze => proxy.freeze(),
        Fault::Reset => return proxy.reset_all(),
        Fault::CutReplies => proxy.cut_after_reply_bytes(usize::try_from(nanos(lasts) % 200).expect("a few bytes")),
        Fault::HoldRequests => proxy.hold_requests(),
        Fault::HoldReplies => proxy.hold_replies(),
        Fault::RefuseConnections => {
            proxy.refuse_new();
            proxy.reset_all();
        }
        other => unreachable!("{other} is no fault of a worker"),
    }
    sleep(lasts);
    if matches!(fault, Fault::DropReplies | Fault::SwallowRequests) {
        return proxy.pass_anew();
    }
    proxy.pass();
}

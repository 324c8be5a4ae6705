//! Two schedulers fire at the same times. Each tick is done once, also where one of them is stopped in the middle of it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lock_tests::{Server, Worker, on_every_server};

const TICKS: u64 = 200;
const APART: Duration = Duration::from_millis(60);
/// Longer than the ttl of a tick.
const STOPPED: Duration = Duration::from_millis(700);
/// How often one is stopped in the middle of a tick.
const STOPS: usize = 4;

/// What came of each tick in one of them.
fn outcomes(worker: &Worker) -> BTreeMap<u64, String> {
    let told = |line: String| {
        let (fire_time, outcome) = line.strip_prefix("tick ")?.split_once(' ')?;
        Some((fire_time.parse().expect("a number"), outcome.to_owned()))
    };
    worker.lines().into_iter().filter_map(told).collect()
}

fn text(number: u128) -> String {
    number.to_string()
}

on_every_server! {
    async fn each_tick_is_done_once_although_a_scheduler_is_stopped_in_its_middle(server: Server) {
        let soon = SystemTime::now() + Duration::from_millis(500);
        let first = text(soon.duration_since(UNIX_EPOCH).expect("it is after 1970").as_millis());
        let arguments = [server.url(), first, text(APART.as_millis()), text(TICKS.into())];
        let arguments = arguments.each_ref().map(String::as_str);
        let mut workers = [(); 2].map(|()| Worker::start(env!("CARGO_BIN_EXE_scheduling-worker"), &arguments));
        for _ in 0..STOPS {
            // Which of them is first is a matter of luck. It may be in the middle of its body, at the release or behind
            // it.
            let inside = workers.each_mut().map(|worker| Box::pin(worker.line_starting_with("in ")));
            let (_, first, _) = futures::future::select_all(inside).await;
            workers[first].stop();
            // Nothing tells that the ttl of a lease is over.
            tokio::time::sleep(STOPPED).await;
            workers[first].cont();
        }
        for worker in &mut workers {
            worker.line_starting_with("over").await;
        }
        let [one, other] = workers.each_ref().map(outcomes);
        let mut stopped_in_bodies = 0;
        for (fire_time, outcome) in &one {
            let both = [outcome, &other[fire_time]];
            let marked: Vec<_> = both.iter().filter_map(|outcome| outcome.strip_prefix("marked ")).collect();
            assert_eq!(marked.len(), 1, "tick {fire_time}: {both:?}");
            let effect: Option<String> = server.ask(&["HGET", &format!("effect:{fire_time}"), "fence"]);
            assert_eq!(effect.as_deref(), Some(marked[0]), "the effect that stands is that of the success");
            let kept = server.get(&format!("dlock:{{tick:{fire_time}}}"));
            assert!(kept.is_some_and(|value| value.starts_with("done|")), "tick {fire_time} stays done");
            let is_other = |outcome: &&&String| !outcome.starts_with("marked ") && **outcome != "done";
            stopped_in_bodies += both.iter().filter(is_other).count();
        }
        assert_eq!((one.len(), other.len()), (200, 200));
        eprintln!("{stopped_in_bodies} ticks were lost in the middle, and done by the other");
    }
}

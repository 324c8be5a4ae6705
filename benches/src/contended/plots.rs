//! What is drawn of the samples: the last round of those runs that the tables are made of.

use super::Samples;
use super::trials::{Setting, Trial};
use crate::contestants::Contestant::{
    self, Blpop, OursAsShipped, OursByServer, Rlock, RlockEveryMillisecond, Rslock, RslockEveryMillisecond,
};
use crate::fleet::Ran;
use crate::plot::{Axis, Line, Plot, Scale};
use crate::statistics::percentiles;

const SHOWN: [Contestant; 7] =
    [OursAsShipped, OursByServer, Blpop, Rslock, RslockEveryMillisecond, Rlock, RlockEveryMillisecond];

pub(super) fn all(samples: &Samples) -> Vec<Plot> {
    vec![
        Plot {
            name: "contended-latency",
            title: "4 processes × 4 waiters: hand-overs between processes".to_owned(),
            x: Axis { label: "release to body elsewhere, µs", scale: Scale::Logarithmic },
            y: Axis { label: "share of hand-overs", scale: Scale::Linear },
            lines: lines(samples, latencies),
        },
        Plot {
            name: "contended-fairness",
            title: "4 processes × 4 waiters: how evenly they hold".to_owned(),
            x: Axis { label: "time in the run, s", scale: Scale::Linear },
            y: Axis { label: "fewest/most holds of any waiter so far", scale: Scale::Linear },
            lines: lines(samples, |ran| ran.fairness_so_far.clone()),
        },
    ]
}

fn lines(samples: &Samples, points: impl Fn(&Ran) -> Vec<(f64, f64)>) -> Vec<Line> {
    let line = |contestant: Contestant| {
        let ran = samples.last(Trial::timed(Setting::FourByFour, contestant))?;
        Some(Line { name: contestant.name().to_owned(), points: points(ran) })
    };
    SHOWN.into_iter().filter_map(line).collect()
}

fn latencies(ran: &Ran) -> Vec<(f64, f64)> {
    let all: Vec<f64> = ran.latencies.iter().map(|&latency| latency as f64 / 1e3).collect();
    percentiles(&all).into_iter().map(|(share, latency)| (latency, share)).collect()
}

//! All jobs that a process of its own can be asked for, by their names.

use crate::attribute::Calls;
use crate::child::Job;
use crate::contestants::Outcome;
use crate::crowd::Crowd;
use crate::cycles::Cycles;
use crate::growth::Growth;
use crate::held::Held;
use crate::kinds::Round;
use crate::polls::Polls;

type Run = fn(&str) -> Outcome<()>;

const JOBS: [(&str, Run); 7] =
    [of::<Cycles>(), of::<Crowd>(), of::<Held>(), of::<Growth>(), of::<Calls>(), of::<Polls>(), of::<Round>()];

const fn of<J: Job>() -> (&'static str, Run) {
    (J::NAME, |job| serde_json::from_str::<J>(job)?.run())
}

/// Does one; `arguments` are what the parent wrote.
pub(crate) fn run(arguments: &[String]) -> Outcome<()> {
    let [name, job] = arguments else { return Err("a child was started without a job".into()) };
    let known = JOBS.iter().find(|(known, _)| known == name);
    let (_, run) = known.ok_or_else(|| format!("no job is called `{name}`"))?;
    run(job)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_jobs_have_one_name() {
        for (place, (name, _)) in JOBS.iter().enumerate() {
            assert!(JOBS[..place].iter().all(|(other, _)| other != name), "{name}");
        }
    }

    #[test]
    fn a_job_that_nobody_knows_is_refused() {
        assert!(run(&["nap".to_owned(), "{}".to_owned()]).is_err());
        assert!(run(&[]).is_err());
    }
}

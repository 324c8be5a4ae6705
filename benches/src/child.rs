//! One piece of work in a process of its own, so that its processor time and its memory are nobody else's.
//!
//! The parent starts this program again with the word `child` and a [`Job`] as JSON; the child does it and prints what
//! it saw as JSON, alone on its output. Deliberately absent: what the jobs are, which each benchmark knows.

use std::process::{Command, Stdio};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::attribute::{self, Calls};
use crate::contestants::Outcome;
use crate::cycles::{self, Cycles};
use crate::polls::{self, Polls};

/// What a child can be asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Job {
    Cycles(Cycles),
    Held { url: String, trial: crate::held::Trial },
    Growth { url: String, job: crate::growth::Job },
    Calls(Calls),
    Polls(Polls),
}

/// Has a job done by a process of its own.
pub(crate) fn ask<T: DeserializeOwned>(job: &Job) -> Result<T, String> {
    let us = std::env::current_exe().map_err(|error| format!("this program cannot be found: {error}"))?;
    let job = serde_json::to_string(job).map_err(|error| format!("a job cannot be told: {error}"))?;
    let output = Command::new(us).arg("child").arg(job).stdin(Stdio::null()).stderr(Stdio::piped()).output();
    let output = output.map_err(|error| format!("a child cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("a child said what nobody understands: {error}"))
}

/// Does one; `arguments` are what [`ask`] wrote.
pub(crate) fn run(arguments: &[String]) -> Outcome<()> {
    let [job] = arguments else { return Err("a child was started without a job".into()) };
    let seen: Value = match serde_json::from_str(job)? {
        Job::Cycles(job) => json!(cycles::run(job)?),
        Job::Growth { url, job } => crate::growth::run(&url, job)?,
        Job::Held { url, trial } => serde_json::to_value(crate::held::run(&url, trial)?)?,
        Job::Calls(job) => json!(attribute::run(job)?),
        Job::Polls(job) => json!(polls::run(job)?),
    };
    println!("{seen}");
    Ok(())
}

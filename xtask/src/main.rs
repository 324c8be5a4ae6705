//! The chores of this workspace, run as `cargo xtask <chore>`.
//!
//! Here is only which chores there are; each has a module. They say what they do before they do it. Deliberately
//! absent: dependencies, but for those that `layers` reads Rust with, so that a fresh checkout can run them soon.

mod bench;
mod campaign;
mod exhaustive;
mod fuzz;
mod layers;
mod minimal_versions;
mod miri;
mod mutants;
mod servers;
mod simulate;
mod steps;
mod targets;
mod test;
mod tools;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask test [arguments for cargo test]
       cargo xtask layers [PACKAGE..]
       cargo xtask bench [NAME] [--short]
       cargo xtask simulate [--seed N [--picture FILE] | --minutes M]
       cargo xtask exhaustive [--small | PLAN..]
       cargo xtask campaign [--seconds N] [--seed S]
       cargo xtask mutants [arguments for cargo mutants]
       cargo xtask miri [arguments for cargo test]
       cargo xtask fuzz [TARGET] [SECONDS]
       cargo xtask minimal-versions [arguments for cargo check]
       cargo xtask targets [arguments for cargo check]

  test    gets a redis-server and a valkey-server if they are missing, then runs every test.
          REDIS_SERVER and VALKEY_SERVER name binaries of your own.
          With arguments, `cargo xtask test -p lock-tests store`, only those tests are run.
  layers  checks that files use each other downwards only, and says where not; needs no compiling of what it reads.
          With a package it tells of all that ties that one's circles.
  bench   gets a redis-server if it is missing, then measures against peers and floors, twenty minutes long;
          NAME is one of `uncontended`, `delayed`, `contended`, `held`, `growth`, `crowd`, `attribute`, `polls`,
          `compiling`.
          Writes target/bench/report.md, and beside it plots and all samples.
          With --short it only sees that everything works, in a minute or so.
  simulate
          runs fleets of the library's core without sockets or time, 20000 of them, or for so many minutes, or one of them
          for a reader. The last line is the verdict; --help lists all that can be said.
  exhaustive
          lets a model checker see every state of one key: a few clients, a store, a few faults; minutes. The last line
          is the verdict, and says how many states there are; --help lists the plans.
  campaign
          gets a redis-server if it is missing, then lets processes lock, and servers, networks and processes fail, and
          checks what they wrote down; a minute long unless told otherwise. The last line is the verdict.
  mutants gets cargo-mutants, then changes the code that decides and looks whether a test notices; hours.
          `--shard 1/20` is a part of it. What nobody noticed stands in target/mutants.out/missed.txt.
  miri    gets a nightly compiler with Miri, then runs the tests of the pure parts under it; minutes.
  fuzz    gets a nightly compiler and cargo-fuzz, then gives anything to what reads text and replies, a minute each:
          `key_template`, `duration`, `reply`.
  minimal-versions
          gets a nightly compiler, then builds what users build with the lowest versions that our manifests allow.
  targets gets the standard libraries of other systems, then checks that the runtime compiles for them.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((chore, rest)) if chore == "test" => test::test(rest),
        Some((chore, rest)) if chore == "layers" => layers::layers(rest),
        Some((chore, rest)) if chore == "bench" => bench::bench(rest),
        Some((chore, rest)) if chore == "simulate" => simulate::simulate(rest),
        Some((chore, rest)) if chore == "exhaustive" => exhaustive::exhaustive(rest),
        Some((chore, rest)) if chore == "campaign" => campaign::campaign(rest),
        Some((chore, rest)) if chore == "mutants" => mutants::mutants(rest),
        Some((chore, rest)) if chore == "miri" => miri::miri(rest),
        Some((chore, rest)) if chore == "fuzz" => fuzz::fuzz(rest),
        Some((chore, rest)) if chore == "minimal-versions" => minimal_versions::minimal_versions(rest),
        Some((chore, rest)) if chore == "targets" => targets::targets(rest),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

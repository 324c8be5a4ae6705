//! An exhaustive check: every state of a few clients and one key, over the specification of all stores.

mod check;
mod client;
mod connections;
mod keepers;
mod memory;
mod moments;
mod names;
mod network;
mod packet;
mod plan;
mod plans;
mod program;
mod settling;
mod steps;
mod task;
mod tasks;
mod telling;
mod watching;
mod world;

pub use check::{Report, check, situations};
pub use memory::Broken;
pub use moments::Party;
pub use plan::{Faults, Plan};
pub use plans::{large, named, small};
pub use program::main;
pub use steps::Step;

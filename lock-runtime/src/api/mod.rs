//! What users touch: the client and how it is made, requests and guards, and what a failure becomes.

pub(crate) mod acquire;
pub(crate) mod builder;
pub(crate) mod client;
pub(crate) mod election;
pub(crate) mod error;
pub(crate) mod guard;
pub(crate) mod inspect;
pub(crate) mod installed;
pub(crate) mod lease;
pub(crate) mod options;
pub(crate) mod outcome;
#[cfg(feature = "redis")]
pub mod redis;
pub(crate) mod request;
mod schemes;
mod settings;
pub(crate) mod several;
pub(crate) mod success;

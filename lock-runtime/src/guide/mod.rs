//! What is told elsewhere than at an item: pages of documentation, without code.

pub mod events;
pub mod unpolled;

//! The attribute in a crate of edition 2021. Everything is in the tests.

//! Mistakes in the attribute: one file for each, named after it, with all that the compiler says about it.
//!
//! The texts are the compiler's of the pinned toolchain. `TRYBUILD=overwrite cargo test -p lock-tests --test ui` writes
//! them anew; read what changed.

#[test]
fn each_mistake_is_told_with_its_fix() {
    trybuild::TestCases::new().compile_fail("ui/*.rs");
}

use super::check;

use crate::layers::sample;

fn found(files: &[(&str, &str)], every_step: bool) -> Vec<String> {
    let sample = sample::of(files);
    check(&sample.tree, &sample.uses, every_step).iter().map(ToString::to_string).collect()
}

fn of(files: &[(&str, &str)]) -> Vec<String> {
    found(files, false)
}

#[test]
fn two_files_that_use_each_other_are_told_with_where() {
    let found = of(&[
        ("a/lib.rs", "mod b; mod c;"),
        ("a/b.rs", "\nuse crate::c::C; pub struct B;"),
        ("a/c.rs", "pub struct C;\n\nimpl C { fn f(_: crate::b::B) {} }"),
    ]);
    let [found] = &found[..] else { panic!("{found:?}") };
    assert!(found.starts_with("a/b.rs:2: this file and another use each other; put what both of two need into"));
    assert!(found.ends_with(":\n    a/b.rs:2 uses `C` of a/c.rs\n    a/c.rs:3 uses `B` of a/b.rs"), "{found}");
}

#[test]
fn a_longer_ring_is_told_step_by_step() {
    let files = [
        ("a/lib.rs", "mod b; mod c; mod d;"),
        ("a/b.rs", "fn f() { crate::c::f(); }"),
        ("a/c.rs", "pub fn f() { crate::d::f(); }"),
        ("a/d.rs", "pub fn f() { crate::b::f(); }"),
    ];
    let found = of(&files);
    let [found] = &found[..] else { panic!("{found:?}") };
    let steps: Vec<&str> = found.lines().skip(1).map(str::trim).collect();
    let ring = ["a/b.rs:1 uses `f` of a/c.rs", "a/c.rs:1 uses `f` of a/d.rs", "a/d.rs:1 uses `f` of a/b.rs"];
    assert_eq!(steps, ring);
}

#[test]
fn a_knot_of_methods_is_one_though_no_file_names_another() {
    let files = [
        ("a/lib.rs", "mod core; mod b; mod c;"),
        ("a/core.rs", "pub struct Core;"),
        ("a/b.rs", "use crate::core::Core; impl Core { pub fn get(&self) { self.insert(); } }"),
        ("a/c.rs", "use crate::core::Core; impl Core { pub fn insert(&self) { self.get(); } }"),
    ];
    let found = of(&files);
    let [found] = &found[..] else { panic!("{found:?}") };
    assert!(
        found.contains("a/b.rs:1 uses `.insert()` of a/c.rs") && found.contains("a/c.rs:1 uses `.get()` of a/b.rs")
    );
}

#[test]
fn what_only_goes_down_is_no_circle() {
    let files = [
        ("a/lib.rs", "mod b; mod c; mod d;"),
        ("a/b.rs", "fn f() { crate::c::f(); crate::d::f(); }"),
        ("a/c.rs", "pub fn f() { crate::d::f(); }"),
        ("a/d.rs", "pub fn f() {}"),
    ];
    assert_eq!(of(&files), [""; 0]);
}

#[test]
fn a_program_whose_parts_use_its_main_file_is_a_circle() {
    let found =
        of(&[("a/lib.rs", "mod b; fn main() { b::f(); } fn root() {}"), ("a/b.rs", "pub fn f() { crate::root(); }")]);
    assert_eq!(found.len(), 1);
}

#[test]
fn of_a_knot_the_pairs_are_told_or_all_that_ties_it() {
    let files = [
        ("a/lib.rs", "mod b; mod c; mod d;"),
        ("a/b.rs", "pub fn f() { crate::c::f(); }"),
        ("a/c.rs", "pub fn f() { crate::b::f(); crate::d::f(); }"),
        ("a/d.rs", "pub fn f() { crate::b::f(); }"),
    ];
    let pairs = of(&files);
    assert!(pairs[0].contains("a knot of 3") && pairs[0].ends_with("and more among a/b.rs, a/c.rs, a/d.rs"));
    assert_eq!(pairs[0].lines().count(), 4);
    assert_eq!(found(&files, true)[0].lines().count(), 5);
}

//! Each sample is a crate `a` of a few files; what is asked is whether `b.rs` uses `c.rs`, and as what.

use crate::layers::sample;

const ROOT: (&str, &str) = ("a/lib.rs", "mod b; mod c; mod d;");

/// What the file uses of others: `c: A::new`.
fn used_by(path: &str, files: &[(&str, &str)]) -> Vec<String> {
    let sample = sample::of(files);
    let path_of = |file: usize| sample.tree.files[file].path.display().to_string();
    let shown = |path: String| path.trim_start_matches("a/").trim_end_matches(".rs").to_owned();
    let mut uses: Vec<String> = sample
        .uses
        .iter()
        .filter(|step| path_of(step.from) == format!("a/{path}.rs"))
        .map(|step| format!("{}: {}", shown(path_of(step.to)), step.what.trim_matches('`')))
        .collect();
    uses.dedup();
    uses
}

/// Of `b.rs`, beside which stand `c.rs` and `d.rs`.
fn uses(b: &str, c: &str, d: &str) -> Vec<String> {
    used_by("b", &[ROOT, ("a/b.rs", b), ("a/c.rs", c), ("a/d.rs", d)])
}

const NOBODY: [&str; 0] = [];

#[test]
fn a_path_is_a_use_of_the_file_that_defines_what_it_leads_to() {
    assert_eq!(uses("use crate::c::A;", "pub struct A;", ""), ["c: A"]);
    assert_eq!(uses("fn f() { super::c::g(); }", "pub fn g() {}", ""), ["c: g"]);
    assert_eq!(uses("use super::c; fn f(a: &c::A) {}", "pub struct A;", ""), ["c: A"]);
    assert_eq!(uses("use crate::{c::{self as e}}; fn f() { self::e::g(); }", "pub fn g() {}", ""), ["c: g"]);
    assert_eq!(uses("fn f() { match 1 { crate::c::ONE => {} _ => {} } }", "pub const ONE: u8 = 1;", ""), ["c: ONE"]);
    assert_eq!(uses("fn f() { let _ = a::c::A; }", "pub struct A;", ""), ["c: A"]);
}

#[test]
fn a_module_alone_is_no_use() {
    assert_eq!(uses("use crate::c;", "pub struct A;", ""), NOBODY);
}

#[test]
fn a_reexport_is_walked_through() {
    assert_eq!(uses("use crate::d::B;", "pub struct A;", "pub use crate::c::A as B;"), ["c: A"]);
    assert_eq!(uses("use crate::d::A;", "pub struct A;", "pub use crate::c::*;"), ["c: A"]);
    assert_eq!(uses("use crate::d::*; fn f(_: A) {}", "pub struct A;", "pub use crate::c::*;"), ["c: A"]);
    let index = [
        ("a/lib.rs", "mod b; mod folder;"),
        ("a/b.rs", "use crate::folder::A;"),
        ("a/folder/mod.rs", "mod c; pub use c::A;"),
        ("a/folder/c.rs", "pub struct A;"),
    ];
    assert_eq!(used_by("b", &index), ["folder/c: A"]);
}

#[test]
fn another_name_for_a_type_is_that_type_too() {
    let found =
        uses("fn f() { crate::d::B::new(); }", "pub struct A; impl A { pub fn new() {} }", "pub type B = crate::c::A;");
    assert_eq!(found, ["c: A::new", "c: A", "d: B"]);
}

#[test]
fn a_use_in_a_function_and_a_path_in_a_macro_count() {
    assert_eq!(uses("fn f() { use crate::c::*; g(); }", "pub fn g() {}", ""), ["c: g"]);
    assert_eq!(uses("fn f() { println!(\"{}\", crate::c::g(1)); }", "pub fn g(_: u8) {}", ""), ["c: g"]);
    assert_eq!(uses("macro_rules! m { () => { $crate::c::g() } }", "pub fn g() {}", ""), ["c: g"]);
    assert_eq!(uses("pin_project! { struct B { a: crate::c::A } }", "pub struct A;", ""), ["c: A"]);
}

#[test]
fn what_a_macro_makes_is_taken_to_be_where_it_is_named() {
    assert_eq!(uses("fn f() { crate::c::made(); }", "make! { made => 1 }", ""), ["c: made"]);
}

#[test]
fn a_method_behind_its_types_name_is_used_where_it_is() {
    let types = ("pub struct A;", "use crate::c::A; impl A { pub fn new() {} }");
    assert_eq!(uses("fn f() { crate::c::A::new(); }", types.0, types.1), ["c: A", "d: A::new"]);
}

#[test]
fn a_call_on_self_is_one_of_its_type_in_whichever_file() {
    let split = "use crate::d::A; impl A { pub(crate) fn insert(&self) {} }";
    let b = "use crate::d::A; impl A { fn f(&self) { self.insert(); } }";
    assert_eq!(uses(b, split, "pub struct A;"), ["c: .insert()", "d: A"]);
    let own = "use crate::d::A; impl A { fn f(&self) { self.insert(); } fn insert(&self) {} }";
    assert_eq!(uses(own, "pub struct B; impl B { pub fn insert(&self) {} }", "pub struct A;"), ["d: A"]);
}

#[test]
fn a_call_of_a_name_that_one_file_has_is_one_of_that_file() {
    let c = "pub struct A; impl A { pub fn settle(&self, _: u8) {} }";
    assert_eq!(uses("fn f() { g().settle(1); }", c, ""), ["c: .settle()"]);
    assert_eq!(uses("fn f() { vec![g().settle(1)]; }", c, ""), ["c: .settle()"]);
    assert_eq!(uses("fn f() { g().settle(); }", c, ""), NOBODY, "so it is another's: that one takes an argument");
    assert_eq!(uses("fn f() { g().settle(1); }", "impl A { pub fn settle(_: u8, _: u8) {} } struct A;", ""), NOBODY);
}

#[test]
fn a_trait_has_its_methods_and_who_implements_it_has_none() {
    let c = "pub trait T { fn settle(&self); }";
    assert_eq!(
        uses("fn f() { g().settle(); }", c, "impl crate::c::T for u8 { fn settle(&self) {} }"),
        ["c: .settle()"]
    );
}

#[test]
fn a_common_name_says_nothing() {
    assert_eq!(uses("fn f() { g().insert(); }", "pub struct A; impl A { pub fn insert(&self) {} }", ""), NOBODY);
}

#[test]
fn of_several_with_a_name_it_is_those_whose_type_is_named() {
    let (c, d) =
        ("pub struct A; impl A { pub fn settle(&self) {} }", "pub struct B; impl B { pub fn settle(&self) {} }");
    assert_eq!(uses("fn f() { g().settle(); }", c, d), NOBODY);
    assert_eq!(uses("fn f(b: &crate::d::B) { b.settle(); }", c, d), ["d: .settle()", "d: B"]);
    let own = "struct C; impl C { fn settle(&self) {} } fn f(b: &crate::d::B) { b.settle(); }";
    assert_eq!(uses(own, c, d), ["d: B"]);
}

#[test]
fn other_crates_have_methods_too() {
    let files = |b: &'static str| {
        [
            ("a/lib.rs", "mod b; mod c;"),
            ("a/b.rs", b),
            ("a/c.rs", "pub struct A; impl A { pub fn settle(&self) {} }"),
            ("other/lib.rs", "pub struct B; impl B { pub fn settle(&self) {} }"),
        ]
    };
    assert_eq!(used_by("b", &files("fn f() { g().settle(); }")), ["c: .settle()"]);
    assert_eq!(used_by("b", &files("fn f(b: other::B) { b.settle(); }")), NOBODY);
}

#[test]
fn tests_use_whom_they_like() {
    assert_eq!(uses("#[cfg(test)] mod tests { use crate::c::A; }", "pub struct A;", ""), NOBODY);
    assert_eq!(uses("#[cfg(test)] use crate::c::A;", "pub struct A;", ""), NOBODY);
    let files = [
        ("a/lib.rs", "mod b; mod c;"),
        ("a/b.rs", "#[cfg(test)] mod tests;"),
        ("a/b/tests.rs", "use crate::c::A;"),
        ("a/c.rs", "pub struct A;"),
    ];
    assert_eq!(used_by("b/tests", &files), NOBODY);
}

#[test]
fn an_index_uses_nobody_and_a_module_with_code_does() {
    let files = |index: &'static str| {
        [("a/lib.rs", "mod folder;"), ("a/folder/mod.rs", index), ("a/folder/c.rs", "pub struct A;")]
    };
    assert_eq!(used_by("folder/mod", &files("mod c; pub use c::A;")), NOBODY);
    assert_eq!(used_by("folder/mod", &files("mod c; use c::A; fn f(_: A) {}")), ["folder/c: A"]);
}

#[test]
fn a_child_names_its_parents_types_and_none_of_its_functions() {
    let child = |code: &'static str| {
        let parent = "mod c; pub struct A; pub trait T { fn settle(&self); } fn g() {} const ONE: u8 = 1;
                      impl A { fn new() -> A { A } fn begin(&self) {} }";
        used_by("b/c", &[("a/lib.rs", "mod b;"), ("a/b.rs", parent), ("a/b/c.rs", code)])
    };
    assert_eq!(child("use super::A; impl super::T for u8 {} fn f(a: &crate::b::A) { h().settle(); }"), NOBODY);
    assert_eq!(child("fn f() { super::g(); }"), ["b: g"]);
    assert_eq!(child("use super::ONE;"), ["b: ONE"]);
    assert_eq!(child("use super::A; fn f() { A::new(); }"), ["b: A::new"]);
    assert_eq!(child("fn f(a: &super::A) { a.begin(); }"), ["b: .begin()"]);
}

#[test]
fn a_grandchild_is_no_child() {
    let files = [
        ("a/lib.rs", "mod b;"),
        ("a/b.rs", "mod c; pub struct A;"),
        ("a/b/c.rs", "mod d;"),
        ("a/b/c/d.rs", "use crate::b::A;"),
    ];
    assert_eq!(used_by("b/c/d", &files), ["b: A"]);
}

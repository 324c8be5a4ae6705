use super::*;

use crate::layers::source::read::read;
use crate::layers::source::tree::Root;

fn of(text: &str) -> Vec<String> {
    let root = Root { package: "a".into(), name: None, path: "lib.rs".into() };
    let tree = read(&[root], &|_: &std::path::Path| Some(text.to_owned())).expect("it parses");
    let shown = |mention: Mention| {
        let name = match mention.what {
            What::Path(path) | What::Import(path) => path.join("::"),
            What::OnSelf { owner, call } => format!("<{}>.{}", owner.join("::"), call.name),
            What::Call(call) => format!(".{}", call.name),
        };
        format!("{}{name}", if mention.is_test { "test " } else { "" })
    };
    mentions(&tree.modules[0]).into_iter().map(shown).collect()
}

#[test]
fn self_is_the_type_that_an_impl_is_for() {
    let found = of("impl<T> a::B<T> { fn f(&self) { self.g(); (&mut *self).h(); self.field.i(); Self::k(); } }");
    for expected in ["<a::B>.g", "<a::B>.h", ".i", "a::B::k"] {
        assert!(found.iter().any(|found| found == expected), "{expected} is missing in {found:?}");
    }
}

#[test]
fn self_without_a_name_is_nobodys() {
    let found = of("impl dyn a::T { fn f(&self) { self.g(); } } impl [u8] { fn f(&self) { self.g(); Self::h(); } }");
    assert!(found.contains(&"<a::T>.g".to_owned()) && found.contains(&".g".to_owned()), "{found:?}");
    assert!(!found.iter().any(|found| found.ends_with('h')), "{found:?}");
}

#[test]
fn what_is_for_tests_is_told_apart() {
    assert_eq!(of("fn f() { a(); #[cfg(test)] b(); #[cfg(test)] { c(); } }"), ["a", "test b", "test c"]);
    assert_eq!(of("#[test] fn f() { a(); } impl S { #[cfg(test)] fn f() { b(); } }"), ["test a", "S", "test b"]);
}

#[test]
fn names_in_macros_count_and_paths_in_attributes() {
    assert_eq!(of("#[derive(B)] #[doc = \"a::b\"] #[c(d = e::f)] struct S(#[g(h)] E);"), ["e::f", "E"]);
    assert_eq!(of("fn f() { vec![a::b(), c.d()]; }"), ["vec", "a::b", "c", ".d"]);
}

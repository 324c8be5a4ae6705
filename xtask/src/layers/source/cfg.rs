//! Whether an item is compiled for tests alone.
//!
//! Deliberately absent: any other condition; what stands under `unix` or a feature counts wherever it may be compiled.

use syn::punctuated::Punctuated;
use syn::{Attribute, ImplItem, Item, Meta, Token};

/// Whether one of the attributes is `#[test]`, or a `cfg` that only holds in tests.
pub(crate) fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::Path(path) => path.is_ident("test"),
        meta if attribute.path().is_ident("cfg") => parts(meta).first().is_some_and(wants_test),
        _ => false,
    })
}

fn wants_test(condition: &Meta) -> bool {
    let path = condition.path();
    if path.is_ident("all") {
        return parts(condition).iter().any(wants_test);
    }
    if path.is_ident("any") {
        let parts = parts(condition);
        return !parts.is_empty() && parts.iter().all(wants_test);
    }
    path.is_ident("test") || path.is_ident("doctest")
}

fn parts(meta: &Meta) -> Vec<Meta> {
    let Meta::List(list) = meta else { return Vec::new() };
    let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
    parts.map(|parts| parts.into_iter().collect()).unwrap_or_default()
}

/// The attributes of an item.
pub(crate) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// The attributes of what stands in an `impl`.
pub(crate) fn attributes_in_impl(item: &ImplItem) -> &[Attribute] {
    match item {
        ImplItem::Const(item) => &item.attrs,
        ImplItem::Fn(item) => &item.attrs,
        ImplItem::Type(item) => &item.attrs,
        ImplItem::Macro(item) => &item.attrs,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(item: &str) -> bool {
        is_test(attributes(&syn::parse_str(item).expect("an item")))
    }

    #[test]
    fn only_what_needs_a_test_to_be_compiled_is_a_test() {
        assert!(of("#[test] fn f() {}") && of("#[cfg(test)] mod tests;") && of("#[cfg(doctest)] struct Readme;"));
        assert!(of("#[cfg(all(test, unix))] mod tests;") && of("#[cfg(any(test, doctest))] mod tests;"));
        assert!(!of("#[cfg(not(test))] mod a;") && !of("#[cfg(any(test, fuzzing))] mod a;") && !of("mod tests;"));
        assert!(!of("#[cfg(feature = \"test\")] mod a;") && !of("#[derive(Debug)] struct S;"));
    }
}

//! What an item is, as far as it matters who uses it.
//!
//! What stands in a macro's braces counts as items where it reads as items, as in `pin_project! {}`. Deliberately
//! absent: what is inside an item.

use syn::Item;

use super::cfg;
use super::imports::Segments;

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Type,
    /// Another name for a type.
    Alias(Segments),
    /// A function, a constant, a macro.
    Other,
}

/// Whether a file of these is an index: modules, and names of what others define.
pub(crate) fn is_index(items: &[Item]) -> bool {
    items.iter().any(|item| matches!(item, Item::Mod(_))) && defines_nothing(items)
}

fn defines_nothing(items: &[Item]) -> bool {
    items.iter().filter(|item| !cfg::is_test(cfg::attributes(item))).all(|item| match item {
        Item::Mod(module) => module.content.as_ref().is_none_or(|(_, items)| defines_nothing(items)),
        Item::Use(_) | Item::ExternCrate(_) => true,
        _ => false,
    })
}

/// The items that a macro is given.
pub(crate) fn in_macro(invocation: &syn::Macro) -> Vec<Item> {
    if invocation.path.is_ident("macro_rules") {
        return Vec::new();
    }
    let parsed = syn::parse2::<syn::File>(invocation.tokens.clone()).map(|file| file.items).unwrap_or_default();
    let is_known = parsed.iter().all(|item| !matches!(item, Item::Verbatim(_) | Item::Mod(_) | Item::Macro(_)));
    if is_known { parsed } else { Vec::new() }
}

/// The name of an item, if it has one.
pub(crate) fn name_and_kind(item: &Item) -> Option<(String, Kind)> {
    let (name, kind) = match item {
        Item::Struct(item) => (&item.ident, Kind::Type),
        Item::Enum(item) => (&item.ident, Kind::Type),
        Item::Union(item) => (&item.ident, Kind::Type),
        Item::Trait(item) => (&item.ident, Kind::Type),
        Item::TraitAlias(item) => (&item.ident, Kind::Type),
        Item::Type(item) => match &*item.ty {
            syn::Type::Path(aliased) => (&item.ident, Kind::Alias(segments(&aliased.path))),
            _ => (&item.ident, Kind::Type),
        },
        Item::Fn(item) => (&item.sig.ident, Kind::Other),
        Item::Const(item) => (&item.ident, Kind::Other),
        Item::Static(item) => (&item.ident, Kind::Other),
        Item::Macro(item) => (item.ident.as_ref()?, Kind::Other),
        _ => return None,
    };
    Some((name.to_string(), kind))
}

/// A path as its names.
pub(crate) fn segments(path: &syn::Path) -> Segments {
    let start = path.leading_colon.map(|_| String::new());
    start.into_iter().chain(path.segments.iter().map(|segment| segment.ident.to_string())).collect()
}

/// The path of what an `impl` is for, as far as it has one: a type's, or the first trait's of a `dyn`.
pub(crate) fn path_of(implemented: &syn::Type) -> Option<Segments> {
    match implemented {
        syn::Type::Path(path) => Some(segments(&path.path)),
        syn::Type::Reference(reference) => path_of(&reference.elem),
        syn::Type::TraitObject(object) => object.bounds.iter().find_map(|bound| match bound {
            syn::TypeParamBound::Trait(bound) => Some(segments(&bound.path)),
            _ => None,
        }),
        _ => None,
    }
}

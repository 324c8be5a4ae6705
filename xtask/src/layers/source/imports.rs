//! A `use` as its leaves: one path each, and the name that it gives.
//!
//! Deliberately absent: what the paths lead to.

use syn::{ItemUse, UseTree};

/// The segments of a path; the first is empty where it begins with `::`.
pub(crate) type Segments = Vec<String>;

/// One name, or all names, that a `use` brings.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    pub(crate) path: Segments,
    /// None for `*`, and for `as _`.
    pub(crate) name: Option<String>,
    pub(crate) is_glob: bool,
    pub(crate) line: usize,
}

/// All that a `use` brings, in the order written.
pub(crate) fn leaves(item: &ItemUse) -> Vec<Leaf> {
    let start = if item.leading_colon.is_some() { vec![String::new()] } else { Vec::new() };
    let mut leaves = Vec::new();
    gather(&item.tree, &start, &mut leaves);
    leaves
}

fn gather(tree: &UseTree, before: &[String], leaves: &mut Vec<Leaf>) {
    let with = |name: String| [before, &[name]].concat();
    match tree {
        UseTree::Path(path) => gather(&path.tree, &with(path.ident.to_string()), leaves),
        UseTree::Group(group) => group.items.iter().for_each(|tree| gather(tree, before, leaves)),
        UseTree::Glob(glob) => {
            let line = glob.star_token.span.start().line;
            leaves.push(Leaf { path: before.to_vec(), name: None, is_glob: true, line });
        }
        UseTree::Name(name) => {
            let itself = name.ident == "self" && !before.is_empty();
            let path = if itself { before.to_vec() } else { with(name.ident.to_string()) };
            let line = name.ident.span().start().line;
            leaves.push(Leaf { name: path.last().cloned(), path, is_glob: false, line });
        }
        UseTree::Rename(renamed) => {
            let itself = renamed.ident == "self" && !before.is_empty();
            let path = if itself { before.to_vec() } else { with(renamed.ident.to_string()) };
            let name = Some(renamed.rename.to_string()).filter(|name| name != "_");
            leaves.push(Leaf { path, name, is_glob: false, line: renamed.ident.span().start().line });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_all_its_paths() {
        let item = syn::parse_str("use a::{self, b::C as D, e::*, F as _};").expect("a use");
        let found: Vec<_> = leaves(&item).into_iter().map(|leaf| (leaf.path.join("::"), leaf.name)).collect();
        let named = |path: &str, name: &str| (path.to_owned(), Some(name.to_owned()));
        let nameless = |path: &str| (path.to_owned(), None);
        assert_eq!(found, [named("a", "a"), named("a::b::C", "D"), nameless("a::e"), nameless("a::F")]);
    }

    #[test]
    fn a_path_from_outside_begins_with_nothing() {
        let item = syn::parse_str("use ::redis;").expect("a use");
        assert_eq!(leaves(&item)[0].path, ["", "redis"]);
    }
}

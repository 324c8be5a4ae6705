//! Where a path leads: through `crate`, `self`, `super`, the names of a module, and what it re-exports, to the module
//! that defines the item.
//!
//! Must stay true: a re-export is walked through, and never an end. A name that a module does not show, as one that a
//! macro makes, is taken to be defined there. Deliberately absent: privacy, and whether a name is a type's or a
//! value's: where it may be two things it is both.

use super::imports::Segments;
use super::items::Kind;
use super::tree::{ModuleId, Name, Tree};

/// An item, by the module that defines it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) module: ModuleId,
    pub(crate) name: String,
}

/// An item that a path leads to, and what of the path goes on inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) place: Place,
    pub(crate) is_type: bool,
    pub(crate) rest: Segments,
}

/// The items that this path may mean in this module; none if it leads to a module or out of the workspace.
pub(crate) fn resolve(tree: &Tree, module: ModuleId, path: &[String]) -> Vec<Found> {
    Walk { tree, seen: Vec::new() }.path(module, path).into_iter().filter_map(End::item).collect()
}

/// Whether the first name of a path is one of this module's own, and none of another crate's.
pub(crate) fn is_known(tree: &Tree, module: ModuleId, name: &str) -> bool {
    let mut walk = Walk { tree, seen: Vec::new() };
    matches!(name, "crate" | "self" | "super" | "Self") || !walk.lookup(module, name).is_empty()
}

enum End {
    Module(ModuleId),
    Item(Found),
}

impl End {
    fn item(self) -> Option<Found> {
        match self {
            Self::Module(_) => None,
            Self::Item(found) => Some(found),
        }
    }
}

struct Walk<'a> {
    tree: &'a Tree,
    /// The names on the way, since modules may re-export each other.
    seen: Vec<(ModuleId, String)>,
}

impl Walk<'_> {
    fn path(&mut self, module: ModuleId, path: &[String]) -> Vec<End> {
        let Some((first, rest)) = path.split_first() else { return vec![End::Module(module)] };
        let here = &self.tree.modules[module];
        match first.as_str() {
            "crate" => self.inside(here.root, rest),
            "self" => self.inside(module, rest),
            "super" => here.parent.map(|parent| self.path_from_parent(parent, rest)).unwrap_or_default(),
            "" => self.library(rest),
            name => {
                let ends = self.lookup(module, name);
                if ends.is_empty() { self.library(path) } else { self.onward(ends, rest) }
            }
        }
    }

    fn path_from_parent(&mut self, parent: ModuleId, rest: &[String]) -> Vec<End> {
        if rest.first().is_some_and(|next| next == "super") {
            self.path(parent, rest)
        } else {
            self.inside(parent, rest)
        }
    }

    fn library(&mut self, path: &[String]) -> Vec<End> {
        let root = path.split_first().and_then(|(name, rest)| Some((*self.tree.libraries.get(name)?, rest)));
        root.map(|(root, rest)| self.inside(root, rest)).unwrap_or_default()
    }

    /// The rest of a path that has led to a module.
    fn inside(&mut self, module: ModuleId, path: &[String]) -> Vec<End> {
        let Some((name, rest)) = path.split_first() else { return vec![End::Module(module)] };
        let ends = self.lookup(module, name);
        let here = &self.tree.modules[module];
        let hides_nothing = here.globs.is_empty() && !self.tree.files[here.file].is_index;
        if ends.is_empty() && hides_nothing && !here.names.contains_key(name) {
            let place = Place { module, name: name.clone() };
            return vec![End::Item(Found { place, is_type: false, rest: rest.to_vec() })];
        }
        self.onward(ends, rest)
    }

    fn onward(&mut self, ends: Vec<End>, rest: &[String]) -> Vec<End> {
        let mut reached = Vec::new();
        for end in ends {
            match end {
                End::Module(module) => reached.extend(self.inside(module, rest)),
                End::Item(mut found) => {
                    found.rest.extend_from_slice(rest);
                    reached.push(End::Item(found));
                }
            }
        }
        reached
    }

    /// What a name stands for in a module: its own, else what its globs bring.
    fn lookup(&mut self, module: ModuleId, name: &str) -> Vec<End> {
        let step = (module, name.to_owned());
        if self.seen.contains(&step) {
            return Vec::new();
        }
        self.seen.push(step);
        let here = &self.tree.modules[module];
        let mut ends = Vec::new();
        for stands_for in here.names.get(name).into_iter().flatten() {
            match stands_for {
                Name::Module(module) => ends.push(End::Module(*module)),
                Name::Import(path) => ends.extend(self.path(module, path)),
                Name::Item(Kind::Alias(path)) => ends.extend(self.alias(module, name, path)),
                Name::Item(kind) => ends.push(item(module, name, matches!(kind, Kind::Type))),
            }
        }
        if ends.is_empty() {
            for glob in &here.globs {
                for end in self.path(module, glob) {
                    if let End::Module(brought) = end {
                        ends.extend(self.lookup(brought, name));
                    }
                }
            }
        }
        self.seen.pop();
        ends
    }

    /// Another name for a type is a type of its own, and the other type as well.
    fn alias(&mut self, module: ModuleId, name: &str, path: &[String]) -> Vec<End> {
        let mut ends = self.path(module, path);
        ends.push(item(module, name, true));
        ends
    }
}

fn item(module: ModuleId, name: &str, is_type: bool) -> End {
    End::Item(Found { place: Place { module, name: name.to_owned() }, is_type, rest: Vec::new() })
}

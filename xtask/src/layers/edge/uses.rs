//! Which file of a crate uses which other, and where.
//!
//! A path is a use of the file that defines what it leads to, through all re-exports. A call on `self`, or behind a
//! type's name, is one of the file that has this method of this type. Any other call goes by the method's name, as
//! nothing here knows the type of a value:
//!
//! - a common name (`common`) is nobody's;
//! - if one file alone has a method of this name, in this crate or in those that it names, then it is that one;
//! - if several have, and this file is one of them, then it is its own;
//! - else it is that of each type that this file names.
//!
//! An index uses nobody, and a child may name the types of its parent, whose functions it may not call. Deliberately
//! absent: tests, which may use anything, and what no path says: a macro that is called by its bare name.

use std::collections::{BTreeMap, BTreeSet};

use super::common::is_common;
use crate::layers::source::impls::{Impls, Method};
use crate::layers::source::mentions::{Call, Mention, What, mentions};
use crate::layers::source::resolve::{Found, Place, resolve};
use crate::layers::source::tree::{FileId, ModuleId, Tree};

/// One use of a file by another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Use {
    pub(crate) from: FileId,
    pub(crate) to: FileId,
    pub(crate) line: usize,
    /// What is used: `Model`, `Model::new`, `.step()`.
    pub(crate) what: String,
}

/// All uses, in order.
pub(crate) fn uses(tree: &Tree, impls: &Impls) -> Vec<Use> {
    let mut gathering =
        Gathering { tree, impls, named: BTreeMap::new(), visible: BTreeMap::new(), uses: BTreeSet::new() };
    let all: Vec<(ModuleId, Vec<Mention>)> = (0..tree.modules.len()).map(|id| (id, gathering.mentioned(id))).collect();
    for (module, mentions) in &all {
        for mention in mentions {
            gathering.path(*module, mention);
        }
    }
    for (module, mentions) in &all {
        for mention in mentions {
            gathering.call(*module, mention);
        }
    }
    gathering.uses.into_iter().collect()
}

struct Gathering<'a> {
    tree: &'a Tree,
    impls: &'a Impls,
    /// The types that each file names.
    named: BTreeMap<FileId, BTreeSet<Place>>,
    /// The crates that each crate names, by their roots.
    visible: BTreeMap<ModuleId, BTreeSet<ModuleId>>,
    uses: BTreeSet<Use>,
}

impl<'a> Gathering<'a> {
    fn mentioned(&self, module: ModuleId) -> Vec<Mention> {
        let module = &self.tree.modules[module];
        if self.tree.files[module.file].is_index {
            return Vec::new();
        }
        mentions(module).into_iter().filter(|mention| !mention.is_test).collect()
    }

    fn path(&mut self, module: ModuleId, mention: &Mention) {
        let path = match &mention.what {
            What::Path(path) | What::Import(path) => path,
            What::OnSelf { owner, .. } => owner,
            What::Call(_) => return,
        };
        let here = &self.tree.modules[module];
        for found in resolve(self.tree, module, path) {
            self.visible.entry(here.root).or_default().insert(self.tree.modules[found.place.module].root);
            if found.is_type {
                self.named.entry(here.file).or_default().insert(found.place.clone());
            }
            let name = format!("`{}`", found.place.name);
            self.add(module, self.tree.modules[found.place.module].file, mention.line, name, found.is_type);
            self.behind_a_type(module, mention.line, &found);
        }
    }

    /// `Type::method`
    fn behind_a_type(&mut self, module: ModuleId, line: usize, found: &Found) {
        let Some(name) = found.rest.first().filter(|_| found.is_type) else { return };
        for method in self.impls.named(name).filter(|method| method.of == found.place) {
            self.add(module, method.file, line, format!("`{}::{name}`", found.place.name), method.is_of_trait);
        }
    }

    fn call(&mut self, module: ModuleId, mention: &Mention) {
        let (call, methods) = match &mention.what {
            What::Path(_) | What::Import(_) => return,
            What::Call(call) => (call, self.by_name(module, call)),
            What::OnSelf { owner, call } => (call, self.on_self(module, owner, call)),
        };
        for method in methods {
            self.add(module, method.file, mention.line, format!("`.{}()`", call.name), method.is_of_trait);
        }
    }

    fn on_self(&self, module: ModuleId, owner: &[String], call: &Call) -> Vec<&'a Method> {
        let owners: Vec<Place> = resolve(self.tree, module, owner).into_iter().map(|found| found.place).collect();
        let methods = self.answering(module, call);
        let of_owner: Vec<&Method> = methods.into_iter().filter(|method| owners.contains(&method.of)).collect();
        if of_owner.is_empty() { self.by_name(module, call) } else { of_owner }
    }

    /// The methods that a call of this name may mean: see the file's head.
    fn by_name(&self, module: ModuleId, call: &Call) -> Vec<&'a Method> {
        if is_common(&call.name) {
            return Vec::new();
        }
        let here = self.tree.modules[module].file;
        let methods = self.answering(module, call);
        let files: BTreeSet<FileId> = methods.iter().map(|method| method.file).collect();
        if files.len() <= 1 {
            return methods;
        }
        if files.contains(&here) {
            return Vec::new();
        }
        let named = self.named.get(&here);
        methods.into_iter().filter(|method| named.is_some_and(|named| named.contains(&method.of))).collect()
    }

    /// All methods of this name and as many arguments, in this crate and in those that it names.
    fn answering(&self, module: ModuleId, call: &Call) -> Vec<&'a Method> {
        let root = self.tree.modules[module].root;
        let visible = self.visible.get(&root);
        let is_visible = |method: &Method| {
            let other = self.tree.modules[method.of.module].root;
            other == root || visible.is_some_and(|visible| visible.contains(&other))
        };
        let methods = self.impls.named(&call.name).filter(|method| method.answers(call.arguments));
        methods.filter(|method| is_visible(method)).collect()
    }

    fn add(&mut self, module: ModuleId, to: FileId, line: usize, what: String, names_a_type: bool) {
        let from = self.tree.modules[module].file;
        let is_within = self.tree.modules[module].root == self.tree.files[to].root;
        let is_parents_type = names_a_type && self.tree.files[from].parent == Some(to);
        if is_within && from != to && !is_parents_type {
            self.uses.insert(Use { from, to, line, what });
        }
    }
}

#[cfg(test)]
mod tests;

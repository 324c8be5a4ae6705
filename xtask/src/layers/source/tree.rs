//! The modules of the workspace's crates, each with its file, its items and the names in it.
//!
//! Must stay true: a file that two crates share is two files here. Deliberately absent: how it is read (`read`), and
//! where a path leads (`resolve`).

use std::collections::BTreeMap;
use std::path::PathBuf;

use syn::Item;

use super::imports::Segments;
use super::items::Kind;

pub(crate) type ModuleId = usize;
pub(crate) type FileId = usize;

/// Where a crate begins.
#[derive(Clone, Debug)]
pub(crate) struct Root {
    pub(crate) package: String,
    /// What paths of other crates call it; programs have none.
    pub(crate) name: Option<String>,
    pub(crate) path: PathBuf,
}

/// What a name in a module stands for.
#[derive(Debug)]
pub(crate) enum Name {
    Module(ModuleId),
    Item(Kind),
    Import(Segments),
}

#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    /// The first module of its crate.
    pub(crate) root: ModuleId,
    /// The file whose module this one is a child of.
    pub(crate) parent: Option<FileId>,
    /// It holds nothing but modules and names of what others define.
    pub(crate) is_index: bool,
    pub(crate) is_test: bool,
}

pub(crate) struct Module {
    pub(crate) file: FileId,
    pub(crate) root: ModuleId,
    pub(crate) parent: Option<ModuleId>,
    pub(crate) is_test: bool,
    pub(crate) names: BTreeMap<String, Vec<Name>>,
    pub(crate) globs: Vec<Segments>,
    /// All but modules.
    pub(crate) items: Vec<Item>,
}

#[derive(Default)]
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
    pub(crate) modules: Vec<Module>,
    /// By what paths of others call them.
    pub(crate) libraries: BTreeMap<String, ModuleId>,
}

//! Reads the files of a crate, module by module, from where it begins.
//!
//! Must stay true: each module knows whether it is for tests alone. Deliberately absent: other conditions; a module
//! that one system compiles is there on all of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse};

use super::cfg;
use super::imports;
use super::items;
use super::tree::{File, FileId, Module, ModuleId, Name, Root, Tree};

/// How a file is read: its text, or nothing where there is no such file.
pub(crate) type Read<'a> = &'a dyn Fn(&Path) -> Option<String>;

/// Reads all files of these crates.
pub(crate) fn read(roots: &[Root], read: Read<'_>) -> Result<Tree, String> {
    let mut tree = Tree::default();
    for root in roots {
        let id = tree.modules.len();
        let folder = root.path.parent().unwrap_or(Path::new("")).to_owned();
        let mut reader = Reader { tree: &mut tree, read, root: id };
        reader.file(root.path.clone(), &folder, None, false)?;
        if let Some(name) = &root.name {
            tree.libraries.insert(name.clone(), id);
        }
    }
    Ok(tree)
}

struct Reader<'a> {
    tree: &'a mut Tree,
    read: Read<'a>,
    root: ModuleId,
}

impl Reader<'_> {
    /// A file, whose modules lie in `folder`.
    fn file(&mut self, path: PathBuf, folder: &Path, parent: Option<ModuleId>, test: bool) -> Result<ModuleId, String> {
        let source = (self.read)(&path).ok_or_else(|| format!("{} is missing", path.display()))?;
        let parsed = syn::parse_file(&source)
            .map_err(|error| format!("{}:{}: {error}", path.display(), error.span().start().line))?;
        let is_test = test || cfg::is_test(&parsed.attrs);
        let file = self.tree.files.len();
        let parent_file = parent.map(|parent| self.tree.modules[parent].file);
        let is_index = items::is_index(&parsed.items);
        let root = self.root;
        self.tree.files.push(File { path, root, parent: parent_file, is_index, is_test });
        self.module(parsed.items, file, folder, parent, is_test)
    }

    fn module(
        &mut self,
        items: Vec<Item>,
        file: FileId,
        folder: &Path,
        parent: Option<ModuleId>,
        is_test: bool,
    ) -> Result<ModuleId, String> {
        let id = self.tree.modules.len();
        let (names, globs) = (BTreeMap::new(), Vec::new());
        self.tree.modules.push(Module { file, root: self.root, parent, is_test, names, globs, items: Vec::new() });
        for item in items {
            match item {
                Item::Mod(module) => self.child(module, id, folder)?,
                item => self.item(item, id),
            }
        }
        let items = std::mem::take(&mut self.tree.modules[id].items);
        for item in &items {
            self.inner_imports(item, id);
        }
        self.tree.modules[id].items = items;
        Ok(id)
    }

    fn child(&mut self, module: ItemMod, parent: ModuleId, folder: &Path) -> Result<(), String> {
        let name = module.ident.to_string();
        let test = self.tree.modules[parent].is_test || cfg::is_test(&module.attrs);
        let inner = folder.join(&name);
        let id = if let Some((_, items)) = module.content {
            self.module(items, self.tree.modules[parent].file, &inner, Some(parent), test)?
        } else if let Some(path) = named_path(&module.attrs) {
            let beside = self.tree.files[self.tree.modules[parent].file].path.clone();
            let path = beside.parent().unwrap_or(Path::new("")).join(path);
            let folder = path.parent().unwrap_or(Path::new("")).to_owned();
            self.file(path, &folder, Some(parent), test)?
        } else {
            let flat = inner.with_extension("rs");
            let path = if (self.read)(&flat).is_some() { flat } else { inner.join("mod.rs") };
            self.file(path, &inner, Some(parent), test)?
        };
        self.name(parent, name, Name::Module(id));
        Ok(())
    }

    fn item(&mut self, item: Item, module: ModuleId) {
        let inside = if let Item::Macro(item) = &item { items::in_macro(&item.mac) } else { Vec::new() };
        for item in inside {
            self.item(item, module);
        }
        match &item {
            Item::Use(item) => self.imports(item, module),
            item => {
                if let Some((name, kind)) = items::name_and_kind(item) {
                    self.name(module, name, Name::Item(kind));
                }
            }
        }
        self.tree.modules[module].items.push(item);
    }

    fn imports(&mut self, item: &ItemUse, module: ModuleId) {
        for leaf in imports::leaves(item) {
            if leaf.is_glob {
                self.tree.modules[module].globs.push(leaf.path);
            } else if let Some(name) = leaf.name {
                self.name(module, name, Name::Import(leaf.path));
            }
        }
    }

    /// A `use` inside a function counts for its module, unless the module knows the name as something else.
    fn inner_imports(&mut self, item: &Item, module: ModuleId) {
        if matches!(item, Item::Use(_)) {
            return;
        }
        let mut inner = InnerImports::default();
        inner.visit_item(item);
        for leaf in inner.0.into_iter().flat_map(imports::leaves) {
            if leaf.is_glob {
                self.tree.modules[module].globs.push(leaf.path);
            } else if let Some(name) = leaf.name.filter(|name| !self.tree.modules[module].names.contains_key(name)) {
                self.name(module, name, Name::Import(leaf.path));
            }
        }
    }

    fn name(&mut self, module: ModuleId, name: String, stands_for: Name) {
        self.tree.modules[module].names.entry(name).or_default().push(stands_for);
    }
}

#[derive(Default)]
struct InnerImports<'ast>(Vec<&'ast ItemUse>);

impl<'ast> Visit<'ast> for InnerImports<'ast> {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.0.push(item);
        visit::visit_item_use(self, item);
    }
}

fn named_path(attributes: &[Attribute]) -> Option<String> {
    let value =
        attributes.iter().find(|attribute| attribute.path().is_ident("path"))?.meta.require_name_value().ok()?;
    match &value.value {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(path), .. }) => Some(path.value()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(files: &[(&str, &str)]) -> Result<Vec<(String, bool, bool)>, String> {
        let text = |path: &Path| files.iter().find(|(name, _)| Path::new(name) == path).map(|(_, text)| (*text).into());
        let root = Root { package: "a".into(), name: None, path: files[0].0.into() };
        let tree = read(&[root], &text)?;
        Ok(tree.files.into_iter().map(|file| (file.path.display().to_string(), file.is_index, file.is_test)).collect())
    }

    fn file(path: &str, is_index: bool, is_test: bool) -> (String, bool, bool) {
        (path.to_owned(), is_index, is_test)
    }

    #[test]
    fn modules_are_found_where_the_compiler_finds_them() {
        let found = files(&[
            ("src/lib.rs", "mod a; mod b; #[path = \"elsewhere.rs\"] mod c; mod inline { mod d; }"),
            ("src/a.rs", "mod child; fn f() {}"),
            ("src/a/child.rs", ""),
            ("src/b/mod.rs", "mod child;"),
            ("src/b/child.rs", ""),
            ("src/elsewhere.rs", ""),
            ("src/inline/d.rs", ""),
        ]);
        let paths: Vec<String> = found.expect("all are there").into_iter().map(|(path, ..)| path).collect();
        let expected = ["lib", "a", "a/child", "b/mod", "b/child", "elsewhere", "inline/d"];
        assert_eq!(paths, expected.map(|name| format!("src/{name}.rs")));
    }

    #[test]
    fn an_index_holds_modules_and_names_of_others() {
        let index = |code| files(&[("src/lib.rs", code), ("src/a.rs", "")]).expect("all are there")[0].1;
        assert!(index("mod a; pub use a::A; #[cfg(test)] mod tests { fn f() {} }"));
        assert!(!index("mod a; fn main() {}") && !index("pub use x::A;") && !index("mod a; mod b { fn f() {} }"));
    }

    #[test]
    fn what_is_below_a_test_is_one() {
        let found = files(&[
            ("src/lib.rs", "#[cfg(test)] mod tests;"),
            ("src/tests.rs", "mod more;"),
            ("src/tests/more.rs", ""),
        ]);
        let expected =
            [file("src/lib.rs", true, false), file("src/tests.rs", true, true), file("src/tests/more.rs", false, true)];
        assert_eq!(found.expect("all are there"), expected);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        assert_eq!(files(&[("src/lib.rs", "mod a;")]), Err("src/a/mod.rs is missing".into()));
        let error = files(&[("src/lib.rs", "\nfn f( {}")]).expect_err("that is no Rust");
        assert!(error.starts_with("src/lib.rs:2: "), "{error}");
    }
}

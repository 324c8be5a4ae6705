//! The methods of the workspace's types: which file defines which, and the `impl` blocks that they stand in.
//!
//! A trait's methods belong to where the trait is, and an `impl` of a trait defines none: it is the trait that is
//! called. Deliberately absent: tests.

use std::collections::{BTreeMap, BTreeSet};

use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Expr, ExprField, ExprStruct, ImplItem, Item, ItemImpl, Signature, TraitItem};

use super::cfg;
use super::items::path_of;
use super::resolve::{Place, resolve};
use super::tree::{FileId, ModuleId, Tree};

/// One `impl Type { .. }`.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) file: FileId,
    pub(crate) line: usize,
    pub(crate) of: Place,
    /// Where it touches a field of its type, or makes one of them field by field.
    pub(crate) touches_fields: Vec<usize>,
}

/// A function of a type or trait.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Method {
    pub(crate) of: Place,
    pub(crate) file: FileId,
    pub(crate) is_of_trait: bool,
    /// Beside `self`; none where it takes no `self`, and cannot be called behind a dot.
    pub(crate) arguments: Option<usize>,
}

impl Method {
    /// Whether a call behind a dot can be one of this.
    pub(crate) fn answers(&self, arguments: Option<usize>) -> bool {
        self.arguments.is_some_and(|taken| arguments.is_none_or(|given| given == taken))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Impls {
    pub(crate) blocks: Vec<Block>,
    by_name: BTreeMap<String, BTreeSet<Method>>,
}

impl Impls {
    /// Of all modules, without tests.
    pub(crate) fn of(tree: &Tree) -> Self {
        let mut impls = Self::default();
        for (id, module) in tree.modules.iter().enumerate().filter(|(_, module)| !module.is_test) {
            for item in module.items.iter().filter(|item| !cfg::is_test(cfg::attributes(item))) {
                impls.item(tree, id, item);
            }
        }
        impls
    }

    /// All methods of this name.
    pub(crate) fn named(&self, name: &str) -> impl Iterator<Item = &Method> {
        self.by_name.get(name).into_iter().flatten()
    }

    fn item(&mut self, tree: &Tree, module: ModuleId, item: &Item) {
        let file = tree.modules[module].file;
        match item {
            Item::Trait(item) => {
                let of = Place { module, name: item.ident.to_string() };
                for method in &item.items {
                    if let TraitItem::Fn(method) = method {
                        self.method(&method.sig, of.clone(), file, true);
                    }
                }
            }
            Item::Impl(item) if item.trait_.is_none() => {
                let Some(path) = path_of(&item.self_ty) else { return };
                for found in resolve(tree, module, &path) {
                    self.block(item, file, found.place);
                }
            }
            _ => {}
        }
    }

    fn block(&mut self, item: &ItemImpl, file: FileId, of: Place) {
        for method in &item.items {
            if let ImplItem::Fn(method) = method
                && !cfg::is_test(&method.attrs)
            {
                self.method(&method.sig, of.clone(), file, false);
            }
        }
        let mut fields = Fields::default();
        fields.visit_item_impl(item);
        let line = item.impl_token.span.start().line;
        self.blocks.push(Block { file, line, of, touches_fields: fields.0 });
    }

    fn method(&mut self, signature: &Signature, of: Place, file: FileId, is_of_trait: bool) {
        let arguments = signature.receiver().map(|_| signature.inputs.len() - 1);
        let method = Method { of, file, is_of_trait, arguments };
        self.by_name.entry(signature.ident.to_string()).or_default().insert(method);
    }
}

#[derive(Default)]
struct Fields(Vec<usize>);

impl<'ast> Visit<'ast> for Fields {
    fn visit_expr_field(&mut self, field: &'ast ExprField) {
        if matches!(&*field.base, Expr::Path(path) if path.path.is_ident("self")) {
            self.0.push(field.span().start().line);
        }
        visit::visit_expr_field(self, field);
    }

    fn visit_expr_struct(&mut self, made: &'ast ExprStruct) {
        if made.path.is_ident("Self") {
            self.0.push(made.span().start().line);
        }
        visit::visit_expr_struct(self, made);
    }
}

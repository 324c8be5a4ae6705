//! What a module's code names: paths, and methods that are called, each with its line.
//!
//! `Self` is the type that an `impl` is for, and a call on `self` one of that type's. Must stay true: what is compiled
//! for tests alone is told apart. Deliberately absent: what the paths lead to.

use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ExprMethodCall, ImplItem, Item, ItemImpl, ItemTrait, ItemUse, Macro, Meta, Path, Stmt};

use super::cfg;
use super::imports::{self, Segments};
use super::items::{path_of, segments};
use super::tokens;
use super::tree::Module;

/// Something that code names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Path(Segments),
    /// A path that a `use` brings.
    Import(Segments),
    /// A method called on `self`, where that is of this type.
    OnSelf {
        owner: Segments,
        call: Call,
    },
    /// A method called on anything else.
    Call(Call),
}

/// A call of a method, and with how many arguments where that can be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) arguments: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mention {
    pub(crate) what: What,
    pub(crate) line: usize,
    pub(crate) is_test: bool,
}

/// All that is named in a module, but not in the modules inside it.
pub(crate) fn mentions(module: &Module) -> Vec<Mention> {
    let mut visitor = Visitor { tests: usize::from(module.is_test), ..Visitor::default() };
    module.items.iter().for_each(|item| visitor.visit_item(item));
    visitor.mentions
}

#[derive(Default)]
struct Visitor {
    mentions: Vec<Mention>,
    /// The types that `self` is of, innermost last; none where that has no name.
    owners: Vec<Option<Segments>>,
    /// In how much we are that is for tests alone.
    tests: usize,
}

impl Visitor {
    fn add(&mut self, what: What, line: usize) {
        self.mentions.push(Mention { what, line, is_test: self.tests > 0 });
    }

    fn path(&mut self, path: Segments, line: usize) {
        if path.first().is_none_or(|first| first != "Self") {
            return self.add(What::Path(path), line);
        }
        if let Some(Some(owner)) = self.owners.last() {
            let path = [owner, &path[1..]].concat();
            self.add(What::Path(path), line);
        }
    }

    fn call(&mut self, on_self: bool, call: Call, line: usize) {
        let what = match self.owners.last() {
            Some(Some(owner)) if on_self => What::OnSelf { owner: owner.clone(), call },
            _ => What::Call(call),
        };
        self.add(what, line);
    }

    fn tested<'ast>(&mut self, attributes: &[Attribute], visit: impl FnOnce(&mut Self) + 'ast) {
        let is_test = usize::from(cfg::is_test(attributes));
        self.tests += is_test;
        visit(self);
        self.tests -= is_test;
    }
}

impl<'ast> Visit<'ast> for Visitor {
    fn visit_item(&mut self, item: &'ast Item) {
        self.tested(cfg::attributes(item), |visitor| visit::visit_item(visitor, item));
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        self.tested(cfg::attributes_in_impl(item), |visitor| visit::visit_impl_item(visitor, item));
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        let attributes = match statement {
            Stmt::Local(local) => &local.attrs[..],
            Stmt::Expr(Expr::Block(block), _) => &block.attrs,
            Stmt::Expr(Expr::Call(call), _) => &call.attrs,
            Stmt::Expr(Expr::MethodCall(call), _) => &call.attrs,
            Stmt::Macro(invocation) => &invocation.attrs,
            _ => &[],
        };
        self.tested(attributes, |visitor| visit::visit_stmt(visitor, statement));
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        self.owners.push(path_of(&item.self_ty));
        visit::visit_item_impl(self, item);
        self.owners.pop();
    }

    fn visit_item_trait(&mut self, item: &'ast ItemTrait) {
        self.owners.push(Some(vec![item.ident.to_string()]));
        visit::visit_item_trait(self, item);
        self.owners.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        for leaf in imports::leaves(item) {
            self.add(What::Import(leaf.path), leaf.line);
        }
    }

    fn visit_path(&mut self, path: &'ast Path) {
        self.path(segments(path), path.span().start().line);
        visit::visit_path(self, path);
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        let called = Call { name: call.method.to_string(), arguments: Some(call.args.len()) };
        self.call(is_self(&call.receiver), called, call.method.span().start().line);
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, invocation: &'ast Macro) {
        self.visit_path(&invocation.path);
        for token in tokens::mentioned(&invocation.tokens) {
            match token.what {
                tokens::What::Path(path) => self.path(path, token.line),
                tokens::What::Call { on_self, method } => {
                    self.call(on_self, Call { name: method, arguments: None }, token.line);
                }
            }
        }
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        let Meta::List(list) = &attribute.meta else { return };
        for token in tokens::mentioned(&list.tokens) {
            // One name alone is the macro's own.
            if let tokens::What::Path(path) = token.what
                && path.len() > 1
            {
                self.path(path, token.line);
            }
        }
    }

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}
}

/// `self`, however it is borrowed or put in parentheses.
fn is_self(receiver: &Expr) -> bool {
    match receiver {
        Expr::Path(path) => path.path.is_ident("self"),
        Expr::Reference(reference) => is_self(&reference.expr),
        Expr::Paren(inner) => is_self(&inner.expr),
        Expr::Unary(inner) => matches!(inner.op, syn::UnOp::Deref(_)) && is_self(&inner.expr),
        _ => false,
    }
}

#[cfg(test)]
mod tests;

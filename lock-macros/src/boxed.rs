//! Functions that answer `Box::pin(async move { .. })`: what `#[async_trait]` makes of an `async fn`, or hand-written.
//!
//! `#[async_trait]` runs first, because it stands on the whole `impl`. It moves each argument into the block by a
//! `let`, takes patterns apart there, and calls `self` by another name inside. The lock goes into the block: the `let`s
//! of the arguments stay before it, so that a key can name what a pattern binds, and the one of `self` goes behind it,
//! so that a key can say `self`.

use proc_macro2::{Delimiter, Group};
use quote::ToTokens;
use syn::{
    Block, Expr, GenericArgument, Ident, Local, Pat, PathArguments, ReturnType, Signature, Stmt, Token, Type,
    TypeParamBound,
};

use crate::patterns::{Binding, pattern_bindings, take_mut};

/// A plain function, taken apart around its boxed block.
pub(crate) struct Boxed {
    /// What the future answers: `R` of `Pin<Box<dyn Future<Output = R>>>`.
    pub(crate) output: Type,
    /// What stands before the call of `Box::pin`.
    pub(crate) before: Vec<Stmt>,
    /// The path to `Box::pin`.
    pub(crate) pin: Expr,
    pub(crate) asyncness: Token![async],
    /// The statements that bind the arguments.
    pub(crate) arguments: Vec<Stmt>,
    /// The statements to guard, in the braces of the block, which keep the edition of their author.
    pub(crate) guarded: Group,
}

/// Recognises the shape, or answers `None`.
pub(crate) fn recognise(signature: &Signature, body: &Group) -> Option<Boxed> {
    let output = future_output(&signature.output)?;
    let body: Block = syn::parse2(body.to_token_stream()).ok()?;
    let mut before = body.stmts;
    let Some(Stmt::Expr(Expr::Call(mut pin), None)) = before.pop() else { return None };
    let is_pin =
        matches!(&*pin.func, Expr::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "pin"));
    let Some(Expr::Async(block)) = pin.args.pop().filter(|_| is_pin && pin.args.is_empty()) else { return None };
    block.capture?;
    let (braces, statements) = (block.block.brace_token.span.join(), block.block.stmts);
    let (arguments, guarded) =
        if is_from_async_trait(&statements) { split(statements) } else { (Vec::new(), statements) };
    let guarded = guarded.into_iter().map(ToTokens::into_token_stream).collect();
    let mut guarded = Group::new(Delimiter::Brace, guarded);
    guarded.set_span(braces);
    Some(Boxed { output, before, pin: *pin.func, asyncness: block.async_token, arguments, guarded })
}

impl Boxed {
    /// Puts the names that the block's own `let`s bind in place of the ones that stand for whole patterns.
    pub(crate) fn rename(&self, bindings: &mut Vec<Binding>) {
        bindings.retain(|binding| !is_positional(&binding.name));
        for binding in &mut *bindings {
            binding.mutability = None;
        }
        for local in self.arguments.iter().filter_map(local) {
            let mut bound = Vec::new();
            pattern_bindings(&local.pat, &local.attrs, &mut bound);
            for new in bound.into_iter().filter(|new| !is_positional(&new.name)) {
                match bindings.iter_mut().find(|known| known.name == new.name) {
                    Some(known) => known.mutability = new.mutability,
                    None => bindings.push(new),
                }
            }
        }
    }

    /// Takes the `mut` of every name that the block's own `let`s bind.
    pub(crate) fn take_mut_from_arguments(&mut self) {
        for statement in &mut self.arguments {
            if let Stmt::Local(local) = statement {
                take_mut(&mut local.pat);
            }
        }
    }
}

fn local(statement: &Stmt) -> Option<&Local> {
    if let Stmt::Local(local) = statement { Some(local) } else { None }
}

/// `R` of `Pin<Box<dyn Future<Output = R> + ..>>`.
fn future_output(output: &ReturnType) -> Option<Type> {
    let ReturnType::Type(_, output) = output else { return None };
    let Type::TraitObject(future) = only_argument(only_argument(output, "Pin")?, "Box")? else { return None };
    let TypeParamBound::Trait(bound) = future.bounds.first()? else { return None };
    let PathArguments::AngleBracketed(arguments) = &bound.path.segments.last()?.arguments else { return None };
    match arguments.args.first()? {
        GenericArgument::AssocType(output) if output.ident == "Output" => Some(output.ty.clone()),
        _ => None,
    }
}

fn only_argument<'a>(ty: &'a Type, name: &str) -> Option<&'a Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first()? {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    }
}

/// Whether the block ends as `#[async_trait]` ends it: `let __ret: R = { body }; __ret`, or `let _: () = { body };`.
fn is_from_async_trait(statements: &[Stmt]) -> bool {
    let typed = |statement: &Stmt| matches!(statement, Stmt::Local(Local { pat: Pat::Type(_), .. }));
    match statements {
        [.., answer, Stmt::Expr(Expr::Path(path), None)] => typed(answer) && path.path.is_ident("__ret"),
        [.., answer] => typed(answer),
        [] => false,
    }
}

/// Puts the `let`s of the arguments before the lock and all else, the `let` of `self` included, behind it.
fn split(statements: Vec<Stmt>) -> (Vec<Stmt>, Vec<Stmt>) {
    let binds_argument = |statement: &Stmt| match statement {
        Stmt::Local(Local { pat: Pat::Type(_), .. }) => false,
        Stmt::Local(local) => !binds_self(local),
        Stmt::Expr(Expr::If(_), None) => true,
        _ => false,
    };
    statements.into_iter().partition(binds_argument)
}

fn binds_self(local: &Local) -> bool {
    matches!(&local.init, Some(init) if matches!(&*init.expr, Expr::Path(path) if path.path.is_ident("self")))
}

/// `__arg1`, which stands for a whole pattern.
fn is_positional(name: &Ident) -> bool {
    name.to_string().strip_prefix("__arg").is_some_and(|number| number.parse::<u32>().is_ok())
}

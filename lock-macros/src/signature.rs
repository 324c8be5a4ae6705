//! The function: which ones are accepted, and which names a key may use.
//!
//! The signature is parsed and the body stays as it was written, token by token, so that half-typed code inside keeps
//! its completion. A function that `#[async_trait]` has rewritten is recognised in `boxed.rs`.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, LitStr, ReturnType, Signature, Token, Type, Visibility};

use crate::boxed::{self, Boxed};
use crate::diagnostics::{Faults, did_you_mean, listed};
use crate::foreign;
use crate::key::{Placeholder, Template};
use crate::made_sync;
use crate::patterns::{Binding, argument_bindings, take_mut_from_arguments};
use crate::stacked;

/// A function that can be guarded.
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) before: TokenStream,
    pub(crate) signature: Signature,
    pub(crate) body: Body,
    pub(crate) bindings: Vec<Binding>,
}

/// Where the lock goes.
pub(crate) enum Body {
    /// Around the body of an `async fn`.
    Plain(Group),
    /// Inside the block that a plain function boxes and pins.
    Boxed(Box<Boxed>),
}

/// An item as it may stand under the attribute, its body not looked at.
struct Item {
    attributes: Vec<Attribute>,
    before: TokenStream,
    signature: Signature,
    rest: TokenStream,
}

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility: Visibility = input.parse()?;
        let default = if input.peek(Token![default]) { input.parse::<Option<Token![default]>>()? } else { None };
        let signature = input.parse()?;
        Ok(Self { attributes, before: quote::quote!(#visibility #default), signature, rest: input.parse()? })
    }
}

impl Function {
    /// Reads the function, or notes why it cannot be guarded.
    pub(crate) fn parse(item: TokenStream, faults: &mut Faults) -> Option<Self> {
        let item = parse_item(item, faults)?;
        check_qualifiers(&item.signature, faults);
        let Some(body) = block(item.rest) else {
            let message = "a declaration has no body to run; put `#[distributed_lock]` on the implementation";
            faults.over(&item.signature.ident, message);
            return None;
        };
        check_copies(&item.signature, &body, faults);
        let (inner, body) = lift_inner_attributes(&body);
        let mut bindings = item.signature.inputs.iter().flat_map(argument_bindings).collect();
        let body = if item.signature.asyncness.is_some() {
            Body::Plain(body)
        } else if let Some(boxed) = boxed::recognise(&item.signature, &body) {
            boxed.rename(&mut bindings);
            Body::Boxed(Box::new(boxed))
        } else {
            not_async(&item.signature, &body, faults);
            return None;
        };
        let attributes = item.attributes.into_iter().chain(inner).collect();
        let mut function = Self { attributes, before: item.before, signature: item.signature, body, bindings };
        function.take_mut();
        Some(function)
    }

    /// Takes `mut` from the names that are bound anew in the body, and `mut` there.
    fn take_mut(&mut self) {
        match &mut self.body {
            Body::Boxed(boxed) => boxed.take_mut_from_arguments(),
            Body::Plain(_) => take_mut_from_arguments(&mut self.signature),
        }
    }

    /// The type of what the body answers, `None` where nothing is written.
    pub(crate) fn output(&self) -> Option<&Type> {
        match (&self.body, &self.signature.output) {
            (Body::Boxed(boxed), _) => Some(&boxed.output),
            (Body::Plain(_), ReturnType::Type(_, output)) => Some(output),
            (Body::Plain(_), ReturnType::Default) => None,
        }
    }

    pub(crate) fn returns_nothing(&self) -> bool {
        self.output().is_none_or(is_unit)
    }

    /// The binding of a name, with or without `r#`.
    pub(crate) fn binding(&self, name: &str) -> Option<&Binding> {
        self.bindings.iter().rev().find(|binding| binding.is_called(name))
    }

    /// Notes every placeholder that names no argument, and every one of another tool that does.
    pub(crate) fn check_placeholders(&self, template: &Template, literal: &LitStr, faults: &mut Faults) {
        for placeholder in template.placeholders() {
            if self.binding(&placeholder.name).is_none() {
                faults.at(literal.span(), self.unknown(placeholder));
            }
        }
        for found in foreign::placeholders(template, |name| self.binding(name).is_some()) {
            faults.at(literal.span(), found.told(template, literal));
        }
    }

    fn unknown(&self, placeholder: &Placeholder) -> String {
        let (function, name) = (&self.signature.ident, &placeholder.name);
        let names: Vec<String> = self.bindings.iter().map(|binding| binding.name.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let what = if name == "self" { "no `self`".into() } else { format!("no argument `{name}`") };
        let has = match names.as_slice() {
            [] => {
                return format!(
                    "`{function}` has {what}, and no arguments at all; for anything else write `key = format!(..)`"
                );
            }
            [only] => format!("its only argument is `{only}`"),
            all => format!("its arguments are {}", listed(all.iter().copied())),
        };
        format!("`{function}` has {what}; {has}{}", did_you_mean(name, names))
    }
}

fn parse_item(tokens: TokenStream, faults: &mut Faults) -> Option<Item> {
    let first = tokens.clone().into_iter().next().map_or_else(Span::call_site, |token| token.span());
    let is_function = tokens.clone().into_iter().any(|token| matches!(token, TokenTree::Ident(word) if word == "fn"));
    match syn::parse2(tokens) {
        Ok(item) => return Some(item),
        Err(error) if is_function => faults.add(error),
        Err(_) => faults.at(first, "`#[distributed_lock]` goes on an `async fn`, and this is none"),
    }
    None
}

fn check_qualifiers(signature: &Signature, faults: &mut Faults) {
    if let Some(constness) = &signature.constness {
        faults.over(constness, "a `const fn` cannot wait for a lock; take `const` away");
    }
    if let Some(abi) = &signature.abi {
        faults.over(abi, "a function with a foreign ABI cannot be async; lock in an `async fn` that it calls");
    }
    if let Some(variadic) = &signature.variadic {
        faults.over(variadic, "a variadic function cannot be async; lock in an `async fn` that it calls");
    }
}

/// Two attributes of ours where there should be one, or where the upper one could not see the lower.
fn check_copies(signature: &Signature, body: &Group, faults: &mut Faults) {
    if stacked::is_locked_already(body.stream()) {
        let name = &signature.ident;
        let message = format!(
            "`{name}` has a lock from an attribute above, which would be taken after this one; write both as \
             `#[distributed_lock(..)]`, by that name and outside of `cfg_attr`, or lock in a function that `{name}` calls"
        );
        faults.at(Span::call_site(), message);
    }
    if let Some(called) = made_sync::copied_to(signature, body) {
        let name = &signature.ident;
        let message = format!(
            "`{name}` only calls `{called}`, to which an attribute above has copied this one, so that it would wait for \
             itself; swap the two, so that `#[distributed_lock]` comes first"
        );
        faults.at(signature.fn_token.span, message);
    }
}

fn not_async(signature: &Signature, body: &Group, faults: &mut Faults) {
    if signature.constness.is_some() || signature.abi.is_some() {
        return;
    }
    faults.at(signature.fn_token.span, made_sync::told(signature, body));
}

/// The braces that make the whole of what follows a signature, taken out of the invisible group of a `macro_rules`.
fn block(rest: TokenStream) -> Option<Group> {
    let mut rest = rest.into_iter();
    match (rest.next(), rest.next()) {
        (Some(TokenTree::Group(group)), None) => match group.delimiter() {
            Delimiter::Brace => Some(group),
            Delimiter::None => block(group.stream()),
            _ => None,
        },
        _ => None,
    }
}

/// Takes `#![..]` from the top of a body: inside an expression they would not be accepted.
fn lift_inner_attributes(body: &Group) -> (Vec<Attribute>, Group) {
    let split = |input: ParseStream<'_>| Ok((Attribute::parse_inner(input)?, input.parse::<TokenStream>()?));
    let Ok((mut attributes, rest)) = syn::parse::Parser::parse2(split, body.stream()) else {
        return (Vec::new(), body.clone());
    };
    if attributes.is_empty() {
        return (attributes, body.clone());
    }
    for attribute in &mut attributes {
        attribute.style = syn::AttrStyle::Outer;
    }
    let mut rest = Group::new(Delimiter::Brace, rest);
    rest.set_span(body.span());
    (attributes, rest)
}

fn is_unit(ty: &Type) -> bool {
    match ty {
        Type::Tuple(tuple) => tuple.elems.is_empty(),
        Type::Group(group) => is_unit(&group.elem),
        Type::Paren(paren) => is_unit(&paren.elem),
        _ => false,
    }
}

#[cfg(test)]
mod tests;

//! Patterns of arguments: which names they bind, and how.

use syn::{Attribute, FieldPat, FnArg, Ident, Pat, Signature, Token, Type};

/// A name that an argument brings into the body.
pub(crate) struct Binding {
    pub(crate) name: Ident,
    /// The argument's type, when the argument is this name and nothing else.
    pub(crate) ty: Option<Type>,
    /// `mut`, where the name can be bound anew with it; `self` cannot.
    pub(crate) mutability: Option<Token![mut]>,
    /// The conditions under which it exists.
    pub(crate) conditions: Vec<Attribute>,
}

impl Binding {
    /// Whether this is its name, with or without `r#`.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.name.to_string().trim_start_matches("r#") == name.trim_start_matches("r#")
    }
}

/// Every name that an argument binds.
pub(crate) fn argument_bindings(argument: &FnArg) -> Vec<Binding> {
    let mut found = Vec::new();
    match argument {
        FnArg::Receiver(receiver) => {
            let name = Ident::new("self", receiver.self_token.span);
            found.push(Binding { name, ty: None, mutability: None, conditions: conditions(&receiver.attrs) });
        }
        FnArg::Typed(typed) => {
            pattern_bindings(&typed.pat, &conditions(&typed.attrs), &mut found);
            if let (Pat::Ident(ident), [only]) = (&*typed.pat, found.as_mut_slice()) {
                only.ty = Some((*typed.ty).clone()).filter(|_| ident.by_ref.is_none());
            }
        }
    }
    found
}

/// Every name that a pattern binds, each under the conditions of what it stands in.
pub(crate) fn pattern_bindings(pattern: &Pat, under: &[Attribute], found: &mut Vec<Binding>) {
    let mut all = |patterns: &mut dyn Iterator<Item = &Pat>| {
        patterns.for_each(|pattern| pattern_bindings(pattern, under, found));
    };
    match pattern {
        Pat::Ident(ident) => {
            let mutability = ident.mutability.filter(|_| ident.by_ref.is_none());
            found.push(Binding { name: ident.ident.clone(), ty: None, mutability, conditions: under.to_vec() });
            if let Some((_, inner)) = &ident.subpat {
                pattern_bindings(inner, under, found);
            }
        }
        Pat::Guard(guard) => pattern_bindings(&guard.pat, under, found),
        Pat::Or(or) => all(&mut or.cases.iter().take(1)),
        Pat::Paren(paren) => pattern_bindings(&paren.pat, under, found),
        Pat::Reference(reference) => pattern_bindings(&reference.pat, under, found),
        Pat::Slice(slice) => all(&mut slice.elems.iter()),
        Pat::Struct(fields) => fields.fields.iter().for_each(|field| field_bindings(field, under, found)),
        Pat::Tuple(tuple) => all(&mut tuple.elems.iter()),
        Pat::TupleStruct(tuple) => all(&mut tuple.elems.iter()),
        Pat::Type(typed) => pattern_bindings(&typed.pat, under, found),
        _ => {}
    }
}

fn field_bindings(field: &FieldPat, under: &[Attribute], found: &mut Vec<Binding>) {
    let under: Vec<Attribute> = under.iter().cloned().chain(conditions(&field.attrs)).collect();
    pattern_bindings(&field.pat, &under, found);
}

fn conditions(attributes: &[Attribute]) -> Vec<Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).cloned().collect()
}

/// Takes the `mut` of every name that the arguments of a function bind.
pub(crate) fn take_mut_from_arguments(signature: &mut Signature) {
    for argument in &mut signature.inputs {
        if let FnArg::Typed(typed) = argument {
            take_mut(&mut typed.pat);
        }
    }
}

/// Takes the `mut` of every name that a pattern binds; `ref mut` stays.
pub(crate) fn take_mut(pattern: &mut Pat) {
    match pattern {
        Pat::Ident(ident) => {
            ident.mutability = ident.mutability.filter(|_| ident.by_ref.is_some());
            if let Some((_, inner)) = &mut ident.subpat {
                take_mut(inner);
            }
        }
        Pat::Guard(guard) => take_mut(&mut guard.pat),
        Pat::Or(or) => or.cases.iter_mut().for_each(take_mut),
        Pat::Paren(paren) => take_mut(&mut paren.pat),
        Pat::Reference(reference) => take_mut(&mut reference.pat),
        Pat::Slice(slice) => slice.elems.iter_mut().for_each(take_mut),
        Pat::Struct(fields) => fields.fields.iter_mut().for_each(|field| take_mut(&mut field.pat)),
        Pat::Tuple(tuple) => tuple.elems.iter_mut().for_each(take_mut),
        Pat::TupleStruct(tuple) => tuple.elems.iter_mut().for_each(take_mut),
        Pat::Type(typed) => take_mut(&mut typed.pat),
        _ => {}
    }
}

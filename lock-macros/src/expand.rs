//! From a checked attribute and a function to the function that locks: the only file that writes code.
//!
//! One call in and one out, inside the function; nothing stands beside it. Every token of ours has a span of the
//! macro's own, so that no name of the body can be captured and no lint of the user looks at it. Where an error of the
//! compiler is foreseen, the token that it will point at takes its place from the user's code.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Expr, Index, LitStr, Member, ReturnType, Stmt, Type};

use crate::args::{self, Args, Key, Step};
use crate::boxed::Boxed;
use crate::diagnostics::Faults;
use crate::key::{Brackets, Part, Placeholder, Template};
use crate::output::{without_impl_trait, works_later};
use crate::patterns::Binding;
use crate::signature::{Body, Function};
use crate::stacked;
use crate::value::{Count, Time};

/// Expands one use of the attribute. On any fault the item stays as it was, with a compile error for each.
pub(crate) fn expand(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut faults = Faults::default();
    let (lower, item) = stacked::take(item);
    let mut locks = vec![args::parse(args, Span::call_site(), &mut faults)];
    locks.extend(lower.into_iter().map(|lower| args::parse(lower.args, lower.span, &mut faults)));
    let function = Function::parse(item.clone(), &mut faults);
    if let Some(function) = function {
        for args in &locks {
            check_against(args, &function, &mut faults);
        }
        if faults.is_empty() {
            return write(&locks, &function);
        }
    }
    item.into_iter().chain(faults.into_compile_errors()).collect()
}

/// What neither the attribute nor the function shows alone.
fn check_against(args: &Args, function: &Function, faults: &mut Faults) {
    for key in args.steps.iter().flat_map(Step::keys) {
        if let Key::Literal { literal, template } = key {
            function.check_placeholders(template, literal, faults);
        }
    }
    if function.returns_nothing() && !args.or_else_given {
        let also = if args.skip { "; `on_busy = \"skip\"` covers a busy lock alone" } else { "" };
        let message = format!(
            "`{}` returns nothing, so it cannot report that the lock was not acquired{also}; add `or_else = \
             lock_runtime::log_and_skip`, or return a `Result`",
            function.signature.ident
        );
        match &function.signature.output {
            ReturnType::Type(_, output) if matches!(function.body, Body::Plain(_)) => faults.over(output, message),
            _ => faults.at(function.signature.ident.span(), message),
        }
    }
}

/// The function with its locks around the body, the first outermost.
fn write(locks: &[Args], function: &Function) -> TokenStream {
    let Function { attributes, before, signature, body, .. } = function;
    let body = match body {
        Body::Plain(body) => braces(site(), guarded(locks, function, &[], body)),
        Body::Boxed(boxed) => {
            let Boxed { before, pin, asyncness, .. } = &**boxed;
            let block = braces(site(), guarded(locks, function, &boxed.arguments, &boxed.guarded));
            braces(site(), quote_spanned!(site()=> #(#before)* #pin(#asyncness move #block)))
        }
    };
    quote!(#(#attributes)* #before #signature #body)
}

/// The arguments' own statements, a call for each lock inside that of the one before, and what becomes of its answer.
///
/// The user's braces stay the user's: their edition says when temporaries of the last expression are dropped.
fn guarded(locks: &[Args], function: &Function, arguments: &[Stmt], body: &Group) -> TokenStream {
    let hint = function.output().and_then(works_later).map(|later| hint(&locks[0], later));
    let mut inner = with_edge(function.output(), body).into_token_stream();
    let mut captured = captures(&function.bindings);
    for args in locks.iter().rev() {
        inner = Expansion { args, function }.locked(&captured, &inner);
        captured = function.bindings.iter().rev().map(mentioned).collect();
    }
    quote_spanned!(site()=> #(#arguments)* #hint #inner)
}

/// A call of something deprecated, at the part of the return type that works when the lock is gone. The compiler has no
/// other warning that a macro can ask for.
fn hint(args: &Args, later: &Type) -> TokenStream {
    let at = later.to_token_stream().into_iter().next().map_or_else(site, |token| token.span());
    let door = door(args, &Ident::new("works_after_the_release", at));
    quote_spanned!(site()=> #door();)
}

struct Expansion<'a> {
    args: &'a Args,
    function: &'a Function,
}

impl Expansion<'_> {
    /// The call for this lock, and what becomes of its answer.
    fn locked(&self, captures: &TokenStream, body: &TokenStream) -> TokenStream {
        let run = self.door(if self.has_keys() {
            "run_all"
        } else if self.has_once() {
            "run_once"
        } else {
            "run"
        });
        let (request, judged) = (self.request(), self.has_once().then(|| self.judged()));
        self.settled(&quote_spanned!(site()=> #run(#request, async move { #captures #body } #judged).await))
    }

    /// Whether what the body returned is a success: a method that its type finds sooner if it can say so.
    fn judged(&self) -> TokenStream {
        let returned = Ident::new("__returned", site());
        let (by_outcome, by_returning, judge) =
            (self.door("ByOutcome"), self.door("ByReturning"), self.door("Returned"));
        quote_spanned! {site()=> , |#returned| {
            #[allow(unused_imports)]
            use #by_outcome as _;
            #[allow(unused_imports)]
            use #by_returning as _;
            (&#judge(#returned)).succeeded()
        }}
    }

    /// The request, filled option by option in the order in which they were written.
    fn request(&self) -> TokenStream {
        let (request, keys) = (Ident::new("__request", site()), Ident::new("__keys", site()));
        let new = self.door("request");
        let template = self.args.steps.iter().find_map(template);
        let statements = self.args.steps.iter().map(|step| match step {
            Step::Keys(all) => {
                let all = all.iter().map(|key| self.key(key));
                quote_spanned!(site()=> let #keys = [#(#all),*];)
            }
            step => {
                let filled = self.filled(&request, step);
                quote_spanned!(site()=> let #request = #filled;)
            }
        });
        let whole = if self.has_keys() {
            let with_keys = self.door("with_keys");
            quote_spanned!(site()=> #with_keys(#request, #keys))
        } else {
            request.to_token_stream()
        };
        quote_spanned! {site()=> {
            let #request = #new(#template);
            #(#statements)*
            #whole
        }}
    }

    fn has_once(&self) -> bool {
        self.args.steps.iter().any(|step| matches!(step, Step::Once(_)))
    }

    fn has_keys(&self) -> bool {
        self.args.steps.iter().any(|step| matches!(step, Step::Keys(_)))
    }

    /// The request with one option more: a statement of its own, whose temporaries are gone before the lock is
    /// acquired.
    fn filled(&self, request: &Ident, step: &Step) -> TokenStream {
        match step {
            Step::Key(key) => {
                let (with_key, key) = (self.door("with_key"), self.key(key));
                quote_spanned!(site()=> #with_key(#request, #key))
            }
            // They are told last, since the request becomes another one by them.
            Step::Keys(_) => request.to_token_stream(),
            Step::Ttl(time) => told(request, "ttl", time),
            Step::Wait(time) => told(request, "wait", time),
            Step::WaitForever => quote_spanned!(site()=> #request.wait_forever()),
            Step::Renew(renew) => quote_spanned!(site()=> #request.renew(#renew)),
            Step::MaxHold(time) => told(request, "max_hold", time),
            Step::MinHold(time) => told(request, "min_hold", time),
            Step::Once(time) => {
                let (with_once, time) = (self.door("with_once"), duration(time));
                quote_spanned!(site()=> #with_once(#request, #time))
            }
            Step::Mode(true, _) => quote_spanned!(site()=> #request.shared()),
            Step::Mode(false, _) => quote_spanned!(site()=> #request),
            Step::Permits(count) => counted(request, "permits", count),
            Step::Weight(count) => counted(request, "weight", count),
            Step::ContinueWhenLost => quote_spanned!(site()=> #request.continue_when_lost()),
            Step::JoinHeld => quote_spanned!(site()=> #request.join_held()),
            Step::Client(client) => {
                let (with_client, client) = (self.door("with_client"), borrowed(client));
                quote_spanned!(site()=> #with_client(#request, #client))
            }
        }
    }

    fn key(&self, key: &Key) -> TokenStream {
        match key {
            Key::Computed(value) => {
                let key = self.door("key");
                let value = borrowed(value);
                quote_spanned!(site()=> #key(#value))
            }
            Key::Literal { literal, template } if template.brackets == Brackets::Brace => {
                self.formatted(literal, template)
            }
            Key::Literal { literal, template } => {
                let rendered = self.door("rendered");
                let parts = template.parts.iter().map(|part| self.part(part, literal.span()));
                quote_spanned!(site()=> #rendered(&[#(#parts),*]))
            }
        }
    }

    /// `format_args!` of the user's own literal, so that the compiler's errors point into it.
    ///
    /// The arguments are handed over by name, because a literal that comes through a `macro_rules` could not see them.
    /// `<<` is for us to undo, which takes another literal in the place of the user's.
    fn formatted(&self, literal: &LitStr, template: &Template) -> TokenStream {
        let formatted = self.door("formatted");
        let bound = |name| Some((name, self.function.binding(name)?));
        let arguments = template.formatted_names().into_iter().filter_map(bound).map(|(name, binding)| {
            let name = Ident::new(name.trim_start_matches("r#"), site());
            let value = placed(&binding.name, literal.span());
            quote_spanned!(site()=> #name = #value)
        });
        let literal = if template.doubled_angles {
            LitStr::new(&template.for_format(), site().located_at(literal.span()))
        } else {
            literal.clone()
        };
        quote_spanned!(site()=> #formatted(::core::format_args!(#literal #(, #arguments)*)))
    }

    fn part(&self, part: &Part, span: Span) -> TokenStream {
        match part {
            Part::Text(text) => {
                let door = self.door("text");
                quote_spanned!(site()=> #door(#text))
            }
            Part::Value(placeholder) => self.value(placeholder, span),
            Part::Formatted(_) => TokenStream::new(),
        }
    }

    /// A value. One that cannot stand in a key is reported at the argument's type, which is written once more for that,
    /// or else at the literal. A field's name is not the user's own token, so that no correction can be applied to it.
    fn value(&self, placeholder: &Placeholder, span: Span) -> TokenStream {
        let Some(binding) = self.function.binding(&placeholder.name) else { return TokenStream::new() };
        let door = self.door("value");
        let ty = binding.ty.as_ref().filter(|_| placeholder.fields.is_empty()).map(turbofish);
        let name = placed(&binding.name, span);
        let fields = placeholder.fields.iter().map(|field| member(field, site().located_at(span)));
        let borrow = quote_spanned!(span.resolved_at(name.span())=> &);
        let (named, written) = (self.door("named"), placeholder.written());
        quote_spanned!(site()=> #named(#written, #door #ty(#borrow #name #(.#fields)*)))
    }

    /// What a failure becomes. An answer that cannot carry it is reported at the return type, written once more for
    /// that.
    fn settled(&self, outcome: &TokenStream) -> TokenStream {
        let (name, output) = match (self.args.skip, &self.args.or_else) {
            (false, None) => ("settle", self.function.output()),
            (true, None) => ("settle_or_skip", self.function.output()),
            (false, Some(_)) => ("settle_or_else", None),
            (true, Some(_)) => ("settle_or_skip_or_else", None),
        };
        let door = self.door(name);
        let output = output.map(turbofish);
        let or_else = self.args.or_else.iter();
        quote_spanned!(site()=> #door #output(#outcome #(, #or_else)*))
    }

    fn door(&self, name: &str) -> TokenStream {
        door(self.args, &Ident::new(name, site()))
    }
}

/// A path into the one door.
fn door(args: &Args, name: &Ident) -> TokenStream {
    let given = args.runtime.as_ref().map(ToTokens::to_token_stream);
    let runtime = given.unwrap_or_else(|| quote_spanned!(site()=> ::lock_runtime));
    quote_spanned!(site()=> #runtime::__private::#name)
}

/// The span of what we write: names in it meet no name of the user's.
fn site() -> Span {
    Span::mixed_site()
}

/// The argument's name, seen where it was declared and placed elsewhere.
fn placed(name: &Ident, at: Span) -> Ident {
    let mut name = name.clone();
    name.set_span(at.resolved_at(name.span()));
    name
}

fn member(field: &str, span: Span) -> Member {
    match field.parse() {
        Ok(index) => Member::Unnamed(Index { index, span }),
        Err(_) => Member::Named(field_name(field, span)),
    }
}

/// Keywords that can be names are, whether or not they were written with `r#`.
fn field_name(field: &str, span: Span) -> Ident {
    let bare = field.trim_start_matches("r#");
    match syn::parse_str::<Ident>(bare) {
        Ok(_) => Ident::new(bare, span),
        Err(_) => Ident::new_raw(bare, span),
    }
}

/// A reference to a value, placed at the value, where an error about its type belongs; one that is written stays alone.
fn borrowed(value: &Expr) -> TokenStream {
    let first = value.to_token_stream().into_iter().next().map_or_else(site, |token| token.span());
    let at = site().located_at(first);
    match value {
        Expr::Reference(_) => value.to_token_stream(),
        Expr::Path(_) | Expr::Field(_) | Expr::Call(_) | Expr::MethodCall(_) | Expr::Macro(_) => {
            quote_spanned!(at=> & #value)
        }
        _ => quote_spanned!(at=> &(#value)),
    }
}

fn template(step: &Step) -> Option<TokenStream> {
    let mut texts = step.keys().iter().map(|key| match key {
        Key::Literal { literal, .. } => LitStr::new(&literal.value(), site()).to_token_stream(),
        Key::Computed(value) => quote_spanned!(site()=> ::core::stringify!(#value)),
    });
    let first = texts.next()?;
    Some(if step.keys().len() == 1 {
        first
    } else {
        quote_spanned!(site()=> ::core::concat!(#first #(, ", ", #texts)*))
    })
}

fn told(request: &Ident, option: &str, time: &Time) -> TokenStream {
    let (option, time) = (Ident::new(option, site()), duration(time));
    quote_spanned!(site()=> #request.#option(#time))
}

fn duration(time: &Time) -> TokenStream {
    match time {
        Time::Computed(value) => value.to_token_stream(),
        Time::Known(duration, _) => {
            let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
            quote_spanned!(site()=> ::core::time::Duration::new(#seconds, #nanos))
        }
    }
}

fn counted(request: &Ident, option: &str, count: &Count) -> TokenStream {
    let option = Ident::new(option, site());
    match count {
        Count::Computed(value) => quote_spanned!(site()=> #request.#option(#value)),
        Count::Known(number, _) => quote_spanned!(site()=> #request.#option(#number)),
    }
}

/// Moves the arguments into the block, whether the body names them or not, to be dropped in the order of a plain
/// function.
///
/// A mention is enough, the last one first. A second binding would take up more of the future, so there is one only
/// where a name is `mut`: an assignment to a captured name is a warning, unless it is read later.
fn captures(bindings: &[Binding]) -> TokenStream {
    if bindings.iter().any(|binding| binding.mutability.is_some()) {
        bindings
            .iter()
            .map(|binding| [rebound(binding), mentioned(binding)].into_iter().collect::<TokenStream>())
            .collect()
    } else {
        bindings.iter().rev().map(mentioned).collect()
    }
}

fn rebound(binding: &Binding) -> TokenStream {
    let Binding { name, conditions, mutability, .. } = binding;
    if name == "self" {
        return TokenStream::new();
    }
    let quiet = quiet(name);
    quote_spanned!(site()=> #(#conditions)* #quiet let #mutability #name = #name;)
}

fn mentioned(binding: &Binding) -> TokenStream {
    let Binding { name, conditions, .. } = binding;
    let quiet = quiet(name);
    quote_spanned!(site()=> #(#conditions)* #quiet let _ = &#name;)
}

/// For a statement of ours that uses a name which says that it is not used.
fn quiet(name: &Ident) -> Option<TokenStream> {
    name.to_string().starts_with('_').then(|| quote_spanned!(site()=> #[allow(clippy::used_underscore_binding)]))
}

/// The body behind a first statement that tells the compiler the block's type, so that a wrong one is reported at the
/// user's expression.
///
/// It stands within the user's braces: around a single expression they would be told to be needless.
fn with_edge(output: Option<&Type>, body: &Group) -> Group {
    let edge = match output.map(without_impl_trait) {
        None | Some(Type::Never(_)) => quote_spanned!(site()=> let () = ();),
        Some(output) => {
            let returned = Ident::new("__returned", site());
            quote_spanned! {site()=>
                #[allow(unreachable_code)]
                if let ::core::option::Option::Some(#returned) = ::core::option::Option::None::<#output> {
                    return #returned;
                }
            }
        }
    };
    let mut whole = Group::new(Delimiter::Brace, edge.into_iter().chain(body.stream()).collect());
    whole.set_span(body.span());
    whole
}

fn braces(span: Span, content: TokenStream) -> TokenTree {
    let mut group = Group::new(Delimiter::Brace, content);
    group.set_span(site().located_at(span));
    group.into()
}

fn turbofish(ty: &Type) -> TokenStream {
    let ty = without_impl_trait(ty);
    quote_spanned!(site()=> ::<#ty>)
}

#[cfg(test)]
mod tests;

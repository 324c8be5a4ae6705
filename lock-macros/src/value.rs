//! The values that an option may have: a duration, one of two words, a switch, an expression, a path.
//!
//! A literal that a `macro_rules` hands on arrives in an invisible group, and one may be put in parentheses: both are
//! looked through, here and nowhere else.

use std::time::Duration;

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{Error, Expr, ExprLit, Ident, Lit, LitStr, Path, Result};

use crate::diagnostics::did_you_mean;

/// A duration, known now or computed at run time.
pub(crate) enum Time {
    Known(Duration, Span),
    Computed(Expr),
}

impl Time {
    /// What to point at when it does not fit.
    pub(crate) fn span(&self) -> Span {
        match self {
            Self::Known(_, span) => *span,
            Self::Computed(value) => value.span(),
        }
    }
}

/// The literal that an expression is, if it is one.
pub(crate) fn literal(value: &Expr) -> Option<&Lit> {
    match unwrapped(value) {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        _ => None,
    }
}

/// The string literal that an expression is, if it is one.
pub(crate) fn string(value: &Expr) -> Option<LitStr> {
    match literal(value) {
        Some(Lit::Str(text)) => Some(text.clone()),
        _ => None,
    }
}

/// What stands between the brackets of an array, if the expression is one.
pub(crate) fn array(value: &Expr) -> Option<Vec<&Expr>> {
    match unwrapped(value) {
        Expr::Array(array) => Some(array.elems.iter().collect()),
        _ => None,
    }
}

/// `"30s"`, or an expression of type `Duration`.
pub(crate) fn duration(option: &Ident, value: Expr) -> Result<Time> {
    if let Some(text) = string(&value) {
        let duration = match text.value().as_str() {
            "forever" => Err(format!("only `wait` can be \"forever\"; write `{option}` like \"30s\"")),
            written => crate::duration::parse(written),
        };
        return duration.map(|known| Time::Known(known, text.span())).map_err(|fault| Error::new(text.span(), fault));
    }
    if let Some(literal) = literal(&value) {
        return Err(Error::new(
            literal.span(),
            format!("`{option}` is a string with a unit, or a `Duration`; {}", quoted(literal)),
        ));
    }
    if unquoted(&value).is_some_and(|word| word == "forever") {
        return Err(Error::new(value.span(), "write \"forever\" in quotes"));
    }
    Ok(Time::Computed(value))
}

/// What a number without quotes was probably meant to be.
fn quoted(literal: &Lit) -> String {
    let written = quote::ToTokens::to_token_stream(literal).to_string().replace('_', "");
    let fix = [written.clone(), format!("{written}s")].into_iter().find(|text| crate::duration::parse(text).is_ok());
    format!("write \"{}\"", fix.as_deref().unwrap_or("30s"))
}

/// A number, known now or computed at run time.
pub(crate) enum Count {
    Known(u32, Span),
    Computed(Expr),
}

impl Count {
    /// What to point at when it does not fit.
    pub(crate) fn span(&self) -> Span {
        match self {
            Self::Known(_, span) => *span,
            Self::Computed(value) => value.span(),
        }
    }
}

/// `5`, or an expression of type `u32`.
pub(crate) fn count(option: &Ident, value: Expr) -> Result<Count> {
    let wrong = |span, fix: String| {
        Err(Error::new(span, format!("`{option}` is a number from 1 to 4294967295, or a `u32`; {fix}")))
    };
    match unwrapped(&value) {
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) if matches!(number.suffix(), "" | "u32") => {
            match number.base10_parse() {
                Ok(0) => wrong(number.span(), format!("write `{option} = 1`")),
                Ok(known) => Ok(Count::Known(known, number.span())),
                Err(_) => wrong(number.span(), format!("write `{option} = 4294967295`")),
            }
        }
        Expr::Lit(ExprLit { lit, .. }) => {
            let said = match lit {
                Lit::Str(text) => text.value(),
                other => quote::ToTokens::to_token_stream(other).to_string(),
            };
            let digits: String = said.chars().take_while(char::is_ascii_digit).collect();
            let near = digits.parse::<u32>().ok().filter(|number| *number > 0).unwrap_or(5);
            wrong(lit.span(), format!("write `{option} = {near}`"))
        }
        Expr::Unary(negative) if literal(&negative.expr).is_some() => {
            wrong(value.span(), format!("write `{option} = 1`"))
        }
        _ => Ok(Count::Computed(value)),
    }
}

/// `true` or `false`, written out.
pub(crate) fn switch(option: &Ident, value: &Expr) -> Result<bool> {
    match literal(value) {
        Some(Lit::Bool(switch)) => Ok(switch.value),
        _ => Err(Error::new_spanned(
            value,
            format!("`{option}` is written out, `{option} = true` or `{option} = false`"),
        )),
    }
}

/// One of two words, in quotes.
pub(crate) fn choice(option: &Ident, value: &Expr, words: [&'static str; 2]) -> Result<&'static str> {
    let text = string(value);
    let said = text.as_ref().map(LitStr::value).or_else(|| unquoted(value));
    let known = words.into_iter().find(|word| said.as_deref() == Some(word));
    match known {
        Some(word) if text.is_some() => Ok(word),
        Some(word) => Err(Error::new(value.span(), format!("write it in quotes, `{option} = \"{word}\"`"))),
        None => {
            let near = said.map(|said| did_you_mean(&said, words).replace('`', "\"")).unwrap_or_default();
            let [one, other] = words;
            Err(Error::new_spanned(value, format!("`{option}` is \"{one}\" or \"{other}\"{near}")))
        }
    }
}

/// Any expression but a literal.
pub(crate) fn not_text(value: Expr, what: &str, example: &str) -> Result<Expr> {
    match literal(&value) {
        Some(literal) => {
            Err(Error::new(literal.span(), format!("{what} is expected here, not a literal; write `{example}`")))
        }
        None => Ok(value),
    }
}

/// Any expression but a closure that answers with a future.
pub(crate) fn not_async(value: Expr) -> Result<Expr> {
    let message = "`or_else` is called and not awaited; write a closure that returns what the function returns, and \
                   await in the caller instead";
    match unwrapped(&value) {
        Expr::Closure(closure) if closure.asyncness.is_some() => Err(Error::new(closure.asyncness.span(), message)),
        Expr::Closure(closure) => match &*closure.body {
            Expr::Async(block) => Err(Error::new(block.async_token.span, message)),
            _ => Ok(value),
        },
        _ => Ok(value),
    }
}

/// A path to a crate or module, without quotes and without generics.
pub(crate) fn bare_path(value: Expr) -> Result<Path> {
    match unwrapped(&value) {
        Expr::Path(path)
            if path.qself.is_none() && path.path.segments.iter().all(|segment| segment.arguments.is_none()) =>
        {
            Ok(path.path.clone())
        }
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
            Err(Error::new(text.span(), format!("`crate` is a bare path; write `crate = {}`", text.value())))
        }
        _ => Err(Error::new_spanned(
            value,
            "`crate` is a bare path to the runtime crate; write `crate = my_crate::locks`",
        )),
    }
}

fn unwrapped(value: &Expr) -> &Expr {
    match value {
        Expr::Group(group) => unwrapped(&group.expr),
        Expr::Paren(paren) => unwrapped(&paren.expr),
        value => value,
    }
}

fn unquoted(value: &Expr) -> Option<String> {
    match unwrapped(value) {
        Expr::Path(path) => path.path.get_ident().map(ToString::to_string),
        _ => None,
    }
}

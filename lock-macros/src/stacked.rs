//! Several attributes on one function: the uppermost expands them all, so that its lock is the outer one.
//!
//! The compiler expands the uppermost attribute first, and each one below wraps what was written before it. Left to
//! that, the lowest lock would be the outermost. An attribute that is not recognised here, because it goes by another
//! name or is still inside a `cfg_attr`, finds what an upper one wrote, and says so.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};

/// An attribute below the one that is expanded.
pub(crate) struct Lower {
    pub(crate) args: TokenStream,
    pub(crate) span: Span,
}

/// Takes every attribute of ours from the top of an item.
pub(crate) fn take(item: TokenStream) -> (Vec<Lower>, TokenStream) {
    let mut found = Vec::new();
    let mut kept = Vec::new();
    let mut rest = item.into_iter();
    while let Some(first) = rest.next() {
        if !matches!(&first, TokenTree::Punct(punct) if punct.as_char() == '#') {
            kept.push(first);
            break;
        }
        match rest.next() {
            Some(TokenTree::Group(group)) => match ours(group.stream()) {
                Some(lower) => found.push(lower),
                None => kept.extend([first, TokenTree::Group(group)]),
            },
            other => kept.extend([Some(first), other].into_iter().flatten()),
        }
    }
    (found, kept.into_iter().chain(rest).collect())
}

/// Reads `distributed_lock(..)`, under any path; a `macro_rules` may have put an invisible group around it.
fn ours(content: TokenStream) -> Option<Lower> {
    let mut name = None;
    let mut tokens = content.into_iter();
    let mut args = TokenStream::new();
    for token in tokens.by_ref() {
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::None && name.is_none() => {
                return ours(group.stream());
            }
            TokenTree::Group(group) => {
                args = group.stream();
                break;
            }
            TokenTree::Ident(segment) => name = Some(segment),
            TokenTree::Punct(punct) if punct.as_char() == ':' => {}
            _ => return None,
        }
    }
    let name = name.filter(|name| name == "distributed_lock" && tokens.next().is_none())?;
    Some(Lower { args, span: name.span() })
}

/// Whether a body is what an attribute of ours wrote.
pub(crate) fn is_locked_already(body: TokenStream) -> bool {
    let mut before: Option<TokenTree> = None;
    for token in body {
        match &token {
            TokenTree::Group(group) if is_locked_already(group.stream()) => return true,
            TokenTree::Punct(punct) if punct.as_char() == ':' => continue,
            TokenTree::Ident(name) if name.to_string().starts_with("settle") => {
                if matches!(&before, Some(TokenTree::Ident(module)) if module == "__private") {
                    return true;
                }
            }
            _ => {}
        }
        before = Some(token);
    }
    false
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    fn taken(item: TokenStream) -> (Vec<String>, String) {
        let (lower, rest) = take(item);
        (lower.into_iter().map(|lower| lower.args.to_string()).collect(), rest.to_string())
    }

    #[test]
    fn attributes_of_ours_are_taken_and_the_rest_stays() {
        let item = quote!(
            #[a]
            #[distributed_lock(key = "x")]
            #[b = "c"]
            #[::lock_runtime::distributed_lock]
            async fn f() {}
        );
        let rest = quote!(
            #[a]
            #[b = "c"]
            async fn f() {}
        );
        assert_eq!(taken(item), (vec![quote!(key = "x").to_string(), String::new()], rest.to_string()));
    }

    #[test]
    fn other_attributes_and_bodies_stay() {
        for item in [
            quote!(
                #[a(distributed_lock)]
                #[distributed_lock::other]
                fn f() {
                    #[distributed_lock(key = "x")]
                    fn g() {}
                }
            ),
            quote!(
                #[cfg_attr(x, distributed_lock(key = "x"))]
                fn f() {}
            ),
            "# fn f() {}".parse().expect("tokens"),
            quote!(),
        ] {
            assert_eq!(taken(item.clone()), (Vec::new(), item.to_string()));
        }
    }

    #[test]
    fn what_the_attribute_wrote_is_recognised() {
        assert!(is_locked_already(quote!({ ::lock_runtime::__private::settle::<R>(x) })));
        assert!(is_locked_already(quote!(span(a::__private::settle_or_else(x)))));
        assert!(!is_locked_already(quote!(settle(x) + __private::text(y))));
    }
}

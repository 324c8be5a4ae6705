//! What an attribute above has made of an `async fn`, as far as its body shows.
//!
//! Attributes for tests and for `main` put the body into a plain function that blocks on it; one that copies attributes
//! leaves a function that only calls the copy. They are known by what they write, not by their names.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use syn::Signature;

/// Why a function that is not async any more is not accepted.
pub(crate) fn told(signature: &Signature, body: &Group) -> String {
    let name = &signature.ident;
    let tokens = body.stream();
    if is_made_by_tokio(&tokens) {
        format!(
            "`{name}` is no `async fn` any more, because `#[tokio::test]` or `#[tokio::main]` stands above; \
             swap the two, so that `#[distributed_lock]` comes first"
        )
    } else if has_async_fn(tokens.clone(), Some(name)) {
        format!(
            "`{name}` is no `async fn` any more, because an attribute above has put it into a plain function; \
             swap the two, so that `#[distributed_lock]` comes first"
        )
    } else if has_async_fn(tokens.clone(), None) || blocks(tokens) {
        format!(
            "`{name}` is no `async fn`: it calls one; if an attribute above made it so, swap the two, so that \
             `#[distributed_lock]` comes first; else write `async fn {name}`"
        )
    } else {
        format!("`#[distributed_lock]` needs an `async fn`; write `async fn {name}`")
    }
}

/// What `#[tokio::main]` leaves behind builds a runtime and blocks on it.
fn is_made_by_tokio(body: &TokenStream) -> bool {
    ["tokio", "Builder", "block_on"].into_iter().all(|word| has(body.clone(), &|token| is_word(token, word)))
}

/// `async fn`, of one name or of any, anywhere inside.
fn has_async_fn(body: TokenStream, name: Option<&Ident>) -> bool {
    let tokens: Vec<TokenTree> = body.into_iter().collect();
    let is_named =
        |token: &TokenTree| name.is_none_or(|name| matches!(token, TokenTree::Ident(found) if found == name));
    let found =
        tokens.windows(3).any(|three| is_word(&three[0], "async") && is_word(&three[1], "fn") && is_named(&three[2]));
    found
        || tokens
            .into_iter()
            .any(|token| matches!(token, TokenTree::Group(group) if has_async_fn(group.stream(), name)))
}

/// The name of the function that a body only calls and awaits, where it is called like this one: `__server_pay`.
///
/// An attribute that copies others leaves the first copy on such a function, and the second on what it calls.
pub(crate) fn copied_to(signature: &Signature, body: &Group) -> Option<String> {
    let tokens: Vec<TokenTree> = body.stream().into_iter().collect();
    let [.., TokenTree::Ident(called), TokenTree::Group(_), TokenTree::Punct(_), TokenTree::Ident(awaited)] =
        tokens.as_slice()
    else {
        return None;
    };
    let is_path = tokens[..tokens.len() - 4].iter().all(|token| match token {
        TokenTree::Ident(segment) => segment != "return" && segment != "let",
        TokenTree::Punct(punct) => punct.as_char() == ':',
        _ => false,
    });
    let called = called.to_string();
    let is_copy = called.starts_with("__") && called.ends_with(&signature.ident.to_string());
    (awaited == "await" && is_path && is_copy).then_some(called)
}

/// A call of `block_on`, or of anything but a constructor of pinned boxes with an `async` block as an argument.
fn blocks(body: TokenStream) -> bool {
    let mut before: Option<String> = None;
    for token in body {
        match &token {
            TokenTree::Group(group) => {
                let called = before.as_ref().is_some_and(|name| !["pin", "new", "Some", "Ok"].contains(&name.as_str()));
                let awaits = group.delimiter() == Delimiter::Parenthesis && begins_async_block(group.stream());
                if called && awaits || blocks(group.stream()) {
                    return true;
                }
                before = None;
            }
            TokenTree::Ident(name) if name == "block_on" => return true,
            TokenTree::Ident(name) => before = Some(name.to_string()),
            _ => before = None,
        }
    }
    false
}

fn begins_async_block(arguments: TokenStream) -> bool {
    let mut tokens = arguments.into_iter();
    let mut next = || tokens.next();
    let is_brace =
        |token: &TokenTree| matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
    match (next(), next(), next()) {
        (Some(first), Some(second), third) if is_word(&first, "async") => {
            is_brace(&second) || is_word(&second, "move") && third.as_ref().is_some_and(is_brace)
        }
        _ => false,
    }
}

fn has(tokens: TokenStream, wanted: &dyn Fn(&TokenTree) -> bool) -> bool {
    tokens
        .into_iter()
        .any(|token| wanted(&token) || matches!(&token, TokenTree::Group(group) if has(group.stream(), wanted)))
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == word)
}

#[cfg(test)]
mod tests {
    use quote::{ToTokens, quote};

    use super::*;

    fn said(body: TokenStream) -> String {
        let signature: Signature = syn::parse2(quote!(fn pay())).expect("a signature");
        let body = Group::new(Delimiter::Brace, body);
        told(&signature, &syn::parse2(body.to_token_stream()).expect("a group"))
    }

    #[test]
    fn what_attributes_write_is_recognised() {
        let swaps = "swap the two, so that `#[distributed_lock]` comes first";
        for body in [
            quote!(async fn pay(pool: Pool) { x } let args = Args::new("pay"); let f: fn(_) -> _ = pay; run_test(f, args)),
            quote!({
                async fn pay() {}
                async_std::task::block_on(async { pay().await })
            }),
            quote!(<rt::System>::new().block_on(async { body })),
            quote!(::rocket::async_test(async move { body })),
            quote!(let body = async { x }; tokio::pin!(body); tokio::runtime::Builder::new().block_on(body)),
        ] {
            let said = said(body.clone());
            assert!(said.contains(swaps), "{said} for {body}");
        }
    }

    #[test]
    fn a_function_that_only_calls_its_copy_is_recognised() {
        let called = |body: TokenStream| {
            let signature: Signature = syn::parse2(quote!(async fn pay())).expect("a signature");
            copied_to(&signature, &Group::new(Delimiter::Brace, body))
        };
        assert_eq!(called(quote!(__server_pay(id).await)).as_deref(), Some("__server_pay"));
        assert_eq!(called(quote!(Self::__pay(id).await)).as_deref(), Some("__pay"));
        for body in
            [quote!(pay_server(id).await), quote!(x; __pay().await), quote!(__pay().await?), quote!(__pay_all().await)]
        {
            assert_eq!(called(body.clone()), None, "{body}");
        }
    }

    #[test]
    fn a_plain_function_is_told_to_be_async() {
        for body in [
            quote!(work()),
            quote!(async { work().await }),
            quote!(Box::pin(async { work().await })),
            quote!(f(async_work, 1)),
        ] {
            assert_eq!(said(body), "`#[distributed_lock]` needs an `async fn`; write `async fn pay`");
        }
    }
}

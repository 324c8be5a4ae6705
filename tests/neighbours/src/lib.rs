//! Attributes that do to a function what well-known ones do, for the tests of ours beside them.
//!
//! The shapes are those that the named attributes write; what they compute besides is left out.

use proc_macro::{Delimiter, TokenStream, TokenTree};

/// Like `#[server]` of Leptos: the function calls a second one, and both get all attributes.
#[proc_macro_attribute]
pub fn copies(_: TokenStream, item: TokenStream) -> TokenStream {
    let Function { attributes, before, name, arguments, names, output, body } = Function::read(item);
    written(&format!(
        "{attributes} {before} async fn {name} ({arguments}) {output} {{ __server_{name} ({names}).await }}
         {attributes} {before} async fn __server_{name} ({arguments}) {output} {body}"
    ))
}

/// Like `#[cached]`: the function looks the answer up, and runs an inner one if it has none.
#[proc_macro_attribute]
pub fn wraps(_: TokenStream, item: TokenStream) -> TokenStream {
    let Function { attributes, before, name, arguments, names, output, body } = Function::read(item);
    written(&format!(
        "{attributes} {before} async fn {name} ({arguments}) {output} {{
            static CACHE: ::std::sync::Mutex<Option<String>> = ::std::sync::Mutex::new(None);
            async fn inner ({arguments}) {output} {body}
            let found = CACHE.lock().expect(\"not poisoned\").clone();
            if let Some(found) = found {{ return Ok(found); }}
            let answer = inner({names}).await;
            if let Ok(answer) = &answer {{ *CACHE.lock().expect(\"not poisoned\") = Some(answer.clone()); }}
            answer
         }}"
    ))
}

/// Like `#[sqlx::test]`: a plain function that hands an inner one and what it needs to a runner.
#[proc_macro_attribute]
pub fn runs_inner(_: TokenStream, item: TokenStream) -> TokenStream {
    let Function { attributes, before, name, arguments, output, body, .. } = Function::read(item);
    written(&format!(
        "{attributes} {before} fn {name} () {output} {{
            async fn inner ({arguments}) {output} {body}
            ::futures::executor::block_on(inner(Default::default()))
         }}"
    ))
}

/// Like `#[actix_web::test]` and `#[rocket::async_test]`: a plain function that blocks on the body.
#[proc_macro_attribute]
pub fn blocks(_: TokenStream, item: TokenStream) -> TokenStream {
    let Function { attributes, before, name, arguments, output, body, .. } = Function::read(item);
    written(&format!(
        "{attributes} {before} fn {name} ({arguments}) {output} {{
            ::futures::executor::block_on(async move {body})
         }}"
    ))
}

/// Like `#[rstest]`: the function stays, and a test beside it calls it with what it needs.
#[proc_macro_attribute]
pub fn calls(_: TokenStream, item: TokenStream) -> TokenStream {
    let Function { attributes, before, name, arguments, output, body, .. } = Function::read(item);
    written(&format!(
        "{attributes} {before} async fn {name} () {output} {{
            async fn {name} ({arguments}) {output} {body}
            {name}(Default::default()).await
         }}"
    ))
}

/// An `async fn` with one argument at most, in pieces.
struct Function {
    attributes: String,
    before: String,
    name: String,
    arguments: String,
    /// The arguments as a call would name them.
    names: String,
    output: String,
    body: String,
}

impl Function {
    fn read(item: TokenStream) -> Self {
        let mut tokens = item.into_iter().peekable();
        let (mut attributes, mut before) = (TokenStream::new(), TokenStream::new());
        while matches!(tokens.peek(), Some(TokenTree::Punct(punct)) if punct.as_char() == '#') {
            attributes.extend(tokens.by_ref().take(2));
        }
        for token in tokens.by_ref() {
            match &token {
                TokenTree::Ident(word) if word.to_string() == "async" => {}
                TokenTree::Ident(word) if word.to_string() == "fn" => break,
                _ => before.extend([token]),
            }
        }
        let name = tokens.next().expect("a name").to_string();
        let Some(TokenTree::Group(arguments)) = tokens.next() else { panic!("arguments") };
        let mut rest: Vec<TokenTree> = tokens.collect();
        let Some(TokenTree::Group(body)) = rest.pop() else { panic!("a body") };
        assert_eq!((arguments.delimiter(), body.delimiter()), (Delimiter::Parenthesis, Delimiter::Brace));
        let arguments = arguments.stream().to_string();
        Self {
            attributes: attributes.to_string(),
            before: before.to_string(),
            name,
            names: arguments.split(':').next().unwrap_or_default().to_owned(),
            arguments,
            output: rest.into_iter().collect::<TokenStream>().to_string(),
            body: body.to_string(),
        }
    }
}

fn written(code: &str) -> TokenStream {
    code.parse().expect("tokens")
}

//! What the tokens of a macro's call name: paths, and methods that are called.
//!
//! A macro gives its tokens whatever meaning it likes, so each name counts as a path, and only one behind a dot does
//! not.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::imports::Segments;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum What {
    Path(Segments),
    Call { on_self: bool, method: String },
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mentioned {
    pub(crate) what: What,
    pub(crate) line: usize,
}

/// All that is named, in the order written.
pub(crate) fn mentioned(tokens: &TokenStream) -> Vec<Mentioned> {
    let mut found = Vec::new();
    gather(tokens.clone(), &mut found);
    found
}

fn gather(tokens: TokenStream, found: &mut Vec<Mentioned>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Group(group) => gather(group.stream(), found),
            TokenTree::Ident(name) => {
                let line = name.span().start().line;
                if is_after_dot(&tokens[..at]) {
                    if is_called(&tokens[at + 1..]) {
                        let on_self = is_after_self(&tokens[..at]);
                        found.push(Mentioned { what: What::Call { on_self, method: name.to_string() }, line });
                    }
                } else {
                    let (path, length) = path(&tokens[at..]);
                    let is_hole = is(tokens[..at].last(), '$') && path[0] != "crate";
                    if !is_hole {
                        found.push(Mentioned { what: What::Path(path), line });
                    }
                    at += length - 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// The path that begins here, and of how many tokens it is.
fn path(tokens: &[TokenTree]) -> (Segments, usize) {
    let mut path = vec![tokens[0].to_string()];
    let mut length = 1;
    while let [one, other, TokenTree::Ident(name), ..] = &tokens[length..] {
        if !is(Some(one), ':') || !is(Some(other), ':') {
            break;
        }
        path.push(name.to_string());
        length += 3;
    }
    (path, length)
}

fn is(token: Option<&TokenTree>, character: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == character)
}

/// Behind one dot; two make a range.
fn is_after_dot(before: &[TokenTree]) -> bool {
    let (last, rest) = before.split_last().map_or((None, before), |(last, rest)| (Some(last), rest));
    is(last, '.') && !is(rest.last(), '.')
}

fn is_after_self(before: &[TokenTree]) -> bool {
    match before {
        [rest @ .., TokenTree::Ident(name), _] => name == "self" && !is(rest.last(), '.'),
        _ => false,
    }
}

fn is_called(after: &[TokenTree]) -> bool {
    match after {
        [TokenTree::Group(group), ..] => group.delimiter() == Delimiter::Parenthesis,
        [one, other, ..] => is(Some(one), ':') && is(Some(other), ':'),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_calls_are_found_in_any_depth() {
        let tokens = "\"{}\", { crate::a::B::new(self.one(), x.two(0..three())) } $crate::d $hole::e f.field";
        let found: Vec<String> = mentioned(&tokens.parse().expect("tokens"))
            .into_iter()
            .map(|found| match found.what {
                What::Path(path) => path.join("::"),
                What::Call { on_self, method } => format!("{}.{method}()", if on_self { "self" } else { "" }),
            })
            .collect();
        let all = ["crate::a::B::new", "self", "self.one()", "x", ".two()", "three", "crate::d", "f"];
        assert_eq!(found, all);
    }
}

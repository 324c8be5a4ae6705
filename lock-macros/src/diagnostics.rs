//! Faults are gathered, so that one compile shows them all.
//!
//! Absent on purpose: what is wrong with what. Each file words its own faults; this one keeps them and finds near
//! names.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::Error;

/// All that is wrong with one use of the attribute.
#[derive(Default)]
pub(crate) struct Faults(Option<Error>);

impl Faults {
    /// Notes a fault at a place.
    pub(crate) fn at(&mut self, span: Span, message: impl std::fmt::Display) {
        self.add(Error::new(span, message));
    }

    /// Notes a fault at all the tokens of a thing, from the first to the last.
    pub(crate) fn over(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.add(Error::new_spanned(tokens, message));
    }

    pub(crate) fn add(&mut self, error: Error) {
        match &mut self.0 {
            Some(all) => all.combine(error),
            none => *none = Some(error),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn into_compile_errors(self) -> TokenStream {
        self.0.map(Error::into_compile_error).unwrap_or_default()
    }
}

/// ``; did you mean `id`?`` for a name that is a slip of the pen away from one that exists, else nothing.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// `` `a`, `b` ``
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = name.chars().count();
    let most = (length / 3).max(1);
    let measured = known.into_iter().map(|candidate| (distance(name, candidate), candidate));
    let near = measured.filter(|&(distance, _)| distance <= most && distance < length);
    near.min_by_key(|&(distance, _)| distance).map(|(_, near)| near)
}

/// How many characters must be put in, taken out, changed, or swapped with their neighbour.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let changed = rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut least = changed.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_slips() {
        for (from, to, slips) in
            [("id", "id", 0), ("idd", "id", 1), ("", "abc", 3), ("tlt", "ttl", 1), ("wiat", "wait", 1)]
        {
            assert_eq!(distance(from, to), slips, "{from} {to}");
            assert_eq!(distance(to, from), slips, "{to} {from}");
        }
    }

    #[test]
    fn the_nearest_name_is_offered_and_a_far_one_is_not() {
        assert_eq!(nearest("on_bussy", ["on_lost", "on_busy"]), Some("on_busy"));
        assert_eq!(nearest("a", ["b", "amount"]), None);
        assert_eq!(nearest("timeout", ["ttl", "wait"]), None);
        assert_eq!(nearest("x", []), None);
    }

    #[test]
    fn faults_become_one_compile_error_each() {
        let mut faults = Faults::default();
        assert!(faults.is_empty());
        faults.at(Span::call_site(), "one");
        faults.at(Span::call_site(), "two");
        assert!(!faults.is_empty());
        assert_eq!(faults.into_compile_errors().to_string().matches("compile_error").count(), 2);
    }
}

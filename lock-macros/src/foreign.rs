//! Placeholders as other tools write them: `#id`, `:id`, `%id%`, `${id}`, `{{id}}`, `[id]`.
//!
//! Here they are plain text, so that all calls would have one key. A name counts only where it is an argument's and a
//! mark stands at it that nobody puts there by chance: the word `created` of `"order:created"` is a word, whatever the
//! arguments are called. Doubled brackets count only in a key without placeholders: whoever has written one of ours
//! knows what doubled ones stand for.

use std::ops::Range;

use syn::LitStr;

use crate::key::{Brackets, Part, Template};

/// What was found: as it was written, and what names the value.
#[derive(Debug, PartialEq)]
pub(crate) struct Foreign {
    pub(crate) written: String,
    pub(crate) path: String,
    /// The name is a placeholder of ours, and only the mark before it is foreign: `${id}`.
    pub(crate) formatted: bool,
}

impl Foreign {
    /// What is wrong with it, and what to write.
    pub(crate) fn told(&self, template: &Template, literal: &LitStr) -> String {
        let Self { written, path, formatted } = self;
        let name = path.split('.').next().unwrap_or_default();
        let fix = match template.brackets {
            Brackets::Brace => format!("`{{{name}}}`, or `<{path}>` as all others"),
            _ => format!("`<{path}>`"),
        };
        let meant = match template.brackets {
            Brackets::None => format!("`key = concat!({})`", literal.token()),
            _ => "`key = format!(..)`".to_owned(),
        };
        if *formatted {
            let mark = written.chars().next().unwrap_or_default();
            return format!(
                "the `{mark}` of `{written}` would stand in the key; write `<{path}>`, or `{{{name}}}`; if it is meant, write {meant}"
            );
        }
        format!(
            "`{written}` is no placeholder, so that the value of `{name}` would not be in the key; write {fix}; if the \
             text itself is meant, write {meant}"
        )
    }
}

/// Every placeholder of another tool that names an argument.
pub(crate) fn placeholders(template: &Template, is_argument: impl Fn(&str) -> bool) -> Vec<Foreign> {
    let mut found = Vec::new();
    // What stands right before the part that is looked at; a value counts as a letter.
    let mut before = ' ';
    for part in &template.parts {
        match part {
            Part::Text(text) => {
                let brackets = if template.brackets == Brackets::None { &BRACKETS[..] } else { &BRACKETS[..1] };
                found.extend(in_text(text, before, brackets, &is_argument));
                before = text.chars().last().unwrap_or(before);
            }
            Part::Formatted(content) => {
                let name = content.split(':').next().unwrap_or_default().trim();
                if ALWAYS.contains(&before) && is_argument(name) {
                    let written = format!("{before}{{{content}}}");
                    found.push(Foreign { written, path: name.into(), formatted: true });
                }
                before = 'v';
            }
            Part::Value(_) => before = 'v',
        }
    }
    found
}

/// Marks that make a placeholder of any name behind them.
const ALWAYS: [char; 3] = ['#', '$', '%'];
/// Marks that do so unless a word stands before them: then they separate.
const BEHIND_NO_WORD: [char; 2] = [':', '@'];
/// The last two are doubled in a literal.
const BRACKETS: [(char, char); 3] = [('[', ']'), ('{', '}'), ('<', '>')];

fn in_text(text: &str, before: char, brackets: &[(char, char)], is_argument: impl Fn(&str) -> bool) -> Vec<Foreign> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find(is_word).map(|next| at + next) {
        let path = path_at(&text[start..]);
        let name = path.split('.').next().unwrap_or_default();
        let end = start + name.len();
        at = end;
        let written = if is_argument(name) { marked(text, start..start + path.len(), before, brackets) } else { None };
        found.extend(written.map(|written| Foreign { written, path: path.into(), formatted: false }));
    }
    found
}

/// The placeholder around a name, from its mark to its end and as the literal has it, if there is a mark.
fn marked(text: &str, name: Range<usize>, before: char, brackets: &[(char, char)]) -> Option<String> {
    let (head, tail) = (&text[..name.start], &text[name.end..]);
    let (open, close) = in_brackets(head, tail, brackets).or_else(|| behind_a_mark(head, tail, before))?;
    Some(doubled(&text[open..name.end + close]))
}

/// Text as it stands in a literal.
fn doubled(text: &str) -> String {
    let twice = |c| if "{}<>".contains(c) { 2 } else { 1 };
    text.chars().flat_map(|c| std::iter::repeat_n(c, twice(c))).collect()
}

/// How many bytes of the head stay outside, and how many of the tail belong to it.
type Extent = (usize, usize);

fn in_brackets(head: &str, tail: &str, brackets: &[(char, char)]) -> Option<Extent> {
    let (inner, behind) = (head.trim_end(), tail.trim_start());
    let (open, close) = *brackets.iter().find(|&&(open, close)| inner.ends_with(open) && behind.starts_with(close))?;
    let outside = inner.trim_end_matches(open);
    let outside = outside.strip_suffix(ALWAYS).unwrap_or(outside);
    Some((outside.len(), tail.len() - behind.trim_start_matches(close).len()))
}

fn behind_a_mark(head: &str, tail: &str, before: char) -> Option<Extent> {
    let mark = head.chars().next_back()?;
    let outside = &head[..head.len() - mark.len_utf8()];
    let previous = outside.chars().next_back().unwrap_or(before);
    if ALWAYS.contains(&mark) {
        return Some((outside.len(), usize::from(tail.starts_with(mark))));
    }
    if mark == '(' && tail.starts_with(')') && outside.ends_with(['$', '%']) {
        return Some((outside.len() - 1, 1));
    }
    let separates = is_word(previous) || ")]}>".contains(previous);
    (BEHIND_NO_WORD.contains(&mark) && !separates).then_some((outside.len(), 0))
}

/// `job.id` of `job.id:7`: the name at the beginning, and the fields behind it.
fn path_at(text: &str) -> &str {
    let word = |from: usize| text[from..].find(|c| !is_word(c)).map_or(text.len(), |end| from + end);
    let mut end = word(0);
    while text[end..].starts_with('.') && word(end + 1) > end + 1 {
        end = word(end + 1);
    }
    &text[..end]
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(key: &str) -> Vec<(String, String)> {
        let template = crate::key::parse(key).expect("a key");
        let arguments = ["id", "job", "created"];
        placeholders(&template, |name| arguments.contains(&name))
            .into_iter()
            .map(|foreign| (foreign.written, foreign.path))
            .collect()
    }

    #[test]
    fn placeholders_of_other_tools_are_found() {
        for (key, written, path) in [
            ("job:#id", "#id", "id"),
            ("#id", "#id", "id"),
            ("job#id", "#id", "id"),
            ("job::id", ":id", "id"),
            (":id", ":id", "id"),
            ("/jobs/:id/run", ":id", "id"),
            ("<job>::id", ":id", "id"),
            ("job:@id", "@id", "id"),
            ("job:%id%", "%id%", "id"),
            ("job:%id", "%id", "id"),
            ("job:%(id)s", "%(id)", "id"),
            ("job:$(id)", "$(id)", "id"),
            ("job:$id", "$id", "id"),
            ("job:$id:x", "$id", "id"),
            ("job:${id}", "${id}", "id"),
            ("job:#{id}", "#{id}", "id"),
            ("job:%{id}", "%{id}", "id"),
            ("job:{{id}}", "{{id}}", "id"),
            ("job:{{ id }}", "{{ id }}", "id"),
            ("job:${{id}}", "${{id}}", "id"),
            ("job:<<id>>", "<<id>>", "id"),
            ("job:[id]", "[id]", "id"),
            ("job:[[id]]", "[[id]]", "id"),
            ("job:#job.id", "#job.id", "job.id"),
            ("<created>:#id", "#id", "id"),
        ] {
            assert_eq!(found(key), [(written.to_owned(), path.to_owned())], "{key}");
        }
        assert_eq!(found("$id:$job").len(), 2);
    }

    #[test]
    fn words_that_are_called_like_an_argument_stay_words() {
        for key in [
            "order:created",
            "id",
            "a/id/b",
            "id:<id>",
            "<job>:id",
            "{job}:id",
            "job@id",
            "a-id.job",
            "$identity",
            "#idx",
            "job:#other",
            "issue#<id>",
            "{{<id>}}",
            "{{x-<job>}}:<<id>>",
            "{{id}}:{job}",
            "{{{id}}}:created",
            "(id)",
            "f(<id>):id",
            "ünïd:id",
        ] {
            assert_eq!(found(key), [], "{key}");
        }
    }
}

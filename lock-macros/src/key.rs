//! A literal key, as text and placeholders.
//!
//! `"job:<id>"` takes values percent-encoded, `"job:{id}"` takes them as `format!` does; `<<`, `>>`, `{{` and `}}`
//! stand for the characters in either. Text in, parts or sentences out: whether the names exist is `signature.rs`'s
//! question. Spans inside a literal do not exist on stable Rust; whoever reports a fault points at the whole literal,
//! so each sentence quotes the piece that it is about.

/// The longest key that a store may see, in bytes.
const LONGEST: usize = 1024;

/// A literal, taken apart.
#[derive(Debug, PartialEq)]
pub(crate) struct Template {
    pub(crate) parts: Vec<Part>,
    pub(crate) brackets: Brackets,
    /// `<<` or `>>` stands in the text: `format!` would leave both characters.
    pub(crate) doubled_angles: bool,
}

/// A piece of a literal.
#[derive(Debug, PartialEq)]
pub(crate) enum Part {
    /// Text as it will stand in the key.
    Text(String),
    /// `<job.id>`
    Value(Placeholder),
    /// `{id:04}`, what stands between the braces.
    Formatted(String),
}

/// Which brackets a literal's placeholders have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Brackets {
    None,
    Angle,
    Brace,
}

/// A name and the fields taken from it.
#[derive(Debug, PartialEq)]
pub(crate) struct Placeholder {
    pub(crate) name: String,
    pub(crate) fields: Vec<String>,
}

/// Takes a literal apart, or says all that is wrong with it.
pub(crate) fn parse(text: &str) -> Result<Template, Vec<String>> {
    let mut scan = Scan { rest: text, parts: Vec::new(), doubled_angles: false, faults: Vec::new() };
    while !scan.rest.is_empty() {
        scan.step();
    }
    scan.finish()
}

impl Template {
    pub(crate) fn placeholders(&self) -> impl Iterator<Item = &Placeholder> {
        self.parts.iter().filter_map(|part| if let Part::Value(placeholder) = part { Some(placeholder) } else { None })
    }

    /// The names that a `format!` of this literal would look up: `id` and `width` of `{id:>width$}`.
    pub(crate) fn formatted_names(&self) -> Vec<&str> {
        let contents =
            self.parts.iter().filter_map(|part| if let Part::Formatted(content) = part { Some(content) } else { None });
        let mut names = Vec::new();
        for content in contents {
            let (name, spec) = content.split_once(':').unwrap_or((content, ""));
            let counts = spec.match_indices('$').map(|(end, _)| last_name(&spec[..end]));
            names.extend([name.trim()].into_iter().chain(counts).filter(|name| is_name(name)));
        }
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The literal as `format!` must see it for `<<` to become `<`.
    pub(crate) fn for_format(&self) -> String {
        let piece = |part: &Part| match part {
            Part::Text(text) => text.replace('{', "{{").replace('}', "}}"),
            Part::Formatted(content) => format!("{{{content}}}"),
            Part::Value(_) => String::new(),
        };
        self.parts.iter().map(piece).collect()
    }
}

/// Where in a literal we are, and what was found before.
struct Scan<'a> {
    rest: &'a str,
    parts: Vec<Part>,
    doubled_angles: bool,
    faults: Vec<String>,
}

impl Scan<'_> {
    fn step(&mut self) {
        let doubled = ["<<", ">>", "{{", "}}"].into_iter().find(|pair| self.rest.starts_with(pair));
        if let Some(pair) = doubled {
            self.doubled_angles |= matches!(pair, "<<" | ">>");
            self.text(&pair[1..]);
            self.rest = &self.rest[2..];
            return;
        }
        let plain = self.rest.find(['<', '>', '{', '}']).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(plain);
        self.text(text);
        self.rest = rest;
        match rest.chars().next().filter(|_| text.is_empty()) {
            Some('<') => self.placeholder('>', angle),
            Some('{') => self.placeholder('}', brace),
            Some(close) => self.stray(close),
            None => {}
        }
    }

    /// Takes what stands before the closing bracket; an opening bracket within shows that the first was a stray one.
    fn placeholder(&mut self, close: char, read: fn(&str) -> Result<Part, String>) {
        let open = if close == '>' { '<' } else { '{' };
        let end = self.rest[1..].find([open, close]).map(|at| at + 1).filter(|&at| self.rest[at..].starts_with(close));
        let Some(end) = end else { return self.stray(open) };
        match read(&self.rest[1..end]) {
            Ok(part) => self.parts.push(part),
            Err(fault) => self.faults.push(fault),
        }
        self.rest = &self.rest[end + 1..];
    }

    fn stray(&mut self, bracket: char) {
        self.faults.push(format!(
            "a single `{bracket}` opens or closes no placeholder here; write `{bracket}{bracket}` for the character"
        ));
        self.rest = &self.rest[1..];
    }

    fn text(&mut self, more: &str) {
        match self.parts.last_mut() {
            Some(Part::Text(text)) => text.push_str(more),
            _ if more.is_empty() => {}
            _ => self.parts.push(Part::Text(more.into())),
        }
    }

    fn finish(mut self) -> Result<Template, Vec<String>> {
        let angle = self.parts.iter().any(|part| matches!(part, Part::Value(_)));
        let brace = self.parts.iter().any(|part| matches!(part, Part::Formatted(_)));
        let brackets = match (angle, brace) {
            (true, true) => return Err(vec![BOTH_BRACKETS.into()]),
            (true, false) => Brackets::Angle,
            (false, true) => Brackets::Brace,
            (false, false) => Brackets::None,
        };
        if self.parts.is_empty() && self.faults.is_empty() {
            self.faults.push("an empty key locks nothing; name what is locked, like \"job:<id>\"".into());
        }
        self.faults.extend(unfit_text(&self.parts));
        self.faults.extend(side_by_side(&self.parts));
        if self.faults.is_empty() {
            Ok(Template { parts: self.parts, brackets, doubled_angles: self.doubled_angles })
        } else {
            Err(self.faults)
        }
    }
}

const BOTH_BRACKETS: &str = "this key has both kinds of bracket; write every placeholder as `<name>`, which encodes the value, \
     or every one as `{name}`, which formats it; for the characters themselves write `<<`, `>>`, `{{`, `}}`";

fn angle(content: &str) -> Result<Part, String> {
    let mut path = content.split('.');
    let name = path.next().unwrap_or_default();
    let fields: Vec<&str> = path.collect();
    if is_name(name) && fields.iter().all(|field| is_field(field) || is_index(field)) {
        return Ok(Part::Value(Placeholder {
            name: name.into(),
            fields: fields.into_iter().map(Into::into).collect(),
        }));
    }
    Err(match content.split_once(':') {
        _ if content.is_empty() => {
            "`<>` names nothing; write the argument's name in it, `<id>`, or `<<>>` for the characters".into()
        }
        _ if content.contains(['{', '}']) => BOTH_BRACKETS.into(),
        Some((name, spec)) if is_name(name) => {
            format!("`<{content}>`: only braces take a format; write `{{{name}:{spec}}}`, or `<{name}>`")
        }
        _ => format!(
            "`<{content}>` is not a placeholder: a name and its fields are read, `<job.id>`; for more write \
             `key = format!(..)`, and for the characters themselves `<<` and `>>`"
        ),
    })
}

fn brace(content: &str) -> Result<Part, String> {
    let name = content.split(':').next().unwrap_or_default().trim();
    if is_name(name) {
        return Ok(Part::Formatted(content.into()));
    }
    Err(if name.is_empty() || name.chars().all(|c| c.is_ascii_digit()) {
        format!("`{{{content}}}` names no argument; write its name, `{{id}}`, or `{{{{` and `}}}}` for the characters")
    } else if matches!(angle(name), Ok(Part::Value(_))) {
        format!("`{{{content}}}`: braces take a bare name, as in `format!`; write `<{name}>`, or `key = format!(..)`")
    } else {
        format!("`{{{content}}}` is not a placeholder; write `{{id}}`, or `{{{{` and `}}}}` for the characters")
    })
}

/// What no store may see: the same rules as at run time, for the text that is known now.
fn unfit_text(parts: &[Part]) -> Option<String> {
    let texts = || parts.iter().filter_map(|part| if let Part::Text(text) = part { Some(text) } else { None });
    let length: usize = texts().map(String::len).sum();
    if length > LONGEST {
        return Some(format!("this key has {length} bytes, and {LONGEST} are the most; write a shorter one"));
    }
    let control = texts().flat_map(|text| text.chars()).find(|c| c.is_control())?;
    Some(format!("a key cannot hold the control character `{}`; take it out", control.escape_default()))
}

/// `<a><b>` would make one key of ("x", "yz") and ("xy", "z"): the text between must hold what no encoded value holds.
fn side_by_side(parts: &[Part]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut before: Option<(&Placeholder, bool)> = None;
    for part in parts {
        match part {
            Part::Text(text) => {
                if let Some((_, separated)) = &mut before {
                    *separated |= text.chars().any(|c| !c.is_ascii_alphanumeric() && !"-._~%".contains(c));
                }
            }
            Part::Value(next) => {
                if let Some((last, false)) = before {
                    faults.push(unseparated(last, next));
                }
                before = Some((next, false));
            }
            Part::Formatted(_) => {}
        }
    }
    faults
}

fn unseparated(last: &Placeholder, next: &Placeholder) -> String {
    let (last, next) = (last.written(), next.written());
    format!(
        "nothing separates `<{last}>` from `<{next}>`, so that different values could make one key; put a character \
         between them that no value holds once it is encoded, such as `:` or `/`: `<{last}>:<{next}>`"
    )
}

impl Placeholder {
    /// `job.id`
    pub(crate) fn written(&self) -> String {
        [&self.name].into_iter().chain(&self.fields).map(String::as_str).collect::<Vec<_>>().join(".")
    }
}

/// Letters, digits and `_`, the first no digit, with or without `r#`. Close to what an identifier is; where it is not
/// one, the name is unknown and said to be so.
fn is_name(text: &str) -> bool {
    let text = text.strip_prefix("r#").unwrap_or(text);
    let belongs = |c: char| c.is_alphanumeric() || c == '_';
    text != "_" && text.chars().all(belongs) && text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// What can be a field's name, or can be with `r#` before it.
fn is_field(text: &str) -> bool {
    let bare = text.strip_prefix("r#").unwrap_or(text);
    is_name(text) && [bare, &format!("r#{bare}")].into_iter().any(|name| syn::parse_str::<syn::Ident>(name).is_ok())
}

/// A tuple's field, as the compiler would write it.
fn is_index(text: &str) -> bool {
    text.parse::<u32>().is_ok_and(|index| index.to_string() == text)
}

/// `width` of `>width`
fn last_name(text: &str) -> &str {
    let start = text
        .rfind(|c: char| !c.is_alphanumeric() && c != '_')
        .map(|at| at + text[at..].chars().next().map_or(1, char::len_utf8));
    &text[start.unwrap_or(0)..]
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

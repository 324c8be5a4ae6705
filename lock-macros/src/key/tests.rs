use super::*;

fn text(text: &str) -> Part {
    Part::Text(text.into())
}

fn value(path: &str) -> Part {
    let mut names = path.split('.').map(String::from);
    Part::Value(Placeholder { name: names.next().unwrap_or_default(), fields: names.collect() })
}

fn formatted(content: &str) -> Part {
    Part::Formatted(content.into())
}

fn parts(literal: &str) -> Vec<Part> {
    parse(literal).expect(literal).parts
}

fn fault(literal: &str) -> String {
    let mut faults = parse(literal).expect_err(literal);
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults.remove(0)
}

#[test]
fn text_alone_is_text() {
    assert_eq!(parts("report"), [text("report")]);
    assert_eq!(parts("ä:%:*"), [text("ä:%:*")]);
}

#[test]
fn angles_hold_names_and_their_fields() {
    assert_eq!(parts("job:<id>"), [text("job:"), value("id")]);
    assert_eq!(parts("<job.id>:<pair.0>"), [value("job.id"), text(":"), value("pair.0")]);
    assert_eq!(parts("<self.tenant>"), [value("self.tenant")]);
    assert_eq!(parts("<a.0.1.b>"), [value("a.0.1.b")]);
    assert_eq!(parts("<r#type>/<_x>"), [value("r#type"), text("/"), value("_x")]);
    assert_eq!(parts("<größe>"), [value("größe")]);
}

#[test]
fn braces_hold_what_format_reads() {
    assert_eq!(parts("job:{id}"), [text("job:"), formatted("id")]);
    assert_eq!(parts("{id:04}{name:?}"), [formatted("id:04"), formatted("name:?")]);
    assert_eq!(parts("{id:<8}|{id:>w$}"), [formatted("id:<8"), text("|"), formatted("id:>w$")]);
}

#[test]
fn doubled_brackets_stand_for_the_characters_in_either_kind() {
    assert_eq!(parts("<<id>>{{x}}"), [text("<id>{x}")]);
    assert_eq!(parts("{{tenant-<tenant>}}:job"), [text("{tenant-"), value("tenant"), text("}:job")]);
    assert_eq!(parts("a<<{id}>>"), [text("a<"), formatted("id"), text(">")]);
    assert_eq!(parts("{{{id}}}"), [text("{"), formatted("id"), text("}")]);
    assert_eq!(parts("<<<id>>>"), [text("<"), value("id"), text(">")]);
    assert!(!parse("{{}}").expect("text").doubled_angles);
    assert!(parse("<<{id}").expect("text").doubled_angles);
}

#[test]
fn a_literal_for_format_keeps_braces_doubled_and_angles_single() {
    let template = parse("{{a}}<<{id:<4}>>").expect("template");
    assert_eq!(template.brackets, Brackets::Brace);
    assert_eq!(template.for_format(), "{{a}}<{id:<4}>");
}

#[test]
fn names_that_format_would_look_up_are_found() {
    let template = parse("{id:>width$.prec$}:{id}:{name:ä<w$}:{x:04}").expect("template");
    assert_eq!(template.formatted_names(), ["id", "name", "prec", "w", "width", "x"]);
    assert!(parse("<id>").expect("template").formatted_names().is_empty());
}

#[test]
fn both_brackets_are_one_fault() {
    for literal in ["{job}:<id>", "<id>:{job:04}", "<{id}>", "<a><b>{c}"] {
        assert!(fault(literal).contains("both kinds of bracket"), "{literal}");
    }
}

#[test]
fn a_stray_bracket_is_told_how_to_be_doubled() {
    for (literal, bracket) in
        [("a<b", "<"), ("a>b", ">"), ("a{b", "{"), ("a}b", "}"), ("{a}->{b}", ">"), ("<", "<"), ("a < <b>", "<")]
    {
        assert!(fault(literal).contains(&format!("write `{bracket}{bracket}`")), "{}", fault(literal));
    }
    assert_eq!(parse("<a{").expect_err("two").len(), 2);
}

#[test]
fn what_is_no_placeholder_is_told_why() {
    assert!(fault("<>").contains("names nothing"));
    assert!(fault("<id:04>").contains("write `{id:04}`"));
    assert!(fault("<job id>").contains("is not a placeholder"));
    assert!(fault("<job.id()>").contains("key = format!(..)"));
    assert!(fault("<0>").contains("is not a placeholder"));
    assert!(fault("<a.01>").contains("is not a placeholder"));
    assert!(fault("<a.>").contains("is not a placeholder"));
    assert!(fault("{}").contains("names no argument"));
    assert!(fault("{0}").contains("names no argument"));
    assert!(fault("{:04}").contains("names no argument"));
    assert!(fault("{job.id}").contains("write `<job.id>`"));
    assert!(fault("{a b}").contains("is not a placeholder"));
}

#[test]
fn values_that_nothing_separates_are_refused() {
    for literal in ["<a><b>", "<a>-<b>", "<a>x1._~%<b>", "<a>:<b>-<c>"] {
        assert!(fault(literal).contains("nothing separates"), "{literal}");
    }
    for literal in ["<a>:<b>", "<a>-/-<b>", "<a>ä<b>", "<a>}}<b>", "<a> <b>", "{a}{b}"] {
        assert!(parse(literal).is_ok(), "{literal}");
    }
}

#[test]
fn what_no_store_may_see_is_refused() {
    assert!(fault("").contains("empty key"));
    assert!(fault("a\nb").contains("`\\n`"));
    assert!(fault("<id>\0").contains("control character"));
    assert!(parse(&"x".repeat(1024)).is_ok());
    assert!(fault(&"x".repeat(1025)).contains("1025 bytes"));
    assert!(parse(&"{{".repeat(1024)).is_ok(), "only what stands in the key counts");
}

#[test]
fn every_text_is_read_to_its_end() {
    const PIECES: [&str; 12] = ["<", ">", "{", "}", "a", ".", "0", ":", "ä", "\n", " ", "$"];
    for number in 0..PIECES.len().pow(5) {
        let digits = std::iter::successors(Some(number), |n| Some(n / PIECES.len())).take(5);
        let literal: String = digits.map(|n| PIECES[n % PIECES.len()]).collect();
        if let Ok(template) = parse(&literal) {
            template.formatted_names();
            template.for_format();
        }
    }
}

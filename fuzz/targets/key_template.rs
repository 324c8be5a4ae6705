//! Any literal is read without loss, or refused in words.
//!
//! The file of the macro crate stands here as it is, since a macro crate offers nothing but its macros.

#![no_main]
#![allow(dead_code)]

#[path = "../../lock-macros/src/key.rs"]
mod key;

use key::Part;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|literal: &str| {
    match key::parse(literal) {
        Ok(template) => {
            assert_eq!(written(&template), literal);
            template.formatted_names();
            template.for_format();
        }
        Err(faults) => assert!(!faults.is_empty()),
    }
});

fn written(template: &key::Template) -> String {
    let piece = |part: &Part| match part {
        Part::Text(text) => {
            text.chars().flat_map(|c| std::iter::repeat_n(c, if "<>{}".contains(c) { 2 } else { 1 })).collect()
        }
        Part::Value(placeholder) => format!("<{}>", placeholder.written()),
        Part::Formatted(content) => format!("{{{content}}}"),
    };
    template.parts.iter().map(piece).collect()
}

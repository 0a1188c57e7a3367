//! The little JSON that the protocol itself writes.

use std::fmt::Write as _;

/// A text as a JSON string with its quotes, escaped as `JSON.stringify` does it.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\u{1f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(character)); // a String takes all
            }
            _ => out.push(character),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_as_the_official_server_does_it() {
        for (text, json) in [
            ("plain ü €", r#""plain ü €""#),
            ("\"\\/", r#""\"\\/""#),
            ("\u{8}\u{c}\n\r\t", r#""\b\f\n\r\t""#),
            ("\0\u{1e}\u{7f}", "\"\\u0000\\u001e\u{7f}\""),
        ] {
            assert_eq!(quote(text), json);
        }
    }
}

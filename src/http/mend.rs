//! JSON as real clients write it: a cut emoji leaves half of a surrogate pair.

use std::borrow::Cow;

/// The text with every `\uD800`..`\uDFFF` escape that has no partner replaced
/// by `\uFFFD`, so that JSON which JavaScript's `JSON.stringify` produces can
/// always be parsed (CONTRACT section 3). Borrowed when nothing was wrong.
#[expect(
    clippy::indexing_slicing,
    reason = "the place stays behind what was read as an escape"
)]
pub fn mend_surrogates(json: &[u8]) -> Cow<'_, [u8]> {
    let mut mended: Option<Vec<u8>> = None;
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\\', &json[at..]) {
        let escape = at + found;
        at = match unit(json, escape) {
            Some(0xD800..=0xDBFF) if is_low(json, escape + 6) => escape + 12,
            Some(0xD800..=0xDFFF) => {
                mended.get_or_insert_with(|| json.to_vec())[escape + 2..escape + 6]
                    .copy_from_slice(b"FFFD");
                escape + 6
            }
            // Skips the escaped character too, so that `\\u` is not read as `\u`.
            _ => (escape + 2).min(json.len()),
        };
    }
    mended.map_or(Cow::Borrowed(json), Cow::Owned)
}

/// The UTF-16 unit that `\uXXXX` at `at` stands for.
fn unit(json: &[u8], at: usize) -> Option<u16> {
    let digits = json.get(at..at + 6)?.strip_prefix(b"\\u")?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn is_low(json: &[u8], at: usize) -> bool {
    matches!(unit(json, at), Some(0xDC00..=0xDFFF))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mended(json: &str) -> String {
        let mended = mend_surrogates(json.as_bytes());
        serde_json::from_slice(&mended).expect("mended JSON parses")
    }

    #[test]
    fn a_lone_surrogate_becomes_the_replacement_character() {
        assert_eq!(mended(r#""a\ud800b""#), "a\u{FFFD}b");
        assert_eq!(mended(r#""\uDC00""#), "\u{FFFD}");
        assert_eq!(mended(r#""\ud83d\ud83d\ude00""#), "\u{FFFD}😀");
    }

    #[test]
    fn a_pair_and_an_escaped_backslash_are_left_alone() {
        assert_eq!(mended(r#""\ud83d\ude00""#), "😀");
        assert_eq!(mended(r#""\\ud800""#), r"\ud800");
        assert!(matches!(mend_surrogates(b"plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_cut_escape_at_the_end_does_not_panic() {
        for json in ["\"\\", "\"\\u", "\"\\ud80", "\"\\ud800", "\"\\ud800\\u"] {
            mend_surrogates(json.as_bytes());
        }
    }
}

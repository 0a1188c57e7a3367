//! The pass over JSON, beside a parser that builds the value.

use serde_json::Value;
use serde_json::value::RawValue;

use super::super::json::{JsonError, replace_lone_surrogates, scan};

/// Target `sio_json`: what passes is what `serde_json` reads, lone surrogates aside, which become
/// U+FFFD; what is refused it refuses for the same reason; and the first element is where it says.
pub fn sio_json(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let read = serde_json::from_str::<Value>(text);
    let scanned = match scan(text) {
        Ok(scanned) => scanned,
        Err(JsonError::PrivateKey) => {
            let spelt = text.contains("$serde_json::private::");
            assert!(spelt || text.contains("\\u"), "an escape may spell it too");
            return;
        }
        Err(JsonError::TooDeep) => {
            let error = read.expect_err("too deep").to_string();
            // Half a character before the depth stops it first.
            let earlier = error.contains("surrogate") || error.contains("hex escape");
            assert!(earlier || error.contains("recursion limit"), "{error}");
            return;
        }
        Err(error) => {
            assert!(read.is_err(), "{error}");
            if let JsonError::Syntax { at } | JsonError::NumberOutOfRange { at } = error {
                assert!(at <= text.len());
            }
            return;
        }
    };
    assert_eq!(read.is_ok(), scanned.lone_surrogates.is_empty());
    assert!(text[scanned.end..].trim_ascii().is_empty());
    let mended = replace_lone_surrogates(text, &scanned.lone_surrogates);
    assert_eq!(mended.len(), text.len());
    assert!(scan(&mended).is_ok_and(|again| again.lone_surrogates.is_empty()));
    let value = serde_json::from_str::<Value>(&mended).expect("what passes is JSON");

    let first = scanned.first.map(|(start, end)| &mended[start..end]);
    match serde_json::from_str::<Vec<&RawValue>>(&mended) {
        Ok(elements) => assert_eq!(first, elements.first().map(|element| element.get())),
        Err(_) => assert!(first.is_none() && !value.is_array()),
    }
}

//! Whatever JSON a client puts into a field: what comes out of it is within the limits of the field,
//! which are written down here once more.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Lengths at which something changes.
const LENGTHS: [usize; 19] = [
    0, 1, 2, 3, 7, 8, 31, 32, 33, 64, 65, 99, 100, 101, 128, 129, 250, 251, 255,
];
/// One byte and four, blanks, and letters of which a small one is longer than the capital.
const CHARS: [char; 12] = [
    'a', 'É', '👍', 'İ', 'Ⱥ', 'ẞ', ' ', '\u{3000}', '\n', '\0', '\u{200d}', '_',
];

fn any_text() -> impl Strategy<Value = String> {
    let repeated = |chars: Vec<char>, length: usize| -> String {
        chars.iter().copied().cycle().take(length).collect()
    };
    let chars = prop::collection::vec(prop::sample::select(&CHARS[..]), 1..3);
    let length = prop_oneof![
        8 => prop::sample::select(&LENGTHS[..]),
        1 => 3999..4002_usize,
    ];
    let end = prop::sample::select(vec!["", "@a.b", "@", "@a..b", "\"", "x"]);
    prop_oneof![
        3 => (chars, length, end).prop_map(move |(chars, length, end)| repeated(chars, length) + end),
        1 => ".{0,40}",
    ]
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        8 => any_text().prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => prop::sample::select(vec![
            json!(null), json!(true), json!([]), json!({}), json!(["a"]), json!({"$ne": null}),
            json!({"$gt": ""}), json!(1e300), json!(9_007_199_254_740_992_u64), json!(-0.0),
        ]),
    ]
}

/// The parsed text, if it is one; only a text is.
fn text<T: Parse>(value: &Value, shown: impl Fn(&T) -> &str) -> Option<String> {
    let parsed = T::parse(value).ok()?;
    assert!(value.is_string(), "{value} is no text");
    Some(shown(&parsed).to_owned())
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

fn check_texts(value: &Value) {
    if let Some(content) = text(value, Content::as_str) {
        assert!((1..=4000).contains(&chars(&content)));
        assert_eq!(value.as_str(), Some(&*content), "kept as it was written");
    }
    let names = [
        text(value, PersonName::as_str),
        text(value, ChatName::as_str),
    ];
    for name in names.into_iter().flatten() {
        assert!((1..=100).contains(&chars(&name)) && !name.contains(char::is_control));
    }
    if let Some(email) = text(value, Email::as_str) {
        assert!(email.len() <= 254, "{} bytes", email.len());
        assert_eq!(email.matches('@').count(), 1);
    }
    if let Some(id) = text(value, ClientMsgId::as_str) {
        assert!((1..=64).contains(&id.len()) && id.is_ascii());
    }
    if let Some(emoji) = text(value, Emoji::as_str) {
        assert!((1..=32).contains(&emoji.len()));
    }
    if let Some(search) = text(value, SearchText::as_str) {
        assert!((2..=100).contains(&chars(&search)), "{}", chars(&search));
    }
    if let Ok(password) = Password::parse(value) {
        let password = std::str::from_utf8(password.expose()).expect("a text");
        assert!((8..=128).contains(&chars(password)));
    }
}

fn check_others(value: &Value) {
    if let Ok(id) = UserId::parse(value) {
        assert!((1..=100).contains(&id.as_str().len()));
        assert!(value.is_string() || value.is_i64() || value.is_u64());
    }
    if let Ok(seq) = Seq::parse(value) {
        assert!(value.as_u64() == Some(seq.0) && seq.0 < 1 << 53);
    }
    if let Ok(limit) = Limit::parse(value) {
        assert!((1..=100).contains(&limit.get()));
    }
    assert!(Role::parse(value).is_err() || value.is_string());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_value_of_a_field_is_above_its_cap(value in any_value()) {
        check_texts(&value);
        check_others(&value);
    }
}

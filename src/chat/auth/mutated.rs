//! Tokens that were tampered with: never one with another byte than was signed, and never one whose
//! claims are of another type than they must be.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::jwt::Tokens;
use super::jwt::tests::{NOW, SECRET};

const CLAIMS: [&str; 7] = ["iss", "aud", "sub", "sid", "iat", "exp", "nbf"];

fn tokens() -> Tokens {
    Tokens::new(&SECRET.to_vec().into(), None).expect("the secret is long enough")
}

fn claims() -> Value {
    let now = NOW.as_secs();
    json!({"iss": "parlance", "aud": "parlance", "sub": "u", "sid": "s", "iat": now, "exp": now + 60})
}

fn sign(claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET);
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).expect("signs")
}

/// What claims hold, and what they nearly do.
fn any_claim() -> impl Strategy<Value = Value> {
    let now = NOW.as_secs();
    let odd = vec![
        json!(null),
        json!(true),
        json!([]),
        json!({}),
        json!(["parlance"]),
        json!("parlance"),
        json!("Parlance"),
        json!("parlance\0"),
        json!(""),
        json!(now.to_string()),
        json!(now as f64 + 9.5),
        json!(1e300),
        json!(u64::MAX),
        json!(i64::MAX),
        json!(i64::MIN),
        json!({"$ne": null}),
    ];
    prop_oneof![
        2 => prop::sample::select(odd),
        1 => (now - 10..now + 10).prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => ".{0,8}".prop_map(Value::from),
    ]
}

/// The rule of each claim, apart from the code that reads it.
fn is_right(name: &str, value: &Value) -> bool {
    let now = NOW.as_secs();
    let begun = |value: &Value| value.as_i64().is_some_and(|time| time <= now + 5);
    match name {
        "iss" | "aud" => value == "parlance",
        "sub" | "sid" => value.is_string(),
        "exp" => value.as_i64().is_some_and(|time| time > now),
        "iat" => begun(value),
        _ => value.is_null() || begun(value),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_token_with_another_character_is_valid(
        at in any::<prop::sample::Index>(), kind in 0..4_u8, with in "[A-Za-z0-9_.=+/ -]"
    ) {
        let signed = sign(&claims());
        prop_assert!(tokens().verify(&signed, NOW).is_ok());
        let at = at.index(signed.len());
        let mut token = signed.clone();
        match kind {
            0 => token.insert_str(at, &with),
            1 => drop(token.remove(at)),
            2 => token.truncate(at),
            _ => token.replace_range(at..=at, &with),
        }
        prop_assert!(token == signed || tokens().verify(&token, NOW).is_err(), "{token}");
    }

    #[test]
    fn no_token_joined_of_two_is_valid(other in any_claim(), name in prop::sample::select(&CLAIMS[..])) {
        let mut changed = claims();
        changed[name] = other;
        let (signed, changed) = (sign(&claims()), sign(&changed));
        let (ours, theirs): (Vec<_>, Vec<_>) = (signed.split('.').collect(), changed.split('.').collect());
        let joined = [ours[0], theirs[1], ours[2]].join(".");
        prop_assert!(ours[1] == theirs[1] || tokens().verify(&joined, NOW).is_err());
    }

    #[test]
    fn a_signed_claim_of_any_kind_is_valid_only_as_its_rule_says(
        value in any_claim(), name in prop::sample::select(&CLAIMS[..])
    ) {
        let mut claims = claims();
        claims[name] = value.clone();
        let verified = tokens().verify(&sign(&claims), NOW);
        prop_assert_eq!(verified.is_ok(), is_right(name, &value), "{}: {}", name, value);
    }
}

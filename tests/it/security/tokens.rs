//! Tokens that were never issued, at every door: REST, the connect packet and
//! the header of the handshake.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use http::Method;
use serde_json::{Value, json};

use super::Attacked;
use crate::support::{Live, request};

fn part(json: &Value) -> String {
    BASE64.encode(json.to_string())
}

/// The parts of an honest token: header, claims, signature.
fn parts(token: &str) -> (Value, Value, String) {
    let mut parts = token.split('.');
    let mut json = || {
        let part = parts.next().expect("a part");
        serde_json::from_slice(&BASE64.decode(part).expect("base64")).expect("JSON")
    };
    let (header, claims) = (json(), json());
    (
        header,
        claims,
        parts.next().expect("a signature").to_owned(),
    )
}

/// No door lets it in, and none says why.
async fn assert_kept_out(attacked: &Attacked, name: &str, token: &str) {
    let address = attacked.program.address;
    let answer = request(address, Method::GET, "/api/chats", Some(token), Value::Null).await;
    assert_eq!(answer.status, 401, "{name} over REST");
    let mut live = Live::open(address).await;
    let refused = live.join(&json!({ "token": token })).await;
    let refused = refused.expect_err("kept out");
    assert!(refused["message"].is_string(), "{name}: {refused}");
}

#[tokio::test]
async fn only_our_own_algorithm_signs() {
    let mut attacked = Attacked::start().await;
    let (header, claims, signature) = parts(attacked.ann.token());
    let claims_part = part(&claims);
    for algorithm in [
        "none", "None", "nOnE", "NONE", "HS384", "RS256", "ES256", "",
    ] {
        let forged = part(&json!({ "alg": algorithm, "typ": "JWT" }));
        for signature in ["", signature.as_str()] {
            let token = format!("{forged}.{claims_part}.{signature}");
            assert_kept_out(&attacked, algorithm, &token).await;
        }
    }
    let cut = format!("{}.{claims_part}.", part(&header));
    assert_kept_out(&attacked, "no signature", &cut).await;
    assert_kept_out(&attacked, "no dots", "abc").await;
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn a_changed_claim_breaks_the_signature() {
    let mut attacked = Attacked::start().await;
    let (header, claims, signature) = parts(attacked.ann.token());
    for (name, value) in [
        ("exp", json!("9999999999")),
        ("exp", json!(9_999_999_999_u64)),
        ("role", json!("admin")),
        ("sub", json!(attacked.ben.id)),
        ("nbf", json!("99999999999")),
        ("iss", json!(["parlance"])),
    ] {
        let mut forged = claims.clone();
        forged[name] = value;
        let token = format!("{}.{}.{signature}", part(&header), part(&forged));
        assert_kept_out(&attacked, name, &token).await;
    }
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn claims_of_the_wrong_type_are_no_claims() {
    let secret = "a secret of the host that is long enough";
    let option = format!("--host-jwt-secret={secret}");
    let mut attacked = Attacked::with(&[
        &option,
        "--host-jwt-issuer=https://school.example",
        "--host-jwt-audience=chat",
    ])
    .await;
    let good = json!({
        "sub": "u-1", "name": "Uma", "role": "student", "email": "uma@example.com",
        "iss": "https://school.example", "aud": "chat", "exp": 9_999_999_999_u64,
    });
    let sign = |claims: &Value, header: jsonwebtoken::Header| {
        let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::encode(&header, claims, &key).expect("signed")
    };
    let mut live = Live::open(attacked.program.address).await;
    let token = sign(&good, jsonwebtoken::Header::default());
    live.join(&json!({ "token": token })).await.expect("let in");

    for (claim, values) in [
        (
            "exp",
            json!(["9999999999", null, [9_999_999_999_u64], -1, 1.5e9, {}]),
        ),
        (
            "nbf",
            json!(["99999999999", "0", [0], {}, 99_999_999_999_u64]),
        ),
        ("iss", json!([null, "https://evil.example", 5, {}])),
        ("aud", json!([null, "other", 5, {}])),
        ("sub", json!([null, "", [], {}, true])),
    ] {
        for value in values.as_array().expect("values") {
            let mut claims = good.clone();
            claims[claim] = value.clone();
            let token = sign(&claims, jsonwebtoken::Header::default());
            assert_kept_out(&attacked, &format!("{claim} = {value}"), &token).await;
        }
        let mut claims = good.clone();
        claims.as_object_mut().expect("claims").remove(claim);
        if claim != "nbf" {
            let token = sign(&claims, jsonwebtoken::Header::default());
            assert_kept_out(&attacked, &format!("without {claim}"), &token).await;
        }
    }
    for key in ["../../etc/passwd", "' or 1=1 --"] {
        let header = jsonwebtoken::Header {
            kid: Some(key.to_owned()),
            jku: Some("https://evil.example/keys".to_owned()),
            ..jsonwebtoken::Header::default()
        };
        let key = jsonwebtoken::EncodingKey::from_secret(b"another secret that is long enough");
        let token = jsonwebtoken::encode(&header, &good, &key).expect("signed");
        assert_kept_out(&attacked, "a key by name", &token).await;
    }
    attacked.assert_chatting().await;
}

#[tokio::test]
async fn a_password_is_text_and_the_right_one() {
    let mut attacked = Attacked::start().await;
    for (password, status) in [
        (json!("wrong horse battery"), 401),
        (json!({ "$ne": null }), 400),
        (json!(["correct horse battery"]), 400),
        (json!(null), 400),
        (json!(true), 400),
    ] {
        let body = json!({ "email": "ann@example.com", "password": &password });
        let address = attacked.program.address;
        let answer = request(address, Method::POST, "/api/auth/login", None, body).await;
        assert_eq!(answer.status, status, "{password}");
    }
    attacked.assert_chatting().await;
}

//! Tokens of a host application: issuer and audience pinned, one algorithm.

use std::collections::HashMap;

use base64::Engine;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use secrecy::ExposeSecret;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::jwt::{HostProfile, Identity, MIN_SECRET_BYTES, check_times, decode};
use crate::chat::config::{HostAlgorithm, HostKey, HostTokens};
use crate::chat::domain::{Email, Parse, PersonName, Role, SessionId, Timestamp, UserId};
use crate::chat::error::Error;

const UNFIT: Error = Error::Unauthenticated("The token is not valid");

/// Checks tokens of a host application.
pub(super) struct HostVerifier {
    keys: Keys,
    algorithm: Algorithm,
    issuer: String,
    audience: String,
}

enum Keys {
    /// The only one; a `kid` in the token does not matter.
    One(DecodingKey),
    /// By `kid`.
    ById(HashMap<String, DecodingKey>),
}

#[derive(Deserialize)]
struct HostClaims {
    iss: String,
    aud: Audience,
    sub: serde_json::Value,
    exp: i64,
    #[serde(default)]
    iat: Option<i64>,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    role: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn has(&self, wanted: &str) -> bool {
        match self {
            Self::One(audience) => audience == wanted,
            Self::Several(audiences) => audiences.iter().any(|audience| audience == wanted),
        }
    }
}

impl HostVerifier {
    pub(super) fn new(config: &HostTokens) -> Result<Self, String> {
        let algorithm = match config.algorithm {
            HostAlgorithm::Hs256 => Algorithm::HS256,
            HostAlgorithm::Rs256 => Algorithm::RS256,
            HostAlgorithm::Es256 => Algorithm::ES256,
            HostAlgorithm::EdDsa => Algorithm::EdDSA,
        };
        Ok(Self {
            keys: keys(&config.key, algorithm)?,
            algorithm,
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
        })
    }

    /// The client is not told what is wrong with a token; the log says it.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] or [`Error::TokenExpired`].
    pub(super) fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, Error> {
        let claims = self.claims(token).map_err(refuse)?;
        let times = check_times(claims.exp, claims.iat, claims.nbf, now);
        times.map_err(|error| match error {
            Error::TokenExpired => error,
            _ => refuse("its iat or nbf lies ahead of the clock here"),
        })?;
        let user = UserId::parse(&claims.sub).map_err(|_| refuse("its sub cannot be an id"))?;
        Ok(Identity {
            session: session_of(token),
            expires_at: Timestamp::from_secs(claims.exp),
            profile: Some(claims.profile()),
            user,
        })
    }

    /// # Errors
    /// What is wrong with the token.
    fn claims(&self, token: &str) -> Result<HostClaims, &'static str> {
        let claims: HostClaims = decode(token, self.key(token)?, self.algorithm)?;
        if claims.iss != self.issuer {
            return Err("its iss is not --host-jwt-issuer");
        }
        if !claims.aud.has(&self.audience) {
            return Err("its aud is not --host-jwt-audience");
        }
        Ok(claims)
    }

    fn key(&self, token: &str) -> Result<&DecodingKey, &'static str> {
        let keys = match &self.keys {
            Keys::One(key) => return Ok(key),
            Keys::ById(keys) => keys,
        };
        let header = jsonwebtoken::decode_header(token).map_err(|_| "it is no JWT")?;
        match header.kid {
            Some(kid) => keys.get(&kid).ok_or("no key has its kid"),
            // Without a name only a single key can be meant.
            None if keys.len() == 1 => keys.values().next().ok_or("there is no key"),
            None => Err("it has no kid, and there are several keys"),
        }
    }
}

fn refuse(reason: &'static str) -> Error {
    tracing::debug!(reason, "a token of the host application is refused");
    UNFIT
}

impl HostClaims {
    /// What cannot be used is left out, as if it were not there: the host
    /// vouches for who, and the rest is for show. A role is a right, and what a
    /// token does not grant is not granted.
    fn profile(&self) -> HostProfile {
        let name = self
            .name
            .as_deref()
            .and_then(|name| PersonName::new(name).ok());
        let email = self
            .email
            .as_deref()
            .and_then(|email| Email::new(email).ok());
        HostProfile {
            name,
            email: email.map(|email| email.as_str().to_owned()),
            role: self
                .role
                .as_deref()
                .and_then(Role::from_name)
                .unwrap_or(Role::Student),
        }
    }
}

/// A host application's token has no `sid`; the token itself is the session.
fn session_of(token: &str) -> SessionId {
    let hash = Sha256::digest(token);
    format!(
        "host:{}",
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(hash)
    )
    .into()
}

fn keys(key: &HostKey, algorithm: Algorithm) -> Result<Keys, String> {
    match (key, algorithm) {
        (HostKey::Secret(secret), Algorithm::HS256) => {
            let secret = secret.expose_secret();
            if secret.len() < MIN_SECRET_BYTES {
                return Err(format!(
                    "the host's secret must have at least {MIN_SECRET_BYTES} bytes"
                ));
            }
            Ok(Keys::One(DecodingKey::from_secret(secret)))
        }
        (HostKey::Pem(pem), _) => from_pem(pem.as_bytes(), algorithm).map(Keys::One),
        (HostKey::Jwks(jwks), _) => from_jwks(jwks, algorithm).map(Keys::ById),
        (HostKey::Secret(_), _) => Err("a secret goes with HS256 only".to_owned()),
    }
}

fn from_pem(pem: &[u8], algorithm: Algorithm) -> Result<DecodingKey, String> {
    let key = match algorithm {
        Algorithm::RS256 => DecodingKey::from_rsa_pem(pem),
        Algorithm::ES256 => DecodingKey::from_ec_pem(pem),
        Algorithm::EdDSA => DecodingKey::from_ed_pem(pem),
        _ => return Err("a PEM key goes with RS256, ES256 or EdDSA only".to_owned()),
    };
    key.map_err(|error| format!("the host's PEM key does not fit {algorithm:?}: {error}"))
}

/// The keys of the set that fit the algorithm; others are somebody else's.
fn from_jwks(jwks: &str, algorithm: Algorithm) -> Result<HashMap<String, DecodingKey>, String> {
    if algorithm.family() == AlgorithmFamily::Hmac {
        return Err("a JWKS goes with RS256, ES256 or EdDSA only".to_owned());
    }
    let set: JwkSet =
        serde_json::from_str(jwks).map_err(|error| format!("the host's JWKS: {error}"))?;
    let mut keys = HashMap::new();
    for jwk in &set.keys {
        let named = jwk.common.key_algorithm.map(|named| named.to_string());
        if named.is_some_and(|named| named != format!("{algorithm:?}")) {
            continue;
        }
        let key =
            DecodingKey::from_jwk(jwk).map_err(|error| format!("the host's JWKS: {error}"))?;
        if key.family() == algorithm.family() {
            keys.insert(jwk.common.key_id.clone().unwrap_or_default(), key);
        }
    }
    if keys.is_empty() {
        return Err(format!("the host's JWKS has no key for {algorithm:?}"));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header};
    use serde_json::{Value, json};

    use super::super::jwt::tests::{NOW, SECRET};
    use super::*;

    // Throw-away keys, made for these tests with `openssl genpkey`.
    const ED_PRIVATE: &str = include_str!("testdata/ed25519.pem");
    const ED_PUBLIC: &str = include_str!("testdata/ed25519.pub.pem");
    const EC_PRIVATE: &str = include_str!("testdata/p256.pem");
    const EC_PUBLIC: &str = include_str!("testdata/p256.pub.pem");
    const RSA_PRIVATE: &str = include_str!("testdata/rsa.pem");
    const RSA_PUBLIC: &str = include_str!("testdata/rsa.pub.pem");

    fn config(algorithm: HostAlgorithm, key: HostKey) -> HostTokens {
        HostTokens {
            key,
            algorithm,
            issuer: "host".to_owned(),
            audience: "chat".to_owned(),
        }
    }

    fn verifier(algorithm: HostAlgorithm, pem: &str) -> HostVerifier {
        HostVerifier::new(&config(algorithm, HostKey::Pem(pem.to_owned()))).expect("a fit key")
    }

    fn claims() -> Value {
        json!({"iss": "host", "aud": ["other", "chat"], "sub": 7, "exp": NOW.as_secs() + 60,
               "name": " Ann ", "email": "ANN@x.org", "role": "tutor"})
    }

    fn sign(algorithm: Algorithm, claims: &Value, key: &EncodingKey) -> String {
        jsonwebtoken::encode(&Header::new(algorithm), claims, key).expect("signs")
    }

    #[test]
    fn the_person_comes_from_the_claims() {
        let key = EncodingKey::from_ed_pem(ED_PRIVATE.as_bytes()).expect("a key");
        let token = sign(Algorithm::EdDSA, &claims(), &key);
        let identity = verifier(HostAlgorithm::EdDsa, ED_PUBLIC)
            .verify(&token, NOW)
            .expect("fit");
        let profile = identity.profile.expect("a host token describes the person");
        assert_eq!(identity.user.as_str(), "7");
        assert_eq!(
            (profile.name, profile.role),
            (PersonName::new("Ann").ok(), Role::Tutor)
        );
        assert_eq!(profile.email.as_deref(), Some("ann@x.org"));
    }

    #[test]
    fn each_kind_of_key_verifies_its_own_algorithm() {
        let rsa = EncodingKey::from_rsa_pem(RSA_PRIVATE.as_bytes()).expect("a key");
        let ec = EncodingKey::from_ec_pem(EC_PRIVATE.as_bytes()).expect("a key");
        let rs256 = sign(Algorithm::RS256, &claims(), &rsa);
        let es256 = sign(Algorithm::ES256, &claims(), &ec);
        assert!(
            verifier(HostAlgorithm::Rs256, RSA_PUBLIC)
                .verify(&rs256, NOW)
                .is_ok()
        );
        assert!(
            verifier(HostAlgorithm::Es256, EC_PUBLIC)
                .verify(&es256, NOW)
                .is_ok()
        );
        assert!(
            verifier(HostAlgorithm::Rs256, RSA_PUBLIC)
                .verify(&es256, NOW)
                .is_err()
        );
    }

    #[test]
    fn a_public_key_is_never_an_hmac_secret() {
        let key = EncodingKey::from_secret(RSA_PUBLIC.as_bytes());
        let token = sign(Algorithm::HS256, &claims(), &key);
        assert!(
            verifier(HostAlgorithm::Rs256, RSA_PUBLIC)
                .verify(&token, NOW)
                .is_err()
        );
    }

    #[test]
    fn issuer_audience_and_times_are_checked() {
        let host = HostVerifier::new(&config(
            HostAlgorithm::Hs256,
            HostKey::Secret(SECRET.to_vec().into()),
        ))
        .expect("a fit secret");
        let key = EncodingKey::from_secret(SECRET);
        let wrong = [
            ("iss", json!("other")),
            ("aud", json!("other")),
            ("aud", json!(["other"])),
            ("sub", json!(null)),
            ("sub", json!("")),
            ("exp", json!("9999999999")),
            ("exp", json!(null)),
            ("nbf", json!(NOW.as_secs() + 60)),
            ("nbf", json!("0")),
        ];
        for (claim, value) in wrong {
            let mut claims = claims();
            claims[claim] = value;
            let token = sign(Algorithm::HS256, &claims, &key);
            assert_eq!(host.verify(&token, NOW).err(), Some(UNFIT), "{claims}");
        }
        let token = sign(Algorithm::HS256, &claims(), &key);
        let later = Timestamp(NOW.0 + 60_000);
        assert_eq!(host.verify(&token, later).err(), Some(Error::TokenExpired));
    }

    #[test]
    fn a_key_set_is_searched_by_kid_only() {
        let jwks = json!({"keys": [
            {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "a",
             "x": include_str!("testdata/ed25519.x").trim()},
            {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "b",
             "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        ]});
        let key = HostKey::Jwks(jwks.to_string());
        let host = HostVerifier::new(&config(HostAlgorithm::EdDsa, key)).expect("a fit set");
        let private = EncodingKey::from_ed_pem(ED_PRIVATE.as_bytes()).expect("a key");
        let signed = |kid: Option<&str>| {
            let mut header = Header::new(Algorithm::EdDSA);
            header.kid = kid.map(str::to_owned);
            jsonwebtoken::encode(&header, &claims(), &private).expect("signs")
        };
        assert!(host.verify(&signed(Some("a")), NOW).is_ok());
        for kid in [Some("b"), Some("../a"), Some(""), None] {
            assert_eq!(host.verify(&signed(kid), NOW).err(), Some(UNFIT), "{kid:?}");
        }
    }

    #[test]
    fn keys_that_do_not_fit_the_algorithm_are_refused_at_start() {
        let unfit = [
            config(
                HostAlgorithm::Hs256,
                HostKey::Secret(b"short".to_vec().into()),
            ),
            config(
                HostAlgorithm::Rs256,
                HostKey::Secret(SECRET.to_vec().into()),
            ),
            config(HostAlgorithm::Hs256, HostKey::Pem(RSA_PUBLIC.to_owned())),
            config(HostAlgorithm::EdDsa, HostKey::Pem(RSA_PUBLIC.to_owned())),
            config(HostAlgorithm::EdDsa, HostKey::Jwks("{}".to_owned())),
            config(
                HostAlgorithm::EdDsa,
                HostKey::Jwks("{\"keys\":[]}".to_owned()),
            ),
        ];
        for config in unfit {
            assert!(
                HostVerifier::new(&config).is_err(),
                "{:?}",
                config.algorithm
            );
        }
    }
}

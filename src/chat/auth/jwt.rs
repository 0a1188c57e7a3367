//! Tokens: our own (HS256), and those of a host application.
//!
//! Every key has one algorithm, which never comes from the token. Claims have
//! strict types, and times are compared with the `now` that is passed in.
//! Rules: reference `security.md` section 1d, CONTRACT section 2.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretSlice};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::host::HostVerifier;
use crate::chat::config::HostTokens;
use crate::chat::domain::{PersonName, Role, SessionId, Timestamp, UserId};
use crate::chat::error::Error;

/// Longer tokens are not looked at.
const MAX_TOKEN_BYTES: usize = 4096;

/// `iss` and `aud` of our own tokens.
const OURS: &str = "parlance";

/// How far another machine's clock may be ahead.
const LEEWAY_SECS: i64 = 5;

/// The shortest secret that HS256 is given.
pub(super) const MIN_SECRET_BYTES: usize = 32;

const UNFIT: Error = Error::Unauthenticated("The token is not valid");

/// What a valid token says.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) user: UserId,
    /// Of a host application's token: a name made from the token itself.
    pub(crate) session: SessionId,
    pub(crate) expires_at: Timestamp,
    /// What a host application says about the person; none for our own.
    pub(crate) profile: Option<HostProfile>,
}

/// A person as a host application describes them. What its token does not say
/// stays as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostProfile {
    pub(crate) name: Option<PersonName>,
    pub(crate) email: Option<String>,
    pub(crate) role: Role,
}

#[derive(Serialize, Deserialize)]
struct OwnClaims {
    iss: String,
    aud: String,
    sub: String,
    sid: String,
    iat: i64,
    exp: i64,
    /// Never minted, but honoured in what others sign with the same secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
}

/// Makes and reads tokens.
pub(crate) struct Tokens {
    encoding: EncodingKey,
    decoding: DecodingKey,
    host: Option<HostVerifier>,
}

impl Tokens {
    /// Over our own secret, and a host application's keys.
    ///
    /// # Errors
    /// Why a key is unfit.
    pub(crate) fn new(secret: &SecretSlice<u8>, host: Option<&HostTokens>) -> Result<Self, String> {
        let secret = secret.expose_secret();
        if secret.len() < MIN_SECRET_BYTES {
            return Err(format!(
                "the token secret must have at least {MIN_SECRET_BYTES} bytes"
            ));
        }
        Ok(Self {
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
            host: host.map(HostVerifier::new).transpose()?,
        })
    }

    /// A token of ours.
    ///
    /// # Errors
    /// [`Error::Internal`] when it cannot be signed.
    pub(crate) fn mint(
        &self,
        user: &UserId,
        session: &SessionId,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<String, Error> {
        let claims = OwnClaims {
            iss: OURS.to_owned(),
            aud: OURS.to_owned(),
            sub: user.to_string(),
            sid: session.to_string(),
            iat: now.as_secs(),
            exp: expires_at.as_secs(),
            nbf: None,
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding).map_err(
            |error| {
                tracing::error!(%error, "a token could not be signed");
                Error::Internal
            },
        )
    }

    /// Reads a token of ours or of the host application.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] or [`Error::TokenExpired`].
    pub(crate) fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, Error> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(UNFIT);
        }
        match (self.verify_own(token, now), &self.host) {
            (Err(Error::Unauthenticated(_)), Some(host)) => host.verify(token, now),
            (own, _) => own,
        }
    }

    fn verify_own(&self, token: &str, now: Timestamp) -> Result<Identity, Error> {
        let claims = decode(token, &self.decoding, Algorithm::HS256);
        let claims: OwnClaims = claims.map_err(|_| UNFIT)?;
        if claims.iss != OURS || claims.aud != OURS {
            return Err(UNFIT);
        }
        check_times(claims.exp, Some(claims.iat), claims.nbf, now)?;
        Ok(Identity {
            user: claims.sub.into(),
            session: claims.sid.into(),
            expires_at: Timestamp::from_secs(claims.exp),
            profile: None,
        })
    }
}

/// The claims, when the signature is by this key with this algorithm. Times,
/// issuer and audience are the caller's to check.
///
/// # Errors
/// What is wrong, for those who run the server.
pub(super) fn decode<T: DeserializeOwned>(
    token: &str,
    key: &DecodingKey,
    algorithm: Algorithm,
) -> Result<T, &'static str> {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let data = jsonwebtoken::decode(token, key, &validation);
    let data = data.map_err(|error| match error.kind() {
        ErrorKind::InvalidSignature => "it was not signed with the key",
        ErrorKind::InvalidAlgorithm => "its alg is another one",
        ErrorKind::Json(_) => "a claim is missing or of the wrong type",
        _ => "it is no JWT",
    })?;
    // We understand no extension, so we must refuse a token that insists on one.
    if data.header.crit.is_some() {
        Err("its header has crit")
    } else {
        Ok(data.claims)
    }
}

/// `exp` must lie ahead; `iat` and `nbf`, where given, must not.
pub(super) fn check_times(
    exp: i64,
    iat: Option<i64>,
    nbf: Option<i64>,
    now: Timestamp,
) -> Result<(), Error> {
    let now = now.as_secs();
    let ahead = |time: Option<i64>| time.is_some_and(|time| time > now.saturating_add(LEEWAY_SECS));
    if ahead(iat) || ahead(nbf) {
        return Err(UNFIT);
    }
    if exp <= now {
        Err(Error::TokenExpired)
    } else {
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;

    pub(in super::super) const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
    pub(in super::super) const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn tokens() -> Tokens {
        Tokens::new(&SECRET.to_vec().into(), None).expect("the secret is long enough")
    }

    fn claims() -> Value {
        let now = NOW.as_secs();
        json!({"iss": OURS, "aud": OURS, "sub": "u", "sid": "s", "iat": now, "exp": now + 60})
    }

    fn sign(algorithm: Algorithm, claims: &Value, secret: &[u8]) -> String {
        let key = EncodingKey::from_secret(secret);
        jsonwebtoken::encode(&Header::new(algorithm), claims, &key).expect("signs")
    }

    #[test]
    fn a_token_of_ours_says_who_and_until_when() {
        let until = Timestamp(NOW.0 + 60_000);
        let token = tokens()
            .mint(&"u".into(), &"s".into(), NOW, until)
            .expect("signs");
        let identity = tokens().verify(&token, NOW).expect("it is ours");
        assert_eq!(
            (identity.user.as_str(), identity.session.as_str()),
            ("u", "s")
        );
        assert_eq!(identity.expires_at, until);
        assert_eq!(
            tokens().verify(&token, until).err(),
            Some(Error::TokenExpired)
        );
    }

    #[test]
    fn no_other_algorithm_or_key_is_accepted() {
        let forged = [
            sign(Algorithm::HS512, &claims(), SECRET),
            sign(
                Algorithm::HS256,
                &claims(),
                b"another secret of thirty-two byte",
            ),
        ];
        for token in forged {
            assert_eq!(tokens().verify(&token, NOW).err(), Some(UNFIT));
        }
    }

    #[test]
    fn alg_none_is_refused_in_every_spelling() {
        use base64::Engine;
        let part = |json: &Value| {
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json.to_string())
        };
        for alg in ["none", "None", "nOnE", "NONE", ""] {
            let head = part(&json!({"alg": alg, "typ": "JWT"}));
            for signature in ["", "AAAA"] {
                let token = format!("{head}.{}.{signature}", part(&claims()));
                assert_eq!(tokens().verify(&token, NOW).err(), Some(UNFIT), "{alg}");
            }
        }
    }

    #[test]
    fn claims_of_a_wrong_type_are_refused() {
        let wrong = [
            json!("9999999999"),
            json!(1.5e9),
            json!(null),
            json!([]),
            json!({}),
            json!(""),
        ];
        for claim in ["exp", "iat", "iss", "aud", "sub", "sid"] {
            for value in &wrong {
                if claim == "sub" || claim == "sid" {
                    continue;
                }
                let mut claims = claims();
                claims[claim] = value.clone();
                let token = sign(Algorithm::HS256, &claims, SECRET);
                assert_eq!(
                    tokens().verify(&token, NOW).err(),
                    Some(UNFIT),
                    "{claim}: {value}"
                );
            }
            let mut claims = claims();
            claims.as_object_mut().expect("an object").remove(claim);
            let token = sign(Algorithm::HS256, &claims, SECRET);
            assert_eq!(
                tokens().verify(&token, NOW).err(),
                Some(UNFIT),
                "no {claim}"
            );
        }
    }

    #[test]
    fn a_negative_expiry_is_in_the_past_and_a_future_issue_is_a_lie() {
        let mut old = claims();
        old["exp"] = json!(-1);
        let token = sign(Algorithm::HS256, &old, SECRET);
        assert_eq!(
            tokens().verify(&token, NOW).err(),
            Some(Error::TokenExpired)
        );
        let later = json!(NOW.as_secs() + 60);
        for (claim, value) in [("iat", later.clone()), ("nbf", later), ("nbf", json!("0"))] {
            let mut early = claims();
            early[claim] = value;
            let token = sign(Algorithm::HS256, &early, SECRET);
            assert_eq!(tokens().verify(&token, NOW).err(), Some(UNFIT), "{claim}");
        }
        let mut begun = claims();
        begun["nbf"] = json!(NOW.as_secs());
        let token = sign(Algorithm::HS256, &begun, SECRET);
        assert!(tokens().verify(&token, NOW).is_ok());
    }

    #[test]
    fn critical_extensions_and_long_tokens_are_refused() {
        let mut header = Header::new(Algorithm::HS256);
        header.crit = Some(vec!["b64".to_owned()]);
        let key = EncodingKey::from_secret(SECRET);
        let token = jsonwebtoken::encode(&header, &claims(), &key).expect("signs");
        assert_eq!(tokens().verify(&token, NOW).err(), Some(UNFIT));
        let mut long = claims();
        long["pad"] = json!("x".repeat(MAX_TOKEN_BYTES));
        let token = sign(Algorithm::HS256, &long, SECRET);
        assert_eq!(tokens().verify(&token, NOW).err(), Some(UNFIT));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for token in ["", ".", "..", "a.b.c", "a.b.c.d", "é.é.é", "null"] {
            assert_eq!(tokens().verify(token, NOW).err(), Some(UNFIT), "{token}");
        }
    }

    #[test]
    fn a_short_secret_is_refused() {
        assert!(Tokens::new(&b"short".to_vec().into(), None).is_err());
    }
}

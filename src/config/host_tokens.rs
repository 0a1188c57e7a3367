//! Tokens that a host application issues (CONTRACT section 2).

use std::path::Path;

use secrecy::{ExposeSecret as _, SecretSlice, SecretString};

use crate::chat::{HostAlgorithm, HostKey, HostTokens};

use super::options::HostJwtOptions;
use super::problem::Problems;
use super::secret::SECRET_BYTES;

const SECRET: &str = "--host-jwt-secret (PARLANCE_HOST_JWT_SECRET)";
const PEM: &str = "--host-jwt-pem (PARLANCE_HOST_JWT_PEM)";
const JWKS: &str = "--host-jwt-jwks (PARLANCE_HOST_JWT_JWKS)";
const ALG: &str = "--host-jwt-alg (PARLANCE_HOST_JWT_ALG)";
const ISSUER: &str = "--host-jwt-issuer (PARLANCE_HOST_JWT_ISSUER)";
const AUDIENCE: &str = "--host-jwt-audience (PARLANCE_HOST_JWT_AUDIENCE)";

/// `None` when no host application is configured, or something is wrong
/// with it, which is then in `problems`.
pub(super) fn host_tokens(options: &HostJwtOptions, problems: &mut Problems) -> Option<HostTokens> {
    let algorithm = options.host_jwt_alg.as_deref().map(parse_algorithm);
    let algorithm = algorithm.and_then(|read| problems.take(ALG, read));
    let key = read_key(options, problems);
    if !any_given(options) {
        return None;
    }
    if key.is_none() && key_count(options) == 0 {
        problems.add(
            SECRET,
            "is missing (or a PEM or JWKS file): the other --host-jwt options need a key",
        );
    }
    let issuer = required(ISSUER, options.host_jwt_issuer.as_deref(), problems);
    let audience = required(AUDIENCE, options.host_jwt_audience.as_deref(), problems);
    let key = key?;
    let algorithm = match (algorithm, &key) {
        (Some(algorithm), key) => fitting(algorithm, key, problems),
        (None, HostKey::Secret(_)) => Some(HostAlgorithm::Hs256),
        (None, _) => required(ALG, None, problems).and(None),
    };
    Some(HostTokens {
        key,
        algorithm: algorithm?,
        issuer: issuer?,
        audience: audience?,
    })
}

fn parse_algorithm(text: &str) -> Result<HostAlgorithm, String> {
    let all = [
        HostAlgorithm::Hs256,
        HostAlgorithm::Rs256,
        HostAlgorithm::Es256,
        HostAlgorithm::EdDsa,
    ];
    let found = all.into_iter().find(|one| algorithm_name(*one) == text);
    found.ok_or_else(|| format!("`{text}` is none of HS256, RS256, ES256, EdDSA"))
}

/// Its name in a token's header.
pub(super) fn algorithm_name(algorithm: HostAlgorithm) -> &'static str {
    match algorithm {
        HostAlgorithm::Hs256 => "HS256",
        HostAlgorithm::Rs256 => "RS256",
        HostAlgorithm::Es256 => "ES256",
        HostAlgorithm::EdDsa => "EdDSA",
    }
}

/// A public key used as an HMAC secret is the classic forgery, so the kind of
/// the key decides which algorithms it may have.
fn fitting(
    algorithm: HostAlgorithm,
    key: &HostKey,
    problems: &mut Problems,
) -> Option<HostAlgorithm> {
    let shared = matches!(key, HostKey::Secret(_));
    if shared == (algorithm == HostAlgorithm::Hs256) {
        return Some(algorithm);
    }
    let message = if shared {
        "a shared secret goes with HS256 only"
    } else {
        "HS256 goes with a shared secret only"
    };
    problems.add(ALG, message);
    None
}

fn key_count(options: &HostJwtOptions) -> usize {
    usize::from(options.host_jwt_secret.is_some())
        + usize::from(options.host_jwt_pem.is_some())
        + usize::from(options.host_jwt_jwks.is_some())
}

fn any_given(options: &HostJwtOptions) -> bool {
    key_count(options) > 0
        || options.host_jwt_alg.is_some()
        || options.host_jwt_issuer.is_some()
        || options.host_jwt_audience.is_some()
}

fn read_key(options: &HostJwtOptions, problems: &mut Problems) -> Option<HostKey> {
    if key_count(options) > 1 {
        problems.add(
            SECRET,
            "only one of --host-jwt-secret, --host-jwt-pem and --host-jwt-jwks may be given",
        );
        return None;
    }
    if let Some(secret) = &options.host_jwt_secret {
        return problems
            .take(SECRET, long_enough(secret))
            .map(|secret| HostKey::Secret(bytes(&secret)));
    }
    if let Some(file) = &options.host_jwt_pem {
        return problems.take(PEM, read_file(file)).map(HostKey::Pem);
    }
    let file = options.host_jwt_jwks.as_ref()?;
    problems.take(JWKS, read_file(file)).map(HostKey::Jwks)
}

/// The bytes of a secret, as keys are made of.
pub fn bytes(secret: &SecretString) -> SecretSlice<u8> {
    secret.expose_secret().as_bytes().to_vec().into()
}

/// An HMAC key shorter than the hash can be guessed (RFC 7518, 3.2).
pub(super) fn long_enough(secret: &SecretString) -> Result<SecretString, String> {
    match secret.expose_secret().len() {
        length if length >= SECRET_BYTES => Ok(secret.clone()),
        length => Err(format!(
            "is {length} bytes long and needs at least {SECRET_BYTES}"
        )),
    }
}

fn read_file(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file)
        .map_err(|error| format!("cannot read {}: {error}", file.display()))
}

fn required(setting: &'static str, value: Option<&str>, problems: &mut Problems) -> Option<String> {
    let value = value.filter(|value| !value.trim().is_empty());
    if value.is_none() {
        problems.add(setting, "is missing: tokens of a host application need it");
    }
    value.map(str::to_owned)
}

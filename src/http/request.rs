//! What comes in, read once and within limits.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Method};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::mend::mend_surrogates;

/// The largest body that is read.
pub const MAX_BODY_BYTES: usize = 1_000_000;

/// How long a body may take; hyper has no limit of its own.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a request never reached its handler. The client is to blame for all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No route has this path.
    #[error("no such path")]
    NotFound,
    /// The path is known, the method is not; `allow` lists those that are.
    #[error("method not allowed")]
    MethodNotAllowed {
        /// The value of the `Allow` header.
        allow: String,
    },
    /// The body is larger than [`MAX_BODY_BYTES`].
    #[error("the body is too large")]
    TooLarge,
    /// The body is not declared as `application/json`.
    #[error("the body is not application/json")]
    UnsupportedMediaType,
    /// The body did not arrive whole, or is not a JSON object.
    #[error("the body is not a JSON object")]
    Malformed,
}

impl Refusal {
    /// For what can only be read.
    pub fn read_only() -> Self {
        Self::MethodNotAllowed {
            allow: "GET, HEAD".to_owned(),
        }
    }
}

/// A request whose body has been read.
#[derive(Debug)]
pub struct Request {
    /// The method, `HEAD` already turned into `GET`.
    pub method: Method,
    /// The address of the peer that sent it.
    pub peer: SocketAddr,
    headers: HeaderMap,
    params: Vec<(String, String)>,
    query: Vec<(String, String)>,
    body: Bytes,
}

impl Request {
    /// Takes the parts apart; `params` are still percent-encoded.
    pub(super) fn new(
        parts: &http::request::Parts,
        peer: SocketAddr,
        params: &matchit::Params<'_, '_>,
        body: Bytes,
    ) -> Self {
        let query = parts.uri.query().unwrap_or_default().as_bytes();
        Self {
            method: parts.method.clone(),
            peer,
            headers: parts.headers.clone(),
            params: params
                .iter()
                .map(|(name, value)| (name.to_owned(), decoded(value)))
                .collect(),
            query: form_urlencoded::parse(query).into_owned().collect(),
            body,
        }
    }

    /// A part of the path, decoded; empty when the route has no such part.
    pub fn param(&self, name: &str) -> &str {
        find(&self.params, name).unwrap_or_default()
    }

    /// A parameter of the query; the last one when it is repeated.
    pub fn query(&self, name: &str) -> Option<&str> {
        find(&self.query, name)
    }

    /// The token of `Authorization: Bearer …`.
    pub fn bearer(&self) -> Option<&str> {
        bearer(&self.headers)
    }

    /// The body as a JSON object.
    ///
    /// # Errors
    /// [`Refusal::UnsupportedMediaType`] when it is declared as something
    /// else or as compressed (RFC 9110 section 8.4), [`Refusal::Malformed`] when it is not an object.
    pub fn json(&self) -> Result<Map<String, Value>, Refusal> {
        let readable = is_json(&self.headers) && is_plain(&self.headers);
        if !readable && !self.body.is_empty() {
            return Err(Refusal::UnsupportedMediaType);
        }
        serde_json::from_slice(&mend_surrogates(&self.body)).map_err(|_| Refusal::Malformed)
    }
}

/// The token of `Authorization: Bearer …`; the scheme is case-insensitive.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn is_json(headers: &HeaderMap) -> bool {
    let declared = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = declared
        .and_then(|value| value.split(';').next())
        .unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// Whether no coding is declared that would have to be undone.
fn is_plain(headers: &HeaderMap) -> bool {
    let codings = headers.get_all(CONTENT_ENCODING).iter();
    codings
        .map(|coding| coding.to_str().unwrap_or("?"))
        .flat_map(|coding| coding.split(','))
        .all(|coding| matches!(coding.trim(), "" | "identity"))
}

fn find<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs
        .iter()
        .rev()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

fn decoded(value: &str) -> String {
    percent_decode_str(value).decode_utf8_lossy().into_owned()
}

/// The whole body, within [`MAX_BODY_BYTES`] and a time limit.
pub(super) async fn read_body<B>(headers: &HeaderMap, body: B) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if declared_length(headers).is_some_and(|length| length > MAX_BODY_BYTES as u64) {
        return Err(Refusal::TooLarge);
    }
    let collected = Limited::new(body, MAX_BODY_BYTES).collect();
    match tokio::time::timeout(BODY_TIMEOUT, collected).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge),
        Ok(Err(_)) | Err(_) => Err(Refusal::Malformed),
    }
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

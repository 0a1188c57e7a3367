//! The table of refusals: error, code, status, body.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;

use crate::proto::handshake::{BadRequest, Refused};

/// Why a request was refused. [`Application::connection_error`](crate::Application) gets it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The request does not fit the protocol.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The application refused it: code 4.
    #[error("{0}")]
    Forbidden(String),
    /// Its `Origin` is neither the server's own host nor allowed: code 4.
    #[error("Origin not allowed")]
    OriginNotAllowed,
}

impl HandshakeError {
    /// The number in the reply.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Refused(Refused::UnknownTransport) => 0,
            Self::Refused(Refused::UnknownSid) => 1,
            Self::Refused(Refused::BadHandshakeMethod) => 2,
            Self::Refused(Refused::BadRequest(_)) => 3,
            Self::Forbidden(_) | Self::OriginNotAllowed => 4,
            Self::Refused(Refused::UnsupportedProtocol) => 5,
        }
    }

    /// The reply's status over polling.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Forbidden(_) | Self::OriginNotAllowed => StatusCode::FORBIDDEN,
            Self::Refused(_) => StatusCode::BAD_REQUEST,
        }
    }

    /// The reply to a plain request: JSON with a numeric code.
    pub(crate) fn into_response(self) -> Response<Full<Bytes>> {
        let body = format!(
            r#"{{"code":{},"message":"{}"}}"#,
            self.code(),
            escape(&self.to_string())
        );
        let mut response = Response::new(Full::from(body));
        *response.status_mut() = self.status();
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        response
    }

    /// The reply to an upgrade: always 400, the message alone, and the connection closes.
    pub(crate) fn into_upgrade_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::from(self.to_string()));
        *response.status_mut() = StatusCode::BAD_REQUEST;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
    }
}

impl From<BadRequest> for HandshakeError {
    fn from(reason: BadRequest) -> Self {
        Self::Refused(Refused::BadRequest(reason))
    }
}

/// Escapes a text for a JSON string. Only an application's own message needs it.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{0}'..='\u{1f}' => out.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn body(error: HandshakeError) -> (StatusCode, Bytes) {
        let response = error.into_response();
        (
            response.status(),
            response.into_body().collect().await.unwrap().to_bytes(),
        )
    }

    #[tokio::test]
    async fn every_refusal_has_the_official_reply() {
        let bad = Refused::BadRequest(BadRequest::NotAnUpgrade);
        for (error, expected) in [
            (
                Refused::UnknownTransport.into(),
                r#"{"code":0,"message":"Transport unknown"}"#,
            ),
            (
                Refused::UnknownSid.into(),
                r#"{"code":1,"message":"Session ID unknown"}"#,
            ),
            (
                Refused::BadHandshakeMethod.into(),
                r#"{"code":2,"message":"Bad handshake method"}"#,
            ),
            (bad.into(), r#"{"code":3,"message":"Bad request"}"#),
            (
                Refused::UnsupportedProtocol.into(),
                r#"{"code":5,"message":"Unsupported protocol version"}"#,
            ),
        ] {
            assert_eq!(
                body(error).await,
                (StatusCode::BAD_REQUEST, expected.into())
            );
        }
    }

    #[tokio::test]
    async fn a_refusal_by_the_application_carries_its_message() {
        let expected = r#"{"code":4,"message":"no \"bots\"\u000a"}"#;
        let error = HandshakeError::Forbidden("no \"bots\"\n".to_owned());
        assert_eq!(body(error).await, (StatusCode::FORBIDDEN, expected.into()));
        let expected = r#"{"code":4,"message":"Origin not allowed"}"#;
        let refused = body(HandshakeError::OriginNotAllowed).await;
        assert_eq!(refused, (StatusCode::FORBIDDEN, expected.into()));
    }
}

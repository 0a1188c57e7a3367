//! The table of refusals: error, code, status, body.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header, request};
use http_body_util::Full;

use crate::{
    config::Refusal,
    proto::{
        TransportKind,
        handshake::{BadRequest, Query, Refused},
        json::quote,
    },
};

/// Why a request was refused. [`Application::connection_error`](crate::Application) gets it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The request does not fit the protocol.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The application refused it: code 4, unless it says otherwise.
    #[error("{}", .0.message)]
    Forbidden(Refusal),
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
            Self::Forbidden(refusal) => refusal.code,
            Self::OriginNotAllowed => 4,
            Self::Refused(Refused::UnsupportedProtocol) => 5,
        }
    }

    /// Whether the request named a session that is not there.
    #[must_use]
    pub fn is_unknown_session(&self) -> bool {
        matches!(self, Self::Refused(Refused::UnknownSid))
    }

    /// The reply's status over polling.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Forbidden(refusal) => refusal.status,
            Self::OriginNotAllowed => StatusCode::FORBIDDEN,
            Self::Refused(_) => StatusCode::BAD_REQUEST,
        }
    }

    /// What the request had that it was refused for, under the names that the official server gives
    /// in the `context` of its `connection_error`. `request` is the request that was refused.
    #[must_use]
    pub fn context(&self, request: &request::Parts) -> Vec<(&'static str, String)> {
        let query = Query::parse(request.uri.query().unwrap_or_default());
        let asked = |name: &str| query.get(name).unwrap_or_default().to_owned();
        match self {
            Self::Refused(Refused::UnknownTransport) => vec![("transport", asked("transport"))],
            Self::Refused(Refused::UnknownSid) => vec![("sid", asked("sid"))],
            Self::Refused(Refused::BadHandshakeMethod) => {
                vec![("method", request.method.to_string())]
            }
            Self::Refused(Refused::BadRequest(reason)) => bad_request(*reason, asked),
            Self::Refused(Refused::UnsupportedProtocol) => {
                vec![("protocol", OLD_REVISION.to_owned())]
            }
            Self::Forbidden(refusal) => vec![("message", refusal.message.clone())],
            Self::OriginNotAllowed => vec![("message", self.to_string())],
        }
    }

    /// The reply to a plain request: JSON with a numeric code.
    pub(crate) fn into_response(self) -> Response<Full<Bytes>> {
        let body = format!(
            r#"{{"code":{},"message":{}}}"#,
            self.code(),
            quote(&self.to_string())
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
        if self == BadRequest::WebSocketVersion.into() {
            // RFC 6455 section 4.4: the version that would do.
            let version = HeaderValue::from_static("13");
            headers.insert(header::SEC_WEBSOCKET_VERSION, version);
        }
        response
    }
}

/// What the official server takes every other revision than 4 for.
const OLD_REVISION: &str = "3";

fn bad_request(reason: BadRequest, asked: impl Fn(&str) -> String) -> Vec<(&'static str, String)> {
    let mut context = vec![("name", reason.name().to_owned())];
    match reason {
        BadRequest::TransportMismatch => {
            let transport = asked("transport");
            let previous = TransportKind::other_than(&transport).to_string();
            context.extend([("transport", transport), ("previousTransport", previous)]);
        }
        BadRequest::ProtocolMismatch => context.extend([
            ("protocol", OLD_REVISION.to_owned()),
            ("previousProtocol", "4".to_owned()),
        ]),
        _ => {}
    }
    context
}

impl From<BadRequest> for HandshakeError {
    fn from(reason: BadRequest) -> Self {
        Self::Refused(Refused::BadRequest(reason))
    }
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
        let expected = r#"{"code":4,"message":"no \"bots\"\n"}"#;
        let error = HandshakeError::Forbidden(Refusal::new("no \"bots\"\n"));
        assert_eq!(body(error).await, (StatusCode::FORBIDDEN, expected.into()));
        let expected = r#"{"code":4,"message":"Origin not allowed"}"#;
        let refused = body(HandshakeError::OriginNotAllowed).await;
        assert_eq!(refused, (StatusCode::FORBIDDEN, expected.into()));
    }

    #[tokio::test]
    async fn a_refusal_may_have_a_status_and_a_code_of_its_own() {
        let error = HandshakeError::Forbidden(Refusal {
            status: StatusCode::UNAUTHORIZED,
            code: 40,
            message: "Log in".to_owned(),
        });
        let expected = r#"{"code":40,"message":"Log in"}"#;
        let reply = body(error.clone()).await;
        assert_eq!(reply, (StatusCode::UNAUTHORIZED, expected.into()));
        let upgrade = error.into_upgrade_response();
        assert_eq!(upgrade.status(), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn the_context_of_a_refusal_has_the_official_names() {
        let uri = "/engine.io/?EIO=3&transport=polling&sid=a%20b";
        let (request, ()) = http::Request::post(uri).body(()).unwrap().into_parts();
        for (error, context) in [
            (
                HandshakeError::from(Refused::UnknownTransport),
                &[("transport", "polling")][..],
            ),
            (Refused::UnknownSid.into(), &[("sid", "a b")]),
            (Refused::BadHandshakeMethod.into(), &[("method", "POST")]),
            (Refused::UnsupportedProtocol.into(), &[("protocol", "3")]),
            (
                BadRequest::TransportMismatch.into(),
                &[
                    ("name", "TRANSPORT_MISMATCH"),
                    ("transport", "polling"),
                    ("previousTransport", "websocket"),
                ],
            ),
            (
                BadRequest::ProtocolMismatch.into(),
                &[
                    ("name", "PROTOCOL_MISMATCH"),
                    ("protocol", "3"),
                    ("previousProtocol", "4"),
                ],
            ),
            (
                BadRequest::NotAnUpgrade.into(),
                &[("name", "TRANSPORT_HANDSHAKE_ERROR")],
            ),
            (
                HandshakeError::Forbidden(Refusal::default()),
                &[("message", "Forbidden")],
            ),
        ] {
            let found = error.context(&request);
            let found: Vec<_> = found
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            assert_eq!(found, context);
        }
    }
}

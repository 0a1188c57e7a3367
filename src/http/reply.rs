//! What goes back: status, headers, and the one JSON shape of CONTRACT section 1.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

/// The failure object, `{"success":false,"message":…,"error":{…}}`: the body
/// of a refused request, a refused acknowledgement and the event `error`.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The HTTP status that goes with it; not a part of the JSON.
    #[serde(skip)]
    pub status: StatusCode,
    /// Always `false`.
    pub success: bool,
    /// One plain sentence for people.
    pub message: String,
    /// The same for programs.
    pub error: FailureDetail,
}

/// The part of a [`Failure`] that programs read.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailureDetail {
    /// A code of the table in CONTRACT section 1.
    pub code: &'static str,
    /// The field that is missing or wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// When to try again, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

/// The success object, `{"success":true,"data":…}`.
#[derive(Serialize)]
struct Success<'a, T> {
    success: bool,
    data: &'a T,
}

/// A finished answer to a request.
#[derive(Debug, Clone)]
pub struct Reply {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl Reply {
    /// `data` in the success shape.
    pub fn success<T: Serialize>(status: StatusCode, data: &T) -> Self {
        Self::json(
            status,
            &Success {
                success: true,
                data,
            },
        )
    }

    /// A failure, with `Retry-After` in whole seconds when it says when.
    pub fn failure(failure: &Failure) -> Self {
        let reply = Self::json(failure.status, failure);
        match failure.error.retry_after_ms {
            Some(ms) => reply.header(RETRY_AFTER, HeaderValue::from(ms.div_ceil(1000).max(1))),
            None => reply,
        }
    }

    /// Any JSON document, never cached and never sniffed.
    pub fn json<T: Serialize>(status: StatusCode, document: &T) -> Self {
        let (status, body) = match serde_json::to_vec(document) {
            Ok(body) => (status, body),
            Err(error) => {
                tracing::error!(%error, "a reply could not be encoded");
                (StatusCode::INTERNAL_SERVER_ERROR, Vec::new())
            }
        };
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
        .header(
            CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=utf-8"),
        )
        .header(CACHE_CONTROL, HeaderValue::from_static("no-store"))
        .header(
            HeaderName::from_static("x-content-type-options"),
            HeaderValue::from_static("nosniff"),
        )
    }

    /// A reply without a body.
    pub fn empty(status: StatusCode) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    /// The same reply with one more header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The status line's code.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The encoded body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}

impl From<Reply> for Response<Full<Bytes>> {
    fn from(reply: Reply) -> Self {
        let mut response = Response::new(Full::new(reply.body));
        *response.status_mut() = reply.status;
        response.headers_mut().extend(reply.headers);
        response
    }
}

//! What goes wrong, and the one table that says how it reads outside:
//! code, HTTP status, whether to retry, and text (CONTRACT section 1).

use std::time::Duration;

use http::StatusCode;

use super::domain::Invalid;
use super::storage::StoreError;
use crate::http::{Failure, FailureDetail, Refusal, Reply};

/// Why a request was refused. Nothing in it is secret: all of it may leave
/// the server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field is missing or wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// No token, or one that is none of ours.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// The token's time is over.
    #[error("The token has expired")]
    TokenExpired,
    /// The session was ended by logout, password change or misuse.
    #[error("The session has been ended")]
    TokenRevoked,
    /// Wrong e-mail or password, without saying which.
    #[error("The e-mail address or the password is wrong")]
    InvalidCredentials,
    /// Known, and not allowed.
    #[error("{0}")]
    Forbidden(&'static str),
    /// No such chat, or not theirs to see.
    #[error("Chat not found, or you are not a participant in it")]
    ChatNotFound,
    /// No such thing in a chat or elsewhere.
    #[error("{0}")]
    NotFound(&'static str),
    /// The path takes other methods.
    #[error("This path does not take this method")]
    MethodNotAllowed,
    /// The body is declared as something else than JSON.
    #[error("The body must be application/json")]
    UnsupportedMediaType,
    /// It is so already.
    #[error("{0}")]
    Conflict(&'static str),
    /// The same `clientMsgId` came with another body.
    #[error("This clientMsgId was used for another message")]
    IdempotencyMismatch,
    /// Too late to edit.
    #[error("The message can no longer be edited")]
    EditWindowClosed,
    /// The body is too large.
    #[error("The body is too large")]
    PayloadTooLarge,
    /// Too much in too short a time.
    #[error("Too many requests; try again later")]
    RateLimited(Duration),
    /// Storage is away or does not keep up. The outcome is open.
    #[error("The server cannot do this now; try again later")]
    Unavailable,
    /// A fault of ours; the log says which.
    #[error("Something went wrong on the server")]
    Internal,
}

impl Error {
    /// The table of CONTRACT section 1.
    pub fn code(&self) -> (&'static str, StatusCode) {
        match self {
            Self::Invalid(_) => ("validation-failed", StatusCode::BAD_REQUEST),
            Self::Unauthenticated(_) => ("unauthenticated", StatusCode::UNAUTHORIZED),
            Self::TokenExpired => ("token-expired", StatusCode::UNAUTHORIZED),
            Self::TokenRevoked => ("token-revoked", StatusCode::UNAUTHORIZED),
            Self::InvalidCredentials => ("invalid-credentials", StatusCode::UNAUTHORIZED),
            Self::Forbidden(_) => ("forbidden", StatusCode::FORBIDDEN),
            Self::ChatNotFound | Self::NotFound(_) => ("not-found", StatusCode::NOT_FOUND),
            Self::MethodNotAllowed => ("method-not-allowed", StatusCode::METHOD_NOT_ALLOWED),
            Self::UnsupportedMediaType => {
                ("unsupported-media-type", StatusCode::UNSUPPORTED_MEDIA_TYPE)
            }
            Self::Conflict(_) => ("conflict", StatusCode::CONFLICT),
            Self::IdempotencyMismatch => ("idempotency-mismatch", StatusCode::CONFLICT),
            Self::EditWindowClosed => ("edit-window-closed", StatusCode::CONFLICT),
            Self::PayloadTooLarge => ("payload-too-large", StatusCode::PAYLOAD_TOO_LARGE),
            Self::RateLimited(_) => ("rate-limited", StatusCode::TOO_MANY_REQUESTS),
            Self::Unavailable => ("unavailable", StatusCode::SERVICE_UNAVAILABLE),
            Self::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR),
        }
    }

    /// Whether the same request may succeed later. A fault of ours may have
    /// happened after the commit, so only a repeat can tell.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::RateLimited(_) | Self::Unavailable | Self::Internal
        )
    }

    /// The failure object.
    pub fn failure(&self) -> Failure {
        let (code, status) = self.code();
        let field = match self {
            Self::Invalid(invalid) => Some(invalid.field.to_owned()),
            _ => None,
        };
        let retry_after_ms = match self {
            // Whoever waits as long as they are told must not be too early.
            Self::RateLimited(wait) => Some(wait.as_nanos().div_ceil(1_000_000) as u64),
            _ => None,
        };
        let error = FailureDetail {
            code,
            field,
            retryable: self.is_retryable(),
            retry_after_ms,
        };
        Failure {
            status,
            success: false,
            message: self.to_string(),
            error,
        }
    }
}

/// The inner error is logged here, once, and goes no further.
impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        if error.is_temporary() {
            tracing::warn!(%error, "storage is away");
            Self::Unavailable
        } else {
            tracing::error!(%error, "storage failed");
            Self::Internal
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotFound => Self::NotFound("There is nothing at this path"),
            Refusal::MethodNotAllowed { .. } => Self::MethodNotAllowed,
            Refusal::TooLarge => Self::PayloadTooLarge,
            Refusal::UnsupportedMediaType => Self::UnsupportedMediaType,
            Refusal::Malformed => Self::Invalid(Invalid::new("body", "must be a JSON object")),
        }
    }
}

impl From<Error> for Reply {
    fn from(error: Error) -> Self {
        Self::failure(&error.failure())
    }
}

impl From<Result<Reply, Error>> for Reply {
    fn from(result: Result<Reply, Error>) -> Self {
        result.unwrap_or_else(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_codes_is_the_contract_s() {
        let wait = Duration::from_millis(1500);
        let all = [
            (
                Error::Invalid(Invalid::new("content", "is required")),
                400,
                false,
            ),
            (Error::Unauthenticated("Log in first"), 401, false),
            (Error::TokenExpired, 401, false),
            (Error::TokenRevoked, 401, false),
            (Error::InvalidCredentials, 401, false),
            (Error::Forbidden("no"), 403, false),
            (Error::ChatNotFound, 404, false),
            (Error::NotFound("no"), 404, false),
            (Error::MethodNotAllowed, 405, false),
            (Error::UnsupportedMediaType, 415, false),
            (Error::Conflict("so already"), 409, false),
            (Error::IdempotencyMismatch, 409, false),
            (Error::EditWindowClosed, 409, false),
            (Error::PayloadTooLarge, 413, false),
            (Error::RateLimited(wait), 429, true),
            (Error::Unavailable, 503, true),
            (Error::Internal, 500, true),
        ];
        let table: Vec<_> = all
            .iter()
            .map(|(error, status, retryable)| {
                let failure = error.failure();
                assert_eq!(failure.status.as_u16(), *status, "{error}");
                assert_eq!(failure.error.retryable, *retryable, "{error}");
                failure.error.code
            })
            .collect();
        insta::assert_json_snapshot!(table);
        insta::assert_json_snapshot!(Error::RateLimited(wait).failure());
        insta::assert_json_snapshot!(all[0].0.failure());
    }

    #[test]
    fn whoever_waits_as_long_as_they_are_told_has_waited_long_enough() {
        for (wait, told) in [(1, 1), (999, 1), (1000, 1), (1001, 2), (200_000, 200)] {
            let failure = Error::RateLimited(Duration::from_micros(wait)).failure();
            assert_eq!(failure.error.retry_after_ms, Some(told), "{wait}");
        }
    }
}

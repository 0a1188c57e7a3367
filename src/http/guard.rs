//! What a request may look like at all, whoever it is for.
//!
//! hyper's own limits are wider, and it takes a request without `Host`. A
//! request with both Content-Length and Transfer-Encoding never shows its
//! length here: hyper drops it, reads the chunks, and closes the connection
//! after the answer, as RFC 9112 section 6.3 allows, so nothing that follows
//! is taken for a next request.

use http::header::{CONNECTION, HOST};
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, Version};

use super::reply::{Failure, FailureDetail, Reply};

/// The longest request target, in bytes.
const MAX_URI_BYTES: usize = 8 * 1024;
/// The most header lines.
const MAX_HEADERS: usize = 64;
/// The largest sum of all header lines, in bytes.
const MAX_HEADER_BYTES: usize = 32 * 1024;

/// Refuses what is too large or has no host. The client is to blame.
pub(super) fn check<B>(request: &Request<B>) -> Result<(), Reply> {
    if target_bytes(request.uri()) > MAX_URI_BYTES {
        return Err(refused(
            StatusCode::URI_TOO_LONG,
            "payload-too-large",
            "The address of the request is longer than 8 KiB",
        ));
    }
    let headers = request.headers();
    if headers.len() > MAX_HEADERS || header_bytes(headers) > MAX_HEADER_BYTES {
        return Err(refused(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "payload-too-large",
            "The request has more than 64 headers, or more than 32 KiB of them",
        ));
    }
    if !names_one_host(request) {
        return Err(refused(
            StatusCode::BAD_REQUEST,
            "validation-failed",
            "The request must have exactly one Host header",
        ));
    }
    Ok(())
}

/// What was not read of the request must not be taken for a next one.
fn refused(status: StatusCode, code: &'static str, message: &str) -> Reply {
    let error = FailureDetail {
        code,
        field: None,
        retryable: false,
        retry_after_ms: None,
    };
    let failure = Failure {
        status,
        success: false,
        message: message.to_owned(),
        error,
    };
    Reply::failure(&failure).header(CONNECTION, HeaderValue::from_static("close"))
}

fn target_bytes(uri: &Uri) -> usize {
    let authority = uri
        .authority()
        .map_or(0, |authority| authority.as_str().len());
    let path = uri.path_and_query().map_or(0, |path| path.as_str().len());
    authority + path
}

fn header_bytes(headers: &HeaderMap) -> usize {
    let line = |name: &str, value: &[u8]| name.len() + ": \r\n".len() + value.len();
    headers
        .iter()
        .map(|(name, value)| line(name.as_str(), value.as_bytes()))
        .sum()
}

/// RFC 9112 section 3.2: none, or several, is 400; HTTP/1.0 may do without.
fn names_one_host<B>(request: &Request<B>) -> bool {
    match request.headers().get_all(HOST).iter().count() {
        0 => request.version() < Version::HTTP_11,
        hosts => hosts == 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(request: http::request::Builder) -> Option<StatusCode> {
        let refused = check(&request.body(()).expect("a request")).err();
        refused.map(|reply| reply.status())
    }

    #[test]
    fn targets_up_to_8_kib_pass() {
        let of = |length: usize| {
            let uri = format!("/{}", "a".repeat(length - 1));
            status(Request::get(uri).header(HOST, "a"))
        };
        assert_eq!(of(MAX_URI_BYTES), None);
        assert_eq!(of(MAX_URI_BYTES + 1), Some(StatusCode::URI_TOO_LONG));
    }

    #[test]
    fn headers_are_counted_and_weighed() {
        let with = |count: usize, bytes: usize| {
            let mut request = Request::get("/").header(HOST, "a");
            for _ in 1..count {
                request = request.header("x", "y".repeat(bytes));
            }
            status(request)
        };
        assert_eq!(with(64, 1), None);
        let too_large = Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        assert_eq!(with(65, 1), too_large);
        assert_eq!(with(2, 33_000), too_large);
    }

    #[test]
    fn one_host_is_required_of_http_1_1() {
        let bad = Some(StatusCode::BAD_REQUEST);
        assert_eq!(status(Request::get("/")), bad);
        assert_eq!(status(Request::get("/").version(Version::HTTP_10)), None);
        assert_eq!(
            status(Request::get("/").header(HOST, "a").header(HOST, "a")),
            bad
        );
    }
}

//! Who else's pages may read the API's answers.
//!
//! People are known by a token in a header, never by a cookie, so answers are
//! not marked as credentialed and `*` is harmless. Socket.IO's own rules for
//! its path live in `engineio`.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
    VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;

use crate::config::Origins;

/// How long a browser may remember what it was told, in seconds.
const MAX_AGE: &str = "600";

/// The origins that are let in, beside the server's own.
#[derive(Debug)]
pub struct Cors {
    origins: Origins,
}

impl Cors {
    /// The rule for these origins.
    pub fn new(origins: Origins) -> Self {
        Self { origins }
    }

    /// The answer to a preflight request; `None` for any other request.
    pub fn preflight<B>(&self, request: &Request<B>) -> Option<Response<Full<Bytes>>> {
        let headers = request.headers();
        let asks =
            headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if request.method() != Method::OPTIONS || !asks {
            return None;
        }
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        if self.mark(headers.get(ORIGIN), response.headers_mut()) {
            let mut allow = |name, value| {
                response
                    .headers_mut()
                    .insert(name, HeaderValue::from_static(value));
            };
            allow(
                ACCESS_CONTROL_ALLOW_METHODS,
                "GET, POST, PUT, PATCH, DELETE",
            );
            allow(ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type");
            allow(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        }
        Some(response)
    }

    /// Lets the page of an allowed `origin` read an answer; says whether it is
    /// one.
    pub fn mark(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) -> bool {
        let allowed = match &self.origins {
            Origins::Own => None,
            Origins::Any => Some(HeaderValue::from_static("*")),
            Origins::Listed(listed) => {
                headers.append(VARY, HeaderValue::from_static("origin"));
                origin.filter(|origin| is_listed(listed, origin)).cloned()
            }
        };
        let Some(allowed) = allowed else {
            return false;
        };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        let exposed = HeaderValue::from_static("retry-after");
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        true
    }
}

fn is_listed(listed: &[String], origin: &HeaderValue) -> bool {
    listed
        .iter()
        .any(|known| known.as_bytes() == origin.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(origins: Origins, method: Method) -> Option<Response<Full<Bytes>>> {
        let request = Request::builder()
            .method(method)
            .header(ORIGIN, "https://a.example")
            .header(ACCESS_CONTROL_REQUEST_METHOD, "POST");
        Cors::new(origins).preflight(&request.body(()).expect("a request"))
    }

    #[test]
    fn nobody_else_is_let_in_by_default() {
        let answer = ask(Origins::Own, Method::OPTIONS).expect("a preflight");
        assert!(!answer.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
        let other = Origins::Listed(vec!["https://b.example".to_owned()]);
        let answer = ask(other, Method::OPTIONS).expect("a preflight");
        assert!(!answer.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
    }

    #[test]
    fn a_listed_origin_is_named_and_caches_are_told() {
        let listed = Origins::Listed(vec!["https://a.example".to_owned()]);
        let answer = ask(listed, Method::OPTIONS).expect("a preflight");
        assert_eq!(
            answer.headers()[ACCESS_CONTROL_ALLOW_ORIGIN],
            "https://a.example"
        );
        assert_eq!(answer.headers()[VARY], "origin");
        assert!(
            !answer
                .headers()
                .contains_key("access-control-allow-credentials")
        );
    }

    #[test]
    fn any_origin_means_no_credentials() {
        let answer = ask(Origins::Any, Method::OPTIONS).expect("a preflight");
        assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert!(ask(Origins::Any, Method::GET).is_none());
    }
}

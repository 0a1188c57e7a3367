//! Who may connect from a browser, and the headers that let it. The headers are, to the byte, those
//! of the `cors` package that the official server uses.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header, request};
use http_body_util::Full;

use crate::{
    config::{Cors, Origins},
    transport::polling::bare,
};

/// Whether the request's `Origin`, if any, is the server's own host or one that is allowed.
pub(super) fn is_origin_allowed(cors: Option<&Cors>, headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let Ok(origin) = std::str::from_utf8(origin.as_bytes()) else {
        return false;
    };
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    host.is_some_and(|host| is_own_host(origin, host))
        || cors.is_some_and(|cors| cors.origins.allows(origin))
}

/// Whether an origin names this host, whatever its scheme: behind a proxy that ends TLS the server
/// does not know its own.
fn is_own_host(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let default_port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let strip = |name: &str| {
        name.strip_suffix(default_port)
            .unwrap_or(name)
            .to_ascii_lowercase()
    };
    strip(authority) == strip(host)
}

impl Cors {
    /// Adds to `reply` what lets a page of another origin read it, as every reply of the server has
    /// it: for what an application serves beside the protocol.
    pub fn add_headers(&self, request: &HeaderMap, reply: &mut HeaderMap) {
        decorate(self, request, reply);
    }
}

/// The answer to a preflight.
pub(super) fn preflight(cors: &Cors, request: &request::Parts) -> Response<Full<Bytes>> {
    let mut response = bare(cors.preflight_status);
    let headers = response.headers_mut();
    add_origin(cors, &request.headers, headers);
    add_credentials(cors, headers);
    add_list(headers, header::ACCESS_CONTROL_ALLOW_METHODS, &cors.methods);
    add_allowed_headers(cors, &request.headers, headers);
    if let Some(max_age) = cors.max_age {
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, max_age.as_secs().into());
    }
    add_list(
        headers,
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        &cors.exposed_headers,
    );
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}

/// Adds what every other reply carries, refusals included.
pub(super) fn decorate(cors: &Cors, request: &HeaderMap, headers: &mut HeaderMap) {
    add_origin(cors, request, headers);
    add_credentials(cors, headers);
    add_list(
        headers,
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        &cors.exposed_headers,
    );
}

fn add_origin(cors: &Cors, request: &HeaderMap, headers: &mut HeaderMap) {
    if let Some(origin) = named_origin(&cors.origins, request) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    if !matches!(cors.origins, Origins::Any) {
        add_vary(headers, "Origin");
    }
}

/// The origin that a reply names.
fn named_origin(origins: &Origins, request: &HeaderMap) -> Option<HeaderValue> {
    match origins {
        Origins::Any => Some(HeaderValue::from_static("*")),
        Origins::Fixed(origin) => HeaderValue::from_str(origin).ok(),
        Origins::Reflected | Origins::List(_) | Origins::Matching(_) => request
            .get(header::ORIGIN)
            .filter(|origin| origin.to_str().is_ok_and(|text| origins.allows(text)))
            .cloned(),
    }
}

/// Never together with `*`: that would let any page act in the name of its visitor.
fn add_credentials(cors: &Cors, headers: &mut HeaderMap) {
    if cors.credentials && !matches!(cors.origins, Origins::Any) {
        let value = HeaderValue::from_static("true");
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, value);
    }
}

fn add_allowed_headers(cors: &Cors, request: &HeaderMap, headers: &mut HeaderMap) {
    if !cors.allowed_headers.is_empty() {
        return add_list(
            headers,
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            &cors.allowed_headers,
        );
    }
    add_vary(headers, "Access-Control-Request-Headers");
    if let Some(asked) = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
}

/// Adds a comma-separated list, unless it is empty or no header value.
fn add_list(headers: &mut HeaderMap, name: HeaderName, items: &[String]) {
    if !items.is_empty()
        && let Ok(value) = HeaderValue::from_str(&items.join(","))
    {
        headers.insert(name, value);
    }
}

fn add_vary(headers: &mut HeaderMap, field: &str) {
    let present = headers
        .get(header::VARY)
        .and_then(|value| value.to_str().ok());
    let joined = present.map_or_else(|| field.to_owned(), |present| format!("{present}, {field}"));
    headers.insert(
        header::VARY,
        HeaderValue::from_str(&joined).expect("names of headers"),
    );
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Request, StatusCode};

    use super::*;

    fn parts(headers: &[(&str, &str)]) -> request::Parts {
        let mut request = Request::options("/engine.io/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn list(origins: &[&str]) -> Cors {
        let origins = origins.iter().map(|&origin| origin.to_owned()).collect();
        Cors {
            origins: Origins::List(origins),
            credentials: true,
            ..Cors::default()
        }
    }

    fn value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
        headers.get(name).map(|value| value.to_str().unwrap())
    }

    #[test]
    fn without_an_origin_everybody_may_connect() {
        assert!(is_origin_allowed(None, &parts(&[("host", "a")]).headers));
    }

    #[test]
    fn the_own_host_may_connect_and_no_other() {
        let allowed = |origin, host| {
            is_origin_allowed(None, &parts(&[("origin", origin), ("host", host)]).headers)
        };
        assert!(allowed("http://chat.example:3000", "chat.example:3000"));
        assert!(allowed("https://Chat.example", "chat.example:443"));
        assert!(!allowed("https://evil.example", "chat.example"));
        assert!(!allowed("http://chat.example:3001", "chat.example:3000"));
        assert!(!allowed("null", "null"));
        assert!(!allowed("file://chat.example", "chat.example"));
    }

    #[test]
    fn an_allowed_origin_may_connect() {
        let cors = list(&["https://a.example"]);
        let ask = |origin| parts(&[("origin", origin), ("host", "b")]).headers;
        assert!(is_origin_allowed(Some(&cors), &ask("https://a.example")));
        assert!(!is_origin_allowed(
            Some(&cors),
            &ask("https://a.example.evil")
        ));
    }

    #[test]
    fn a_preflight_names_methods_and_echoes_headers() {
        let cors = Cors {
            max_age: Some(Duration::from_secs(60)),
            ..list(&["https://a.example"])
        };
        let request = parts(&[
            ("origin", "https://a.example"),
            ("access-control-request-headers", "x-a,x-b"),
        ]);
        let response = preflight(&cors, &request);
        let headers = response.headers();
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        assert_eq!(
            value(headers, "access-control-allow-origin"),
            Some("https://a.example")
        );
        assert_eq!(
            value(headers, "access-control-allow-credentials"),
            Some("true")
        );
        let methods = value(headers, "access-control-allow-methods");
        assert_eq!(methods, Some("GET,HEAD,PUT,PATCH,POST,DELETE"));
        assert_eq!(
            value(headers, "access-control-allow-headers"),
            Some("x-a,x-b")
        );
        assert_eq!(
            value(headers, "vary"),
            Some("Origin, Access-Control-Request-Headers")
        );
        assert_eq!(value(headers, "access-control-max-age"), Some("60"));
        assert_eq!(value(headers, "content-length"), Some("0"));
    }

    #[test]
    fn any_origin_is_a_star_and_never_with_credentials() {
        let cors = Cors {
            credentials: true,
            ..Cors::default()
        };
        let mut headers = HeaderMap::new();
        decorate(
            &cors,
            &parts(&[("origin", "https://a.example")]).headers,
            &mut headers,
        );
        assert_eq!(value(&headers, "access-control-allow-origin"), Some("*"));
        assert_eq!(value(&headers, "access-control-allow-credentials"), None);
        assert_eq!(value(&headers, "vary"), None);
    }

    #[test]
    fn a_foreign_origin_gets_no_permission() {
        let cors = list(&["https://a.example"]);
        let mut headers = HeaderMap::new();
        decorate(
            &cors,
            &parts(&[("origin", "https://evil.example")]).headers,
            &mut headers,
        );
        assert_eq!(value(&headers, "access-control-allow-origin"), None);
        assert_eq!(value(&headers, "vary"), Some("Origin"));
    }

    #[test]
    fn a_fixed_origin_is_named_to_everybody_and_allows_itself() {
        let cors = Cors {
            origins: Origins::Fixed("https://a.example".to_owned()),
            ..Cors::default()
        };
        for origin in ["https://a.example", "https://evil.example"] {
            let (mut headers, asked) = (HeaderMap::new(), parts(&[("origin", origin)]).headers);
            decorate(&cors, &asked, &mut headers);
            let named = value(&headers, "access-control-allow-origin");
            assert_eq!(named, Some("https://a.example"));
            assert_eq!(value(&headers, "vary"), Some("Origin"));
            let allowed = is_origin_allowed(Some(&cors), &asked);
            assert_eq!(allowed, origin == "https://a.example");
        }
    }

    #[test]
    fn a_reflected_origin_may_come_with_credentials() {
        let cors = Cors {
            origins: Origins::Reflected,
            credentials: true,
            ..Cors::default()
        };
        let (mut headers, asked) = (HeaderMap::new(), parts(&[("origin", "https://b")]).headers);
        decorate(&cors, &asked, &mut headers);
        assert!(is_origin_allowed(Some(&cors), &asked));
        assert_eq!(
            value(&headers, "access-control-allow-origin"),
            Some("https://b")
        );
        assert_eq!(
            value(&headers, "access-control-allow-credentials"),
            Some("true")
        );
    }
}

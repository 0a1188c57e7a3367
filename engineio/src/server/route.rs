//! What a request is, by its head alone: the path, the method, the query, the upgrade headers.

use base64::Engine;
use http::{HeaderMap, HeaderValue, Method, Version, header, request};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::proto::handshake::{BadRequest, Facts, Query, Refused};

/// The facts that decide what the request is.
pub(super) fn facts<'a>(parts: &'a request::Parts, query: &'a Query) -> Facts<'a> {
    Facts {
        query,
        is_get: parts.method == Method::GET,
        is_upgrade: is_upgrade(parts),
        origin: parts.headers.get(header::ORIGIN).map(HeaderValue::as_bytes),
    }
}

/// Whether the request asks for a WebSocket.
pub(super) fn is_upgrade(parts: &request::Parts) -> bool {
    parts.method == Method::GET
        && has_token(&parts.headers, &header::CONNECTION, "upgrade")
        && has_token(&parts.headers, &header::UPGRADE, "websocket")
}

/// HTTP/1.1 wants one `Host`, and no version two (RFC 9112 section 3.2); hyper does not check it.
pub(super) fn lacks_host(parts: &request::Parts) -> bool {
    match parts.headers.get_all(header::HOST).iter().count() {
        0 => parts.version == Version::HTTP_11,
        1 => false,
        _ => true,
    }
}

/// The value of `Sec-WebSocket-Accept`, if the upgrade is well formed (RFC 6455 section 4.2.1).
pub(super) fn accept_key(headers: &HeaderMap) -> Result<HeaderValue, Refused> {
    let version_13 = headers
        .get(header::SEC_WEBSOCKET_VERSION)
        .is_some_and(|value| value == "13");
    if !version_13 {
        return Err(Refused::BadRequest(BadRequest::WebSocketVersion));
    }
    let key = headers
        .get(header::SEC_WEBSOCKET_KEY)
        .map(HeaderValue::as_bytes);
    // 16 bytes in base64.
    let key = key.filter(|key| is_nonce(key));
    let key = key.ok_or(Refused::BadRequest(BadRequest::NotAnUpgrade))?;
    Ok(HeaderValue::try_from(derive_accept_key(key)).expect("base64 is a header value"))
}

fn is_nonce(key: &[u8]) -> bool {
    let decoded = base64::engine::general_purpose::STANDARD.decode(key);
    decoded.is_ok_and(|nonce| nonce.len() == 16)
}

/// The subprotocol of an upgrade: the first that the client names, as the official server answers.
/// A client that names some and is given none gives up (RFC 6455 section 4.1).
pub(super) fn subprotocol(headers: &HeaderMap) -> Result<Option<HeaderValue>, Refused> {
    let lines = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let mut names = Vec::new();
    for name in lines
        .iter()
        .flat_map(|line| line.as_bytes().split(|&byte| byte == b','))
    {
        let name = name.trim_ascii();
        if !is_token(name) || names.contains(&name) {
            return Err(Refused::BadRequest(BadRequest::NotAnUpgrade));
        }
        names.push(name);
    }
    let first = names.first().map(|name| HeaderValue::from_bytes(name));
    Ok(first.map(|value| value.expect("a token is a header value")))
}

/// RFC 9110 section 5.6.2.
fn is_token(text: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(is_part)
}

fn has_token(headers: &HeaderMap, name: &header::HeaderName, token: &str) -> bool {
    let values = headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|item| item.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(headers: &[(&str, &str)]) -> request::Parts {
        let mut request = Request::get("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn an_upgrade_names_websocket_in_both_headers() {
        assert!(is_upgrade(&parts(&[
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket")
        ])));
        assert!(!is_upgrade(&parts(&[
            ("connection", "upgrade"),
            ("upgrade", "h2c")
        ])));
        assert!(!is_upgrade(&parts(&[("upgrade", "websocket")])));
    }

    #[test]
    fn the_accept_key_is_that_of_the_rfc() {
        let sample = "dGhlIHNhbXBsZSBub25jZQ==";
        let headers = |version, key| {
            parts(&[
                ("sec-websocket-version", version),
                ("sec-websocket-key", key),
            ])
            .headers
        };
        let accepted = accept_key(&headers("13", sample)).unwrap();
        assert_eq!(accepted, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(accept_key(&headers("8", sample)).is_err());
        assert!(accept_key(&headers("13", "short==")).is_err());
        assert!(accept_key(&headers("13", "!!!!!!!!!!!!!!!!!!!!!!==")).is_err());
    }

    #[test]
    fn the_first_subprotocol_is_chosen() {
        let chosen = |lines: &[&str]| {
            let lines: Vec<_> = lines
                .iter()
                .map(|line| ("sec-websocket-protocol", *line))
                .collect();
            subprotocol(&parts(&lines).headers).map_err(|_| ())
        };
        let name = |name| Ok(Some(HeaderValue::from_static(name)));
        assert_eq!(chosen(&[]), Ok(None));
        assert_eq!(chosen(&["chat , other"]), name("chat"));
        assert_eq!(chosen(&["b", "a"]), name("b"));
        for bad in ["", "a,,b", "a, a", "a b", "a,"] {
            assert_eq!(chosen(&[bad]), Err(()), "{bad:?}");
        }
    }
}

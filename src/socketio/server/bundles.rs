//! Serves the official browser client beside the protocol: `/socket.io/socket.io.js` and its
//! siblings, with the headers of the official server.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;

/// The names that are served; every other request falls through to the engine.
pub const CLIENT_BUNDLE_NAMES: [&str; 8] = [
    "socket.io.js",
    "socket.io.js.map",
    "socket.io.min.js",
    "socket.io.min.js.map",
    "socket.io.esm.min.js",
    "socket.io.esm.min.js.map",
    "socket.io.msgpack.min.js",
    "socket.io.msgpack.min.js.map",
];

/// The files of the official client.
#[derive(Debug, Clone, Copy)]
pub struct ClientBundles {
    /// The client's version: its entity tag.
    pub version: &'static str,
    /// Name and contents. Only names of [`CLIENT_BUNDLE_NAMES`] are served.
    pub files: &'static [(&'static str, &'static [u8])],
}

impl ClientBundles {
    /// The reply to a request for `path`, if that is one of the files under `base`.
    pub(crate) fn reply(
        &self,
        base: &str,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Option<Response<Full<Bytes>>> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return None;
        }
        let name = path.strip_prefix(base)?;
        CLIENT_BUNDLE_NAMES.contains(&name).then_some(())?;
        let (_, body) = self.files.iter().find(|(file, _)| *file == name)?;
        Some(self.answer(name, body, headers))
    }

    fn answer(
        &self,
        name: &str,
        body: &'static [u8],
        headers: &HeaderMap,
    ) -> Response<Full<Bytes>> {
        let tag = format!("\"{}\"", self.version);
        let mut response = Response::new(Full::default());
        if headers
            .get(IF_NONE_MATCH)
            .is_some_and(|asked| is_same(asked, &tag))
        {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            // The body of the reply to a HEAD is dropped by hyper, which keeps its length.
            *response.body_mut() = Full::new(Bytes::from_static(body));
            response
                .headers_mut()
                .insert(CONTENT_TYPE, content_type(name));
        }
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=0"));
        if let Ok(tag) = HeaderValue::try_from(tag) {
            headers.insert(ETAG, tag);
        }
        response
    }
}

fn is_same(asked: &HeaderValue, tag: &str) -> bool {
    let asked = asked.as_bytes();
    asked.strip_prefix(b"W/").unwrap_or(asked) == tag.as_bytes()
}

fn content_type(name: &str) -> HeaderValue {
    HeaderValue::from_static(match name.ends_with(".map") {
        true => "application/json; charset=utf-8",
        false => "application/javascript; charset=utf-8",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body::Body;

    const BUNDLES: ClientBundles = ClientBundles {
        version: "4.8.3",
        files: &[
            ("socket.io.js", b"code"),
            ("socket.io.js.map", b"{}"),
            ("evil.js", b""),
        ],
    };

    fn reply(
        method: &Method,
        path: &str,
        if_none_match: Option<&'static str>,
    ) -> Option<Response<Full<Bytes>>> {
        let mut headers = HeaderMap::new();
        if let Some(tag) = if_none_match {
            headers.insert(IF_NONE_MATCH, HeaderValue::from_static(tag));
        }
        BUNDLES.reply("/socket.io/", method, path, &headers)
    }

    #[test]
    fn trap_91_a_bundle_has_a_quoted_tag_and_is_revalidated() {
        let response = reply(&Method::GET, "/socket.io/socket.io.js", None).expect("served");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()[ETAG], "\"4.8.3\"");
        assert_eq!(response.headers()[CACHE_CONTROL], "public, max-age=0");
        assert_eq!(
            response.headers()[CONTENT_TYPE],
            "application/javascript; charset=utf-8"
        );
        let response = reply(&Method::HEAD, "/socket.io/socket.io.js.map", None).expect("served");
        assert_eq!(
            response.headers()[CONTENT_TYPE],
            "application/json; charset=utf-8"
        );
    }

    #[test]
    fn trap_91_a_known_tag_gets_304_weak_or_not() {
        for tag in ["\"4.8.3\"", "W/\"4.8.3\""] {
            let response =
                reply(&Method::GET, "/socket.io/socket.io.js", Some(tag)).expect("served");
            assert_eq!(response.status(), 304, "{tag}");
            assert_eq!(response.body().size_hint().exact(), Some(0));
        }
        for tag in ["4.8.3", "\"4.8.2\"", "*"] {
            let response =
                reply(&Method::GET, "/socket.io/socket.io.js", Some(tag)).expect("served");
            assert_eq!(response.status(), 200, "{tag}");
        }
    }

    #[test]
    fn trap_91_everything_else_falls_through_to_the_engine() {
        for path in [
            "/socket.io/",
            "/socket.io/socket.io.esm.js",
            "/socket.io/evil.js",
            "/socket.io.js",
            "/socket.io/../socket.io.js",
        ] {
            assert!(reply(&Method::GET, path, None).is_none(), "{path}");
        }
        assert!(reply(&Method::POST, "/socket.io/socket.io.js", None).is_none());
    }
}

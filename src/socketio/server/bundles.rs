//! Serves the official browser client beside the protocol: `/socket.io/socket.io.js` and its
//! siblings, with the headers of the official server.
//!
//! Two headers are more than it sends: `Vary`, without which a shared cache may hand the compressed
//! file to who cannot read it, and tag and cache rules on a 304, which RFC 9110 wants there.

use bytes::Bytes;
use engineio::{Cors, Encoding, FixedBody};
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
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

/// The files as they are served.
#[derive(Debug)]
pub(crate) struct Bundles {
    tag: HeaderValue,
    files: Vec<File>,
}

#[derive(Debug)]
struct File {
    name: &'static str,
    body: FixedBody,
}

impl Bundles {
    pub(crate) fn new(bundles: &ClientBundles) -> Self {
        let known = |(name, _): &&(&str, _)| CLIENT_BUNDLE_NAMES.contains(name);
        let files = bundles.files.iter().filter(known);
        let tag = HeaderValue::try_from(format!("\"{}\"", bundles.version));
        Self {
            // A version that fits no header revalidates nothing, and harms nothing.
            tag: tag.unwrap_or(HeaderValue::from_static("\"\"")),
            files: files
                .map(|&(name, body)| File {
                    name,
                    body: FixedBody::new(body),
                })
                .collect(),
        }
    }

    /// Whether a request is for one of the files under `base`, and how to answer it.
    pub(crate) fn find<B>(&self, base: &str, request: &Request<B>) -> Option<Asked<'_>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return None;
        }
        let name = request.uri().path().strip_prefix(base)?;
        let file = self.files.iter().find(|file| file.name == name)?;
        let asked = request.headers();
        let known = asked.get(IF_NONE_MATCH);
        Some(Asked {
            file,
            tag: &self.tag,
            known: known.is_some_and(|known| is_same(known, &self.tag)),
            encoding: Encoding::negotiate(asked),
        })
    }
}

/// A request for a file; nothing of it is borrowed.
#[derive(Debug)]
pub(crate) struct Asked<'b> {
    file: &'b File,
    tag: &'b HeaderValue,
    /// The client has this version.
    known: bool,
    encoding: Option<Encoding>,
}

impl Asked<'_> {
    /// The reply to a request with these headers.
    pub(crate) async fn reply(
        self,
        cors: Option<&Cors>,
        request: &HeaderMap,
    ) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::default());
        let headers = response.headers_mut();
        if let Some(cors) = cors {
            cors.add_headers(request, headers);
        }
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=0"));
        headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
        headers.insert(ETAG, self.tag.clone());
        if self.known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        let (encoding, body) = self.file.body.encoded(self.encoding).await;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, content_type(self.file.name));
        if let Some(encoding) = encoding {
            headers.insert(CONTENT_ENCODING, encoding.into());
        }
        // The body of the reply to a HEAD is dropped by hyper, which keeps its length.
        *response.body_mut() = Full::new(body);
        response
    }
}

fn is_same(asked: &HeaderValue, tag: &HeaderValue) -> bool {
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
    use http::header::{ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_ORIGIN};
    use http_body_util::BodyExt;

    use super::*;

    const CODE: &[u8] = include_bytes!("bundles.rs");

    const BUNDLES: ClientBundles = ClientBundles {
        version: "4.8.3",
        files: &[
            ("socket.io.js", CODE),
            ("socket.io.js.map", b"{}"),
            ("evil.js", b""),
        ],
    };

    fn request(method: &Method, path: &str) -> Request<()> {
        let request = Request::builder().method(method).uri(path);
        request.body(()).expect("a request")
    }

    async fn reply(request: Request<()>) -> Option<Response<Full<Bytes>>> {
        let bundles = Bundles::new(&BUNDLES);
        let asked = bundles.find("/socket.io/", &request)?;
        Some(asked.reply(None, request.headers()).await)
    }

    async fn with_header(name: http::HeaderName, value: &'static str) -> Response<Full<Bytes>> {
        let mut request = request(&Method::GET, "/socket.io/socket.io.js");
        let value = HeaderValue::from_static(value);
        request.headers_mut().insert(name, value);
        reply(request).await.expect("served")
    }

    #[tokio::test]
    async fn trap_91_a_bundle_has_a_quoted_tag_and_is_revalidated() {
        let response = reply(request(&Method::GET, "/socket.io/socket.io.js?x=1"))
            .await
            .expect("served");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()[ETAG], "\"4.8.3\"");
        assert_eq!(response.headers()[CACHE_CONTROL], "public, max-age=0");
        assert_eq!(
            response.headers()[CONTENT_TYPE],
            "application/javascript; charset=utf-8"
        );
        let response = reply(request(&Method::HEAD, "/socket.io/socket.io.js.map"))
            .await
            .expect("served");
        assert_eq!(
            response.headers()[CONTENT_TYPE],
            "application/json; charset=utf-8"
        );
    }

    #[tokio::test]
    async fn trap_91_a_known_tag_gets_304_weak_or_not() {
        for tag in ["\"4.8.3\"", "W/\"4.8.3\""] {
            let response = with_header(IF_NONE_MATCH, tag).await;
            assert_eq!(response.status(), 304, "{tag}");
            let body = response.into_body().collect().await.expect("a body");
            assert!(body.to_bytes().is_empty());
        }
        for tag in ["4.8.3", "\"4.8.2\"", "*"] {
            let response = with_header(IF_NONE_MATCH, tag).await;
            assert_eq!(response.status(), 200, "{tag}");
        }
    }

    #[tokio::test]
    async fn trap_91_everything_else_falls_through_to_the_engine() {
        for path in [
            "/socket.io/",
            "/socket.io/socket.io.esm.js",
            "/socket.io/evil.js",
            "/socket.io.js",
            "/socket.io/../socket.io.js",
        ] {
            let reply = reply(request(&Method::GET, path)).await;
            assert!(reply.is_none(), "{path}");
        }
        let post = request(&Method::POST, "/socket.io/socket.io.js");
        assert!(reply(post).await.is_none());
    }

    #[tokio::test]
    async fn a_client_gets_the_encoding_that_it_likes_best() {
        for (accept, encoding) in [
            ("br", Some("br")),
            ("gzip, deflate, br", Some("gzip")),
            ("deflate, gzip", Some("deflate")),
            ("br;q=0.5, gzip;q=0.8", Some("gzip")),
            ("gzip;q=0", None),
            ("identity", None),
            ("zstd", None),
        ] {
            let response = with_header(ACCEPT_ENCODING, accept).await;
            let sent = response.headers().get(CONTENT_ENCODING);
            assert_eq!(
                sent.map(HeaderValue::as_bytes),
                encoding.map(str::as_bytes),
                "{accept}"
            );
            assert_eq!(response.headers()[VARY], "Accept-Encoding");
            let body = response.into_body().collect().await.expect("a body");
            let shorter = body.to_bytes().len() < CODE.len();
            assert_eq!(shorter, encoding.is_some(), "{accept}");
        }
    }

    #[tokio::test]
    async fn a_page_of_an_allowed_origin_may_read_them() {
        let bundles = Bundles::new(&BUNDLES);
        let request = request(&Method::GET, "/socket.io/socket.io.js");
        let cors = Cors::default();
        let asked = bundles.find("/socket.io/", &request).expect("known");
        let response = asked.reply(Some(&cors), request.headers()).await;
        assert_eq!(response.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    }
}

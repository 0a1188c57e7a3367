//! The example page and the official client, embedded in the binary.

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use sha2::{Digest as _, Sha256};

include!(concat!(env!("OUT_DIR"), "/client_bundles.rs"));

/// Scripts, styles and connections of this server alone, and no frame around:
/// were a message ever taken for markup, it could do nothing.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      connect-src 'self'; img-src 'self' data:; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// A file of `static/`, at the same path.
macro_rules! file {
    ($path:literal, $content_type:expr) => {
        (
            concat!("/", $path),
            $content_type,
            include_bytes!(concat!("../../static/", $path)),
        )
    };
}

/// Path, content type, content.
const FILES: [(&str, &str, &[u8]); 21] = [
    (
        "/api-docs",
        HTML,
        include_bytes!("../../static/api-docs.html"),
    ),
    file!("api-docs.js", SCRIPT),
    file!("api-docs.css", STYLE),
    ("/", HTML, include_bytes!("../../static/chat-example.html")),
    file!("chat-example.html", HTML),
    file!("chat-example/chat.css", STYLE),
    file!("icon.svg", SVG),
    file!("chat-example/main.js", SCRIPT),
    file!("chat-example/theme.js", SCRIPT),
    file!("chat-example/session.js", SCRIPT),
    file!("chat-example/store.js", SCRIPT),
    file!("chat-example/live.js", SCRIPT),
    file!("chat-example/outbox.js", SCRIPT),
    file!("chat-example/words.js", SCRIPT),
    file!("chat-example/dom.js", SCRIPT),
    file!("chat-example/chat-list.js", SCRIPT),
    file!("chat-example/conversation.js", SCRIPT),
    file!("chat-example/message-row.js", SCRIPT),
    file!("chat-example/composer.js", SCRIPT),
    file!("chat-example/finder.js", SCRIPT),
    file!("chat-example/panels.js", SCRIPT),
];

/// The pages, with an entity tag for each.
#[derive(Debug)]
pub struct StaticFiles {
    tags: [HeaderValue; FILES.len()],
}

impl Default for StaticFiles {
    fn default() -> Self {
        Self {
            tags: FILES.map(|(_, _, content)| entity_tag(content)),
        }
    }
}

impl StaticFiles {
    /// The answer to a request for a page, or 404.
    pub fn respond<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        match FILES.iter().position(|(known, _, _)| *known == path) {
            None => plain(StatusCode::NOT_FOUND, "Not found\n"),
            Some(_) if !is_read(request.method()) => not_allowed(),
            Some(index) => self.file(index, request.headers()),
        }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "the place was just found, and each file has a tag"
    )]
    fn file(&self, index: usize, headers: &HeaderMap) -> Response<Full<Bytes>> {
        let (_, content_type, content) = FILES[index];
        let tag = &self.tags[index];
        let mut response = if is_known(headers, tag) {
            with_status(StatusCode::NOT_MODIFIED, Bytes::new())
        } else {
            with_status(StatusCode::OK, Bytes::from_static(content))
        };
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(ETAG, tag.clone());
        response
    }
}

#[expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a digest has 32 bytes, and digits can stand in a header"
)]
fn entity_tag(content: &[u8]) -> HeaderValue {
    let digest = Sha256::digest(content);
    let mut tag = String::from("\"");
    for byte in &digest[..12] {
        tag.push_str(&format!("{byte:02x}"));
    }
    tag.push('"');
    HeaderValue::try_from(tag).expect("hexadecimal digits in quotes")
}

fn is_read(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

/// RFC 9110 section 13.1.2, with weak comparison: a proxy that compresses
/// makes tags weak.
fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let strip = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let tag = tag.to_str().map(strip).unwrap_or_default();
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|known| known.trim() == "*" || strip(known) == tag)
}

fn not_allowed() -> Response<Full<Bytes>> {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed\n");
    let allowed = HeaderValue::from_static("GET, HEAD");
    response.headers_mut().insert(ALLOW, allowed);
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = with_status(status, Bytes::from_static(text.as_bytes()));
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn with_status(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // Asked for again each time, answered with 304: a new build is seen at once.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str) -> http::request::Builder {
        Request::get(path)
    }

    fn respond(request: http::request::Builder) -> Response<Full<Bytes>> {
        StaticFiles::default().respond(&request.body(()).expect("a request"))
    }

    #[test]
    fn the_page_is_at_the_root_too_with_a_strict_policy() {
        let root = respond(get("/"));
        assert_eq!(root.status(), StatusCode::OK);
        assert_eq!(
            root.headers()[ETAG],
            respond(get("/chat-example.html")).headers()[ETAG]
        );
        let policy = root.headers()[CONTENT_SECURITY_POLICY]
            .to_str()
            .expect("text");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
    }

    #[test]
    fn a_known_tag_is_answered_without_the_content() {
        let tag = respond(get("/chat-example/main.js")).headers()[ETAG].clone();
        let again =
            |tags: String| respond(get("/chat-example/main.js").header(IF_NONE_MATCH, tags));
        let tag = tag.to_str().expect("text");
        for tags in [
            tag.to_owned(),
            format!("W/{tag}"),
            format!("\"x\", {tag}"),
            "*".to_owned(),
        ] {
            assert_eq!(again(tags).status(), StatusCode::NOT_MODIFIED);
        }
        assert_eq!(again("\"x\"".to_owned()).status(), StatusCode::OK);
    }

    #[test]
    fn only_these_files_are_read_and_only_read() {
        for path in [
            "/x",
            "/api-docs/",
            "/static/build.rs",
            "/../Cargo.toml",
            "/chat-example.html/",
        ] {
            assert_eq!(respond(get(path)).status(), StatusCode::NOT_FOUND, "{path}");
        }
        let posted = respond(Request::post("/"));
        assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(posted.headers()[ALLOW], "GET, HEAD");
    }
}

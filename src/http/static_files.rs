//! The example page and the official client, embedded in the binary.

use bytes::Bytes;
use engineio::{Encoding, FixedBody};
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;
use sha2::{Digest as _, Sha256};

use super::request::Refusal;

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

/// The pages, as they are served.
#[derive(Debug)]
pub struct StaticFiles {
    files: Vec<File>,
}

#[derive(Debug)]
struct File {
    path: &'static str,
    content_type: &'static str,
    /// Names the content, in whatever encoding.
    digest: String,
    body: FixedBody,
}

impl Default for StaticFiles {
    fn default() -> Self {
        let files = FILES.map(|(path, content_type, content)| File {
            path,
            content_type,
            digest: digest(content),
            body: FixedBody::new(content),
        });
        Self {
            files: files.into(),
        }
    }
}

impl StaticFiles {
    /// The answer to a request for a page.
    ///
    /// # Errors
    /// There is no such page, or it is not only read.
    pub async fn respond(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        let file = self.files.iter().find(|file| file.path == path);
        let file = file.ok_or(Refusal::NotFound)?;
        if !matches!(*method, Method::GET | Method::HEAD) {
            return Err(Refusal::read_only());
        }
        Ok(file.respond(headers).await)
    }
}

impl File {
    /// The body of the answer to a HEAD is dropped by hyper, which keeps its length.
    async fn respond(&self, asked: &HeaderMap) -> Response<Full<Bytes>> {
        let (encoding, body) = self.body.encoded(Encoding::negotiate(asked)).await;
        let tag = self.tag(encoding);
        let known = is_known(asked, &tag);
        let mut response = Response::new(if known {
            Full::default()
        } else {
            Full::new(body)
        });
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let headers = response.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        // Asked for again each time, answered with 304: a new build is seen at once.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        if let Some(encoding) = encoding.filter(|_| !known) {
            headers.insert(CONTENT_ENCODING, encoding.into());
        }
        // Hexadecimal digits and a name in quotes can stand in a header.
        headers.extend(HeaderValue::try_from(tag).ok().map(|tag| (ETAG, tag)));
        response
    }

    /// RFC 9110 section 8.8.3.3: each encoding of a content has a tag of its own.
    fn tag(&self, encoding: Option<Encoding>) -> String {
        match encoding {
            Some(encoding) => format!("\"{}-{}\"", self.digest, encoding.name()),
            None => format!("\"{}\"", self.digest),
        }
    }
}

fn digest(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    digest
        .iter()
        .take(12)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// RFC 9110 section 13.1.2, with weak comparison: a proxy that compresses
/// makes tags weak.
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let values = headers.get_all(IF_NONE_MATCH).iter();
    let mut listed = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim);
    listed.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

#[cfg(test)]
mod tests {
    use http::header::ACCEPT_ENCODING;
    use http_body_util::BodyExt as _;

    use super::*;

    async fn respond(
        method: Method,
        path: &str,
        headers: &[(http::HeaderName, &str)],
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        let headers = headers.iter().map(|(name, value)| {
            let value = HeaderValue::from_str(value).expect("a value");
            (name.clone(), value)
        });
        let files = StaticFiles::default();
        files.respond(&method, path, &headers.collect()).await
    }

    async fn get(path: &str, headers: &[(http::HeaderName, &str)]) -> Response<Full<Bytes>> {
        respond(Method::GET, path, headers).await.expect("a page")
    }

    fn tag(response: &Response<Full<Bytes>>) -> &str {
        response.headers()[ETAG].to_str().expect("text")
    }

    async fn body(response: Response<Full<Bytes>>) -> Bytes {
        response
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes()
    }

    #[tokio::test]
    async fn the_page_is_at_the_root_too_with_a_strict_policy() {
        let root = get("/", &[]).await;
        assert_eq!(root.status(), StatusCode::OK);
        assert_eq!(tag(&root), tag(&get("/chat-example.html", &[]).await));
        let policy = root.headers()[CONTENT_SECURITY_POLICY]
            .to_str()
            .expect("text");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
    }

    #[tokio::test]
    async fn a_known_tag_is_answered_without_the_content() {
        let path = "/chat-example/main.js";
        for accept in ["", "br"] {
            let accept = (ACCEPT_ENCODING, accept);
            let first = get(path, std::slice::from_ref(&accept)).await;
            let tag = tag(&first);
            for (tags, status) in [
                (tag.to_owned(), 304),
                (format!("W/{tag}"), 304),
                (format!("\"x\", {tag}"), 304),
                ("*".to_owned(), 304),
                ("\"x\"".to_owned(), 200),
            ] {
                let again = get(path, &[accept.clone(), (IF_NONE_MATCH, &tags)]).await;
                assert_eq!(again.status(), status, "{tags}");
                assert_eq!(again.headers()[VARY], "Accept-Encoding");
                assert_eq!(again.headers()[ETAG], tag);
                assert_eq!(body(again).await.is_empty(), status == 304);
            }
        }
    }

    #[tokio::test]
    async fn a_page_comes_in_the_encoding_that_is_taken_with_a_tag_of_its_own() {
        let path = "/chat-example/live.js";
        let plain = get(path, &[]).await;
        assert!(!plain.headers().contains_key(CONTENT_ENCODING));
        assert_eq!(plain.headers()[VARY], "Accept-Encoding");
        let mut tags = vec![tag(&plain).to_owned()];
        let length = body(plain).await.len();
        for encoding in ["gzip", "deflate", "br"] {
            let packed = get(path, &[(ACCEPT_ENCODING, encoding)]).await;
            assert_eq!(packed.headers()[CONTENT_ENCODING], encoding);
            tags.push(tag(&packed).to_owned());
            assert!(body(packed).await.len() < length / 2, "{encoding}");
        }
        tags.sort();
        tags.dedup();
        assert_eq!(tags.len(), 4, "{tags:?}");
    }

    #[tokio::test]
    async fn only_these_files_are_read_and_only_read() {
        for path in [
            "/x",
            "/api-docs/",
            "/static/build.rs",
            "/../Cargo.toml",
            "/chat-example.html/",
        ] {
            let refused = respond(Method::GET, path, &[]).await;
            assert_eq!(refused.expect_err(path), Refusal::NotFound);
        }
        let posted = respond(Method::POST, "/", &[]).await;
        assert_eq!(posted.expect_err("a POST"), Refusal::read_only());
        assert!(respond(Method::HEAD, "/", &[]).await.is_ok());
    }
}

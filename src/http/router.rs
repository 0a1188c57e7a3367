//! Method and path to handler.

use std::future::Future;
use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{ALLOW, CONNECTION, HeaderValue};
use http::{Method, Response, StatusCode};
use http_body::Body;
use http_body_util::Full;

use super::reply::Reply;
use super::request::{Refusal, Request, read_body};

/// What answers a route: an `async fn(S, Request)` whose output becomes a
/// [`Reply`].
pub trait Handler<S>: Send + Sync + 'static {
    /// Answers one request.
    fn call(&self, state: S, request: Request) -> BoxFuture<'static, Reply>;
}

impl<S, F, Fut> Handler<S> for F
where
    F: Fn(S, Request) -> Fut + Send + Sync + 'static,
    Fut: Future + Send + 'static,
    Fut::Output: Into<Reply>,
{
    fn call(&self, state: S, request: Request) -> BoxFuture<'static, Reply> {
        let answer = self(state, request);
        Box::pin(async move { answer.await.into() })
    }
}

type Methods<S> = Vec<(Method, Box<dyn Handler<S>>)>;

/// A table of routes over some shared state `S`, frozen once it is built.
pub struct Router<S> {
    paths: matchit::Router<usize>,
    routes: Vec<(&'static str, Methods<S>)>,
    refuse: fn(Refusal) -> Reply,
}

impl<S: 'static> Router<S> {
    /// An empty table; `refuse` words what goes wrong before a handler runs.
    pub fn new(refuse: fn(Refusal) -> Reply) -> Self {
        Self {
            paths: matchit::Router::new(),
            routes: Vec::new(),
            refuse,
        }
    }

    /// Adds a route. `path` is matchit's: `/api/chats/{id}`.
    ///
    /// # Panics
    /// When `path` cannot stand beside an earlier one; routes are constants,
    /// so the first start of the program shows it.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "routes are constants: the first start shows it"
    )]
    pub fn route(mut self, method: Method, path: &'static str, handler: impl Handler<S>) -> Self {
        let handler: Box<dyn Handler<S>> = Box::new(handler);
        match self.routes.iter_mut().find(|(known, _)| *known == path) {
            Some((_, methods)) => methods.push((method, handler)),
            None => {
                self.paths
                    .insert(path, self.routes.len())
                    .expect("routes do not overlap");
                self.routes.push((path, vec![(method, handler)]));
            }
        }
        self
    }

    /// Every route, in the order in which paths were added.
    pub fn routes(&self) -> impl Iterator<Item = (&Method, &'static str)> {
        self.routes
            .iter()
            .flat_map(|(path, methods)| methods.iter().map(move |(method, _)| (method, *path)))
    }

    /// Answers a request. Never fails: what goes wrong is an answer too.
    pub async fn handle<B>(
        &self,
        state: S,
        request: http::Request<B>,
        peer: SocketAddr,
    ) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let reply = match self.dispatch(state, request, peer).await {
            Ok(reply) => reply,
            Err(refusal) => self.refused(refusal),
        };
        reply.into()
    }

    async fn dispatch<B>(
        &self,
        state: S,
        request: http::Request<B>,
        peer: SocketAddr,
    ) -> Result<Reply, Refusal>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (mut parts, body) = request.into_parts();
        if parts.method == Method::HEAD {
            // hyper leaves the body of the answer out by itself.
            parts.method = Method::GET;
        }
        let matched = self
            .paths
            .at(parts.uri.path())
            .map_err(|_| Refusal::NotFound)?;
        let (_, methods) = self.routes.get(*matched.value).ok_or(Refusal::NotFound)?;
        if parts.method == Method::OPTIONS {
            return Ok(options(methods));
        }
        let handler = select(methods, &parts.method)?;
        let body = read_body(&parts.headers, body).await?;
        let request = Request::new(&parts, peer, &matched.params, body);
        Ok(handler.call(state, request).await)
    }

    /// A refusal in the words of this table, for paths beside it.
    pub fn refused(&self, refusal: Refusal) -> Reply {
        let allow = match &refusal {
            Refusal::MethodNotAllowed { allow } => HeaderValue::from_str(allow).ok(),
            _ => None,
        };
        // The rest of an unread body must not be taken for a next request.
        let unread = matches!(refusal, Refusal::TooLarge | Refusal::Malformed);
        let reply = (self.refuse)(refusal);
        match allow {
            Some(allow) => reply.header(ALLOW, allow),
            None if unread => reply.header(CONNECTION, HeaderValue::from_static("close")),
            None => reply,
        }
    }
}

fn select<'a, S>(methods: &'a Methods<S>, method: &Method) -> Result<&'a dyn Handler<S>, Refusal> {
    match methods.iter().find(|(known, _)| known == method) {
        Some((_, handler)) => Ok(handler.as_ref()),
        None => Err(Refusal::MethodNotAllowed {
            allow: allowed(methods),
        }),
    }
}

/// What a path takes (RFC 9110 section 9.3.7); HEAD comes with GET.
fn allowed<S>(methods: &Methods<S>) -> String {
    let mut names: Vec<&str> = Vec::new();
    for (method, _) in methods {
        names.push(method.as_str());
        if method == Method::GET {
            names.push("HEAD");
        }
    }
    names.push("OPTIONS");
    names.join(", ")
}

fn options<S>(methods: &Methods<S>) -> Reply {
    let reply = Reply::empty(StatusCode::NO_CONTENT);
    match HeaderValue::from_str(&allowed(methods)) {
        Ok(allow) => reply.header(ALLOW, allow),
        Err(_) => reply,
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::super::MAX_BODY_BYTES;
    use super::*;

    fn router() -> Router<u8> {
        let refuse = |refusal: Refusal| Reply::json(StatusCode::IM_A_TEAPOT, &refusal.to_string());
        Router::new(refuse)
            .route(
                Method::GET,
                "/a/{id}",
                async |state: u8, request: Request| {
                    Reply::json(
                        StatusCode::OK,
                        &(state, request.param("id"), request.query("q")),
                    )
                },
            )
            .route(Method::POST, "/a/{id}", async |_: u8, request: Request| {
                Reply::json(
                    StatusCode::OK,
                    &request.json().map_err(|refusal| refusal.to_string()),
                )
            })
    }

    async fn answer(request: http::Request<Full<Bytes>>) -> (Response<()>, String) {
        let peer = SocketAddr::from(([127, 0, 0, 1], 9));
        let (parts, body) = router().handle(7, request, peer).await.into_parts();
        let body = body.collect().await.expect("a full body").to_bytes();
        (
            Response::from_parts(parts, ()),
            String::from_utf8_lossy(&body).into_owned(),
        )
    }

    fn request(method: &str, uri: &str, body: &str) -> http::Request<Full<Bytes>> {
        http::Request::builder()
            .method(method)
            .uri(uri)
            .header("content-type", "application/json; charset=utf-8")
            .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
            .expect("a request")
    }

    #[tokio::test]
    async fn parts_of_the_path_and_the_query_arrive_decoded() {
        let (_, body) = answer(request("GET", "/a/%F0%9F%91%8D?q=1&q=b%20c", "")).await;
        assert_eq!(body, r#"[7,"👍","b c"]"#);
    }

    #[tokio::test]
    async fn unknown_paths_and_methods_are_refused() {
        let (_, body) = answer(request("GET", "/b", "")).await;
        assert_eq!(body, "\"no such path\"");
        let (response, _) = answer(request("DELETE", "/a/1", "")).await;
        assert_eq!(response.headers()[ALLOW], "GET, HEAD, POST, OPTIONS");
    }

    #[tokio::test]
    async fn options_says_what_a_path_takes() {
        let (response, body) = answer(request("OPTIONS", "/a/1", "")).await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        assert_eq!(response.headers()[ALLOW], "GET, HEAD, POST, OPTIONS");
        assert_eq!(body, "");
        let (_, body) = answer(request("OPTIONS", "/b", "")).await;
        assert_eq!(body, "\"no such path\"");
    }

    #[tokio::test]
    async fn head_is_answered_like_get() {
        let (response, _) = answer(request("HEAD", "/a/1", "")).await;
        assert_eq!(response.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused_and_the_connection_closed() {
        let long = "x".repeat(MAX_BODY_BYTES + 1);
        let (response, body) = answer(request("POST", "/a/1", &long)).await;
        assert_eq!(body, "\"the body is too large\"");
        assert_eq!(response.headers()[CONNECTION], "close");
    }

    #[tokio::test]
    async fn a_body_must_be_declared_and_be_a_json_object() {
        let (_, body) = answer(request("POST", "/a/1", "{\"a\":\"\\ud800\"}")).await;
        assert_eq!(body, "{\"Ok\":{\"a\":\"\u{FFFD}\"}}");
        for bad in ["", "[]", "{", "\"a\"", "nul"] {
            let (_, body) = answer(request("POST", "/a/1", bad)).await;
            assert_eq!(body, "{\"Err\":\"the body is not a JSON object\"}", "{bad}");
        }
        let mut plain = request("POST", "/a/1", "{}");
        plain
            .headers_mut()
            .insert("content-type", HeaderValue::from_static("text/plain"));
        let (_, body) = answer(plain).await;
        assert_eq!(body, "{\"Err\":\"the body is not application/json\"}");
        for coding in ["gzip", "identity, br", "GZIP"] {
            let mut packed = request("POST", "/a/1", "{}");
            let coding = HeaderValue::from_static(coding);
            packed.headers_mut().insert("content-encoding", coding);
            let (_, body) = answer(packed).await;
            assert_eq!(body, "{\"Err\":\"the body is not application/json\"}");
        }
    }
}

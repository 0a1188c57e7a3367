//! The server that the test suite of the official client runs against:
//! `PORT=3000 cargo run -p engineio --example engineio_client_suite`

pub(crate) mod listen;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use engineio::{
    AllowRequest, Application, Config, Cors, Frame, Handler, Handshake, HeadersHook, Message,
    Refusal, Server, SessionHandle,
};
use http::{HeaderMap, HeaderValue, header, request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

/// The headers of the latest POST. The suite runs one client at a time.
type LastPost = Arc<Mutex<String>>;

struct Suite {
    last_post: LastPost,
}

struct SuiteSession {
    session: SessionHandle,
    last_post: LastPost,
}

impl Application for Suite {
    type Handler = SuiteSession;

    fn open(&self, _handshake: Handshake, session: SessionHandle) -> SuiteSession {
        let _ = session.send(Frame::text("hi"));
        SuiteSession {
            session,
            last_post: Arc::clone(&self.last_post),
        }
    }
}

impl Handler for SuiteSession {
    fn handle_message(&mut self, message: Message<'_>, _now: Instant) {
        let frame = match message {
            Message::Text("give binary") => Frame::binary(Bytes::from_static(&[0, 1, 2, 3, 4])),
            Message::Text("give utf8") => Frame::text("пойду спать всем спокойной ночи"),
            Message::Text("sendHeaders") => Frame::text(
                &self
                    .last_post
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner),
            ),
            Message::Text(text) => Frame::text(text),
            Message::Binary(data) => Frame::binary(data),
        };
        let _ = self.session.send(frame);
    }
}

fn to_json(headers: &HeaderMap) -> String {
    let quote = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let fields = headers.iter().map(|(name, value)| {
        let value = value.to_str().unwrap_or_default();
        format!("{}:{}", quote(name.as_str()), quote(value))
    });
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

fn cookies(headers: &mut HeaderMap, _request: &request::Parts) {
    let expired = format!(
        "4=4; Expires={}",
        httpdate::fmt_http_date(SystemTime::now())
    );
    let fixed = [
        "1=1; Max-Age=86400",
        "2=2; Path=/; HttpOnly; Secure; SameSite=Strict",
        "3=3; Max-Age=0",
    ];
    for cookie in fixed.into_iter().chain([expired.as_str()]) {
        if let Ok(value) = HeaderValue::from_str(cookie) {
            headers.append(header::SET_COOKIE, value);
        }
    }
}

async fn decide(denied: bool) -> Result<(), Refusal> {
    if denied {
        Err(Refusal::default())
    } else {
        Ok(())
    }
}

/// The server, and what has to see every request before it.
pub(crate) fn suite() -> (
    Server<impl Application>,
    impl Fn(&http::Request<Incoming>) + Clone + Send + 'static,
) {
    let last_post = LastPost::default();
    let seen = Arc::clone(&last_post);
    let observe = move |request: &http::Request<Incoming>| {
        if request.method() == http::Method::POST {
            *seen.lock().unwrap_or_else(PoisonError::into_inner) = to_json(request.headers());
        }
    };
    let config = Config {
        ping_interval: Duration::from_millis(500),
        max_payload: 100,
        cors: Some(Cors::default()),
        allow_request: Some(AllowRequest::new(|parts, _peer| {
            decide(
                parts
                    .uri
                    .query()
                    .is_some_and(|query| query.contains("deny")),
            )
        })),
        initial_headers: Some(HeadersHook::new(cookies)),
        ..Config::default()
    };
    (Server::new(config, Suite { last_post }), observe)
}

/// Serves a connection by a hyper of its own, so that `observe` sees every request before the server
/// does.
pub(crate) async fn serve<A: Application>(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    server: Server<A>,
    observe: impl Fn(&http::Request<Incoming>),
) {
    let service = server.service(peer);
    let service = service_fn(|request| {
        observe(&request);
        hyper::service::Service::call(&service, request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades();
    // The client's faults are answered by hyper; there is nothing left to do here.
    drop(connection.await);
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let (server, observe) = suite();
    listen::accept(listen::bind().await?, |tcp, peer| {
        tokio::spawn(serve(tcp, peer, server.clone(), observe.clone()));
    })
    .await
}

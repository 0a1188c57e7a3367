//! A server with one of the rarer options set, named by `OPTION`; without it, the defaults:
//! `OPTION=cookie PORT=3000 cargo run -p engineio --example engineio_options`
//!
//! Its replies are compared with those of the official server under the same option.

mod listen;

use std::{
    io,
    time::{Duration, Instant, UNIX_EPOCH},
};

use engineio::{
    AllowRequest, Application, Config, Cookie, CookiePriority, Cors, CorsDelegate, Frame,
    GenerateId, Handler, Handshake, HeadersHook, HttpCompression, Message, Origins, Refusal,
    SameSite, Server, SessionHandle, SessionId, Transports,
};
use http::{HeaderName, HeaderValue};

struct Echo;

struct EchoSession(SessionHandle);

impl Application for Echo {
    type Handler = EchoSession;

    fn open(&self, _handshake: Handshake, session: SessionHandle) -> EchoSession {
        EchoSession(session)
    }
}

impl Handler for EchoSession {
    fn handle_message(&mut self, message: Message<'_>, _now: Instant) {
        let frame = match message {
            // A message that must not be compressed says so itself.
            Message::Text(text) => Frame::text(text).compress(!text.starts_with("plain")),
            Message::Binary(data) => Frame::binary(data),
        };
        let _ = self.0.send(frame);
    }
}

/// Names a reply.
fn stamp(name: &'static str) -> HeadersHook {
    HeadersHook::new(move |headers, _request| {
        let name = HeaderName::from_static(name);
        headers.append(name, HeaderValue::from_static("yes"));
    })
}

fn cors(origins: Origins) -> Option<Cors> {
    Some(Cors {
        origins,
        credentials: true,
        methods: vec!["GET".to_owned(), "POST".to_owned()],
        allowed_headers: vec!["x-one".to_owned(), "x-two".to_owned()],
        exposed_headers: vec!["x-three".to_owned()],
        max_age: Some(Duration::from_secs(600)),
        ..Cors::default()
    })
}

fn cookie() -> Cookie {
    Cookie {
        name: "session".to_owned(),
        path: "/live".to_owned(),
        domain: Some("example.org".to_owned()),
        http_only: false,
        same_site: Some(SameSite::None),
        secure: true,
        max_age: Some(Duration::from_secs(86_400)),
        expires: Some(UNIX_EPOCH + Duration::from_secs(2_000_000_000)),
        partitioned: true,
        priority: Some(CookiePriority::High),
    }
}

fn config(option: &str) -> Option<Config> {
    let config = Config::default();
    Some(match option {
        "" => config,
        "cookie" => Config {
            cookie: Some(Cookie::default()),
            ..config
        },
        "cookie-attributes" => Config {
            cookie: Some(cookie()),
            ..config
        },
        "cors-fixed" => Config {
            cors: cors(Origins::Fixed("http://a.test".to_owned())),
            ..config
        },
        "cors-list" => Config {
            cors: cors(Origins::List(vec!["http://a.test".to_owned()])),
            ..config
        },
        "cors-reflected" => Config {
            cors: Some(Cors {
                origins: Origins::Reflected,
                ..Cors::default()
            }),
            ..config
        },
        "cors-delegate" => Config {
            cors_delegate: Some(CorsDelegate::new(|_request, _peer| async {
                Ok(Some(Cors::default()))
            })),
            ..config
        },
        "refused" => Config {
            allow_request: Some(AllowRequest::new(|_request, _peer| async {
                Err(Refusal::new("not \"you\"\n"))
            })),
            ..config
        },
        "initial-packet" => Config {
            initial_packet: Some(Frame::text("welcome")),
            ..config
        },
        "headers" => Config {
            initial_headers: Some(stamp("x-initial")),
            headers: Some(stamp("x-every")),
            ..config
        },
        "id" => Config {
            generate_id: Some(GenerateId::asynchronous(|_request, _peer| async {
                SessionId::new("node 1/ü\"")
            })),
            cookie: Some(Cookie::default()),
            ..config
        },
        "no-id" => Config {
            generate_id: Some(GenerateId::new(|_request, _peer| None)),
            ..config
        },
        "no-slash" => Config {
            path: "/custom/".to_owned(),
            add_trailing_slash: false,
            ..config
        },
        "no-upgrades" => Config {
            allow_upgrades: false,
            ..config
        },
        "polling-only" => Config {
            transports: Transports {
                polling: true,
                websocket: false,
            },
            ..config
        },
        "compression" => Config {
            http_compression: Some(HttpCompression { threshold: 100 }),
            ..config
        },
        _ => return None,
    })
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let option = std::env::var("OPTION").unwrap_or_default();
    let config = config(&option).ok_or_else(|| io::Error::other("there is no such option"))?;
    listen::serve(Server::new(config, Echo)).await
}

//! What the application hears of requests that reach no session, and of a session that drains.

use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

use engineio::{
    AllowRequest, Application, Config, Frame, Handler, Handshake, HandshakeError, Message, Refusal,
    Server, SessionHandle, proto::outbox::OutboxLimits,
};
use http::request;
use tokio::sync::mpsc;

use crate::{
    client::{Http, Polling, Ws, request, soon},
    server::{TestServer, config},
};

/// The request's target, the code, the message, and the context of a refusal.
type Told = (String, u8, String, Vec<(&'static str, String)>);

struct Listening {
    told: Arc<Mutex<Vec<Told>>>,
    drained: mpsc::UnboundedSender<()>,
    sessions: Arc<Mutex<Vec<SessionHandle>>>,
}

struct Draining(mpsc::UnboundedSender<()>);

impl Application for Listening {
    type Handler = Draining;

    fn open(&self, _handshake: Handshake, session: SessionHandle) -> Draining {
        self.sessions.lock().unwrap().push(session);
        Draining(self.drained.clone())
    }

    fn connection_error(&self, request: &request::Parts, error: &HandshakeError) {
        let target = request.uri.to_string();
        let told = (
            target,
            error.code(),
            error.to_string(),
            error.context(request),
        );
        self.told.lock().unwrap().push(told);
    }
}

impl Handler for Draining {
    fn handle_message(&mut self, _message: Message<'_>, _now: Instant) {}

    fn handle_drained(&mut self, _now: Instant) {
        let _ = self.0.send(());
    }
}

struct Rig {
    server: TestServer,
    told: Arc<Mutex<Vec<Told>>>,
    drained: mpsc::UnboundedReceiver<()>,
    sessions: Arc<Mutex<Vec<SessionHandle>>>,
}

impl Rig {
    async fn with(config: Config) -> Self {
        let (sender, drained) = mpsc::unbounded_channel();
        let (told, sessions) = (Arc::default(), Arc::default());
        let application = Listening {
            told: Arc::clone(&told),
            drained: sender,
            sessions: Arc::clone(&sessions),
        };
        Self {
            server: TestServer::serving(&Server::new(config, application)).await,
            told,
            drained,
            sessions,
        }
    }

    #[track_caller]
    fn assert_told(&self, target: &str, code: u8, message: &str, context: &[(&'static str, &str)]) {
        let context = context
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        let expected = (
            target.to_owned(),
            code,
            message.to_owned(),
            context.collect(),
        );
        assert_eq!(self.told.lock().unwrap().pop(), Some(expected));
        assert!(self.told.lock().unwrap().is_empty(), "told once");
    }
}

#[tokio::test]
async fn every_refusal_is_told_to_the_application_with_its_context() {
    let rig = Rig::with(config()).await;
    let client = Polling::open(&rig.server).await;
    let mismatch = client.websocket_target();
    for (head, code, message, context) in [
        (
            "GET /engine.io/?EIO=4&transport=abc",
            0,
            "Transport unknown",
            vec![("transport", "abc")],
        ),
        (
            "GET /engine.io/?EIO=4&transport=polling&sid=nope",
            1,
            "Session ID unknown",
            vec![("sid", "nope")],
        ),
        (
            "POST /engine.io/?EIO=4&transport=polling",
            2,
            "Bad handshake method",
            vec![("method", "POST")],
        ),
        (
            &format!("GET {mismatch}"),
            3,
            "Bad request",
            vec![
                ("name", "TRANSPORT_MISMATCH"),
                ("transport", "websocket"),
                ("previousTransport", "polling"),
            ],
        ),
        (
            "GET /engine.io/?EIO=3&transport=polling",
            5,
            "Unsupported protocol version",
            vec![("protocol", "3")],
        ),
    ] {
        request(&rig.server, head, b"").await;
        let (_, target) = head.split_once(' ').unwrap();
        rig.assert_told(target, code, message, &context);
    }
    let target = "/engine.io/?EIO=4&transport=websocket&sid=gone";
    Ws::ask(&rig.server, target, "").await;
    rig.assert_told(target, 1, "Session ID unknown", &[("sid", "gone")]);
    let mut http = Http::connect(&rig.server).await;
    http.write("GET /engine.io/ HTTP/1.1\r\n\r\n").await;
    http.reply().await;
    rig.assert_told("/engine.io/", 3, "Bad request", &[("name", "NO_HOST")]);
}

#[tokio::test]
async fn the_application_hears_of_its_own_refusals_too() {
    let refuse = AllowRequest::new(|_, _| async { Err(Refusal::new("no")) });
    let rig = Rig::with(Config {
        allow_request: Some(refuse),
        ..config()
    })
    .await;
    let target = "/engine.io/?EIO=4&transport=polling";
    request(&rig.server, &format!("GET {target}"), b"").await;
    rig.assert_told(target, 4, "no", &[("message", "no")]);
}

#[tokio::test]
async fn the_application_hears_when_its_outbox_has_drained() {
    let mut rig = Rig::with(Config {
        outbox: OutboxLimits {
            soft_bytes: 100,
            hard_bytes: 10_000,
            ..OutboxLimits::default()
        },
        ..config()
    })
    .await;
    let client = Polling::open(&rig.server).await;
    let session = rig.sessions.lock().unwrap()[0].clone();
    session.send(Frame::text(&"x".repeat(50))).unwrap();
    client.poll().await;
    assert!(rig.drained.try_recv().is_err(), "it was never full");
    session.send(Frame::text(&"x".repeat(500))).unwrap();
    client.poll().await;
    soon("drained", rig.drained.recv()).await.unwrap();
}

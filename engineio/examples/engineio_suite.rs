//! An echo server, with the short times that the official protocol suite wants:
//! `PORT=3000 cargo run -p engineio --example engineio_suite`

mod listen;

use std::time::{Duration, Instant};

use engineio::{
    Application, Config, Cors, Frame, Handler, Handshake, Message, Server, SessionHandle,
};

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
            Message::Text(text) => Frame::text(text),
            Message::Binary(data) => Frame::binary(data),
        };
        // A session that is closed meanwhile needs no echo.
        let _ = self.0.send(frame);
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let config = Config {
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(200),
        max_payload: 1_000_000,
        cors: Some(Cors::default()),
        ..Config::default()
    };
    listen::serve(Server::new(config, Echo)).await
}

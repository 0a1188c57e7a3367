//! A server for what a client can see beyond the basics of `full`:
//! `PORT=3000 cargo run --example features`. With `PARSER=msgpack` it speaks that of npm
//! `socket.io-msgpack-parser`; with `RECOVERY=60000` clients that lost their connection may come back
//! for so many milliseconds.

mod listen;

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use engineio::{Config, Cors};
use parlance::socketio::{
    Ack, Args, ConnectError, ConnectRequest, Data, DisconnectReason, Event, EventError,
    FailedEvent, Io, IoBuilder, NamespaceBuilder, Parser, Payload, RecoveryOptions, Socket, State,
};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let parser = match std::env::var("PARSER").as_deref() {
        Ok("msgpack") => Parser::Msgpack,
        _ => Parser::Json,
    };
    let io = Io::builder()
        .parser(parser)
        .state(Reasons::default())
        .state(Orders::default())
        .namespace("/", |ns| asks(rooms(values(delivery(reasons(ns))))))
        .namespace("/auth", |ns| ns.use_middleware(authenticate));
    let engine = Config {
        cors: Some(Cors::default()),
        ..Config::default()
    };
    let away = std::env::var("RECOVERY").ok();
    let io = match away.and_then(|ms| ms.parse().ok()) {
        Some(ms) => recovery(io.engine(quick(engine)), Duration::from_millis(ms)),
        None => io.engine(engine),
    };
    listen::serve(io.build()).await
}

fn recovery(io: IoBuilder, max_disconnection_duration: Duration) -> IoBuilder {
    io.connection_state_recovery(RecoveryOptions {
        max_disconnection_duration,
        ..RecoveryOptions::default()
    })
}

/// Notices within seconds that a client is gone, and so remembers packets no longer than that for
/// clients that are there.
fn quick(engine: Config) -> Config {
    let short = Duration::from_millis(100);
    Config {
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_secs(1),
        stall_timeout: short,
        congestion_timeout: short,
        write_timeout: short,
        ..engine
    }
}

async fn authenticate(request: ConnectRequest) -> Result<(), ConnectError> {
    match request.auth()["token"].as_str() {
        Some("right") => Ok(()),
        Some(_) => Err(ConnectError::with_data("wrong token", json!({"code": 401}))),
        None => Err(ConnectError::new("no token")),
    }
}

/// Why each socket went, under the name that it gave as `auth`.
#[derive(Default)]
struct Reasons(Mutex<HashMap<String, String>>);

fn reasons(ns: NamespaceBuilder) -> NamespaceBuilder {
    ns.on_disconnect(async |socket: Socket, reason: DisconnectReason| {
        if let (Some(name), Some(reasons)) = (name(&socket), socket.state::<Reasons>()) {
            let mut reasons = reasons.0.lock().expect("nobody panics in here");
            reasons.insert(name, reason.to_string());
        }
    })
    .on(
        "reason-of",
        async |Data(name): Data<String>, State(reasons): State<Reasons>, ack: Ack| {
            let reason = reasons
                .0
                .lock()
                .expect("nobody panics in here")
                .get(&name)
                .cloned();
            _ = ack.send(&reason);
        },
    )
    .on("leave-me", async |socket: Socket| socket.disconnect(true))
}

fn name(socket: &Socket) -> Option<String> {
    Some(socket.auth()["name"].as_str()?.to_owned())
}

/// What was ordered under which key; the value counts the attempts.
#[derive(Default)]
struct Orders(Mutex<HashMap<String, u32>>);

/// At most once, at least once, and once.
fn delivery(ns: NamespaceBuilder) -> NamespaceBuilder {
    ns.on(
        "order",
        async |socket: Socket,
               State(orders): State<Orders>,
               Data((key, item)): Data<(String, Payload)>,
               ack: Ack| {
            let attempt = {
                let mut orders = orders.0.lock().expect("nobody panics in here");
                let attempts = orders.entry(key).or_insert(0);
                *attempts += 1;
                *attempts
            };
            if attempt == 1 {
                // The answer is lost.
                _ = socket.emit("ordered", &item);
                return drop(ack);
            }
            _ = ack.send(&attempt);
        },
    )
    .on("volatile-after", async |socket: Socket| {
        _ = socket.emit("sure", &1);
        _ = socket.volatile().emit("maybe", &2);
        _ = socket.emit("sure", &3);
    })
    .on(
        "volatile-now",
        async |socket: Socket, Data(bytes): Data<Payload>| {
            for n in [1, 2] {
                _ = socket.volatile().emit("maybe", &(n, &bytes));
            }
        },
    )
}

/// What values become on their way.
fn values(ns: NamespaceBuilder) -> NamespaceBuilder {
    ns.on("echo", async |ack: Ack, args: Args| _ = ack.send_raw(&args))
        .on("values", async |ack: Ack, Data(value): Data<Value>| {
            _ = ack.send(&value.to_string());
        })
        .on("byte", async |Data(byte): Data<u8>, ack: Ack| _ = ack.send(&byte))
        .on("handshake", async |socket: Socket, ack: Ack| {
            let handshake = socket.handshake();
            _ = ack.send(&json!({
                "query": handshake.query().get("q"),
                "header": handshake.headers().find(|(name, _)| *name == "x-test").map(|(_, value)| value),
                "auth": socket.auth(),
                "url": handshake.url(),
                "xdomain": handshake.xdomain(),
                "address": handshake.address().ip().to_string(),
            }));
        })
        .on("remember", async |socket: Socket, Data(what): Data<Payload>, ack: Ack| {
            socket.set_data(what);
            _ = ack.send(&());
        })
        .on("recall", async |socket: Socket, ack: Ack| {
            _ = ack.send(&socket.data::<Payload>().as_deref());
        })
        .on_fallback(async |socket: Socket, event: Event| {
            if event.name() == "unknown" {
                _ = socket.emit_raw("seen", event.raw());
            }
        })
        .on_error(async |_: Socket, failed: FailedEvent| {
            if let (EventError::Payload(_), Some(ack)) = (failed.error, failed.ack) {
                _ = ack.send(&json!({"error": "bad-request", "event": &*failed.name}));
            }
        })
}

/// Many sockets at once.
fn rooms(ns: NamespaceBuilder) -> NamespaceBuilder {
    ns.on(
        "join",
        async |socket: Socket, Data(rooms): Data<Vec<String>>, ack: Ack| {
            for room in &rooms {
                _ = socket.join(room);
            }
            _ = ack.send(&socket.rooms().len());
        },
    )
    .on(
        "move",
        async |socket: Socket, Data((from, to)): Data<(String, String)>, ack: Ack| {
            socket.namespace().to(&from).sockets_join(&to);
            socket.namespace().to(&from).sockets_leave(&from);
            _ = ack.send(&());
        },
    )
    .on(
        "who",
        async |socket: Socket, Data(room): Data<String>, ack: Ack| {
            let sockets = socket.namespace().to(&room).fetch_sockets();
            let ids: Vec<_> = sockets
                .iter()
                .map(|socket| socket.id().to_owned())
                .collect();
            _ = ack.send(&ids);
        },
    )
    .on(
        "say",
        async |socket: Socket,
               Data((to, except, what)): Data<(Vec<String>, String, Payload)>,
               ack: Ack| {
            let everybody = socket.namespace().except(&except);
            let meant = to.iter().fold(everybody, |meant, room| meant.to(room));
            _ = meant.emit("said", &what);
            _ = ack.send(&());
        },
    )
    .on(
        "throw-out",
        async |socket: Socket, Data((room, close)): Data<(String, bool)>| {
            socket.namespace().to(&room).disconnect_sockets(close);
        },
    )
}

/// The server's own questions.
fn asks(ns: NamespaceBuilder) -> NamespaceBuilder {
    ns.on("ask-me", async |socket: Socket, Data(ms): Data<u64>| {
        let question = socket.timeout(Duration::from_millis(ms));
        let answer = match question.emit_with_ack("question", &()).await {
            Ok(answer) => answer.data::<String>().unwrap_or_default(),
            Err(error) => error.to_string(),
        };
        _ = socket.emit("you-said", &answer);
    })
    .on(
        "ask-room",
        async |socket: Socket, Data((room, ms)): Data<(String, u64)>, ack: Ack| {
            let namespace = socket.namespace();
            let question = namespace.to(&room).timeout(Duration::from_millis(ms));
            if let Ok(replies) = question.emit_with_ack("question", &()).await {
                let answers = replies.replies.iter();
                let mut answers: Vec<String> = answers
                    .filter_map(|(_, answer)| answer.data().ok())
                    .collect();
                answers.sort();
                _ = ack.send(&(answers, replies.missing));
            }
        },
    )
}

//! The server that the test suite of the official client runs against:
//! `PORT=3000 cargo run --example socketio_client_suite`

mod listen;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use engineio::{AllowRequest, Config, Cors};
use parlance::socketio::{
    Ack, Args, ConnectError, ConnectRequest, Data, Io, NamespaceBuilder, Payload, RecoveryOptions,
    Socket,
};
use serde::Deserialize;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let slowly = AllowRequest::new(|_, _| async {
        // Slow enough for a client with a time-out of 0 to notice.
        tokio::time::sleep(Duration::from_millis(10)).await;
        Ok(())
    });
    let engine = Config {
        ping_interval: Duration::from_secs(2),
        cors: Some(Cors::default()),
        allow_request: Some(slowly),
        ..Config::default()
    };
    let bare = |ns: NamespaceBuilder| ns;
    let io = Io::builder()
        .engine(engine)
        .connection_state_recovery(RecoveryOptions::default())
        .namespace("/", |ns| binary(texts(questions(refuse_fail(ns)))))
        .namespace("/foo", |ns| ns.on("getId", get_id))
        .namespace("/timeout_socket", bare)
        .namespace("/valid", bare)
        .namespace("/asd", bare)
        .namespace("/abc", |ns| {
            ns.on_connect(async |socket: Socket| _ = socket.emit("handshake", &handshake(&socket)))
        })
        .namespace("/no", |ns| {
            ns.use_middleware(async |_| Err(ConnectError::new("Auth failed (custom namespace)")))
        })
        .build();
    listen::serve(io).await
}

fn refuse_fail(ns: NamespaceBuilder) -> NamespaceBuilder {
    ns.use_middleware(async |request: ConnectRequest| {
        match request.handshake().query().get("fail") {
            Some(_) => Err(ConnectError::new("Auth failed (main namespace)")),
            None => Ok(()),
        }
    })
}

/// Everything that is about acknowledgements.
fn questions(ns: NamespaceBuilder) -> NamespaceBuilder {
    ns.on(
        "echo",
        async |Data((argument,)): Data<(Payload,)>, ack: Ack| {
            _ = ack.send(&(argument,));
        },
    )
    .on("ack", async |socket: Socket| {
        let Ok(reply) = socket.emit_with_ack("ack", &()).await else {
            return;
        };
        if reply
            .data()
            .is_ok_and(|(a, b): (u8, Value)| a == 5 && b["test"] == true)
        {
            _ = socket.emit("got it", &());
        }
    })
    .on("getAckDate", async |ack: Ack| _ = ack.send(&date()))
    .on("getHandshake", async |socket: Socket, ack: Ack| {
        _ = ack.send(&handshake(&socket));
    })
    .on("getId", get_id)
}

/// Texts and other plain values.
fn texts(ns: NamespaceBuilder) -> NamespaceBuilder {
    const UTF8: [&str; 5] = [
        "てすと",
        "Я Б Г Д Ж Й",
        "Ä ä Ü ü ß",
        "utf8 — string",
        "utf8 — string",
    ];
    ns.on("hi", async |socket: Socket| {
        _ = socket.emit("hi", &());
    })
    .on("getDate", async |socket: Socket| {
        _ = socket.emit("takeDate", &date());
    })
    .on("getDateObj", async |socket: Socket| {
        _ = socket.emit("takeDateObj", &json!({"date": date()}));
    })
    .on("false", async |socket: Socket| {
        _ = socket.emit("false", &false);
    })
    .on("getUtf8", async |socket: Socket| {
        for text in UTF8 {
            _ = socket.emit("takeUtf8", text);
        }
    })
}

const BYTES: Bytes = Bytes::from_static(b"asdfasdf");

#[derive(Deserialize)]
struct JsonBuff {
    hello: String,
    message: Bytes,
    goodbye: String,
}

/// Whether `abuff1` came.
#[derive(Default)]
struct First(AtomicBool);

fn binary(ns: NamespaceBuilder) -> NamespaceBuilder {
    ns.use_middleware(async |request: ConnectRequest| {
        request.set_data(First::default());
        Ok(())
    })
    .on("doge", async |socket: Socket| {
        _ = socket.emit("doge", &BYTES);
    })
    .on("getbin", async |socket: Socket| {
        _ = socket.emit("takebin", &BYTES);
    })
    .on("buffa", async |socket: Socket, args: Args| {
        if args.has_binary() {
            _ = socket.emit("buffack", &());
        }
    })
    .on(
        "jsonbuff",
        async |socket: Socket, Data(sent): Data<JsonBuff>| {
            if sent.hello == "lol" && sent.message == BYTES && sent.goodbye == "gotcha" {
                _ = socket.emit("jsonbuff-ack", &());
            }
        },
    )
    .on("abuff1", async |socket: Socket, _: Data<Bytes>| {
        if let Some(first) = socket.data::<First>() {
            first.0.store(true, Ordering::Relaxed);
        }
    })
    .on("abuff2", async |socket: Socket| {
        if socket
            .data::<First>()
            .is_some_and(|first| first.0.load(Ordering::Relaxed))
        {
            _ = socket.emit("abuff2-ack", &());
        }
    })
}

async fn get_id(socket: Socket, ack: Ack) {
    _ = ack.send(socket.id());
}

fn date() -> String {
    OffsetDateTime::now_utc()
        .format(&Rfc3339)
        .unwrap_or_default()
}

fn handshake(socket: &Socket) -> Value {
    let handshake = socket.handshake();
    let query: serde_json::Map<_, _> = handshake
        .query()
        .pairs()
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect();
    let headers: serde_json::Map<_, _> = handshake
        .headers()
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect();
    json!({
        "headers": headers,
        "time": date(),
        "address": handshake.address().ip().to_string(),
        "xdomain": handshake.xdomain(),
        "secure": handshake.secure(),
        "issued": handshake.issued_ms(),
        "url": handshake.url(),
        "query": query,
        "auth": socket.auth(),
    })
}

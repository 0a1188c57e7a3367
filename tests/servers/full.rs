//! A server that uses every basic feature, for clients in other languages:
//! `PORT=3000 cargo run --example full`. With `PARSER=msgpack` it speaks that of
//! npm `socket.io-msgpack-parser`.

mod listen;

use std::time::Duration;

use engineio::{Config, Cors};
use parlance::socketio::{
    Ack, Args, ConnectError, Data, Io, NamespaceBuilder, Parser, Payload, Socket,
};
use serde_json::json;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let engine = Config {
        ping_interval: Duration::from_secs(2),
        ping_timeout: Duration::from_secs(2),
        cors: Some(Cors::default()),
        ..Config::default()
    };
    let io = Io::builder()
        .engine(engine)
        .parser(parser())
        .namespace("/", |ns| disconnects(rooms(echo(ns))))
        .namespace("/custom", |ns| disconnects(rooms(echo(ns))))
        .namespace("/deny", |ns| {
            ns.use_middleware(async |_| {
                Err(ConnectError::with_data("not allowed", json!({"code": 42})))
            })
        })
        .build();
    listen::serve(io).await
}

/// Events, acknowledgements in both directions, binary.
fn echo(ns: NamespaceBuilder) -> NamespaceBuilder {
    ns.on_connect(async |socket: Socket| _ = socket.emit("auth", &socket.auth()))
        .on("message", async |socket: Socket, args: Args| {
            _ = socket.emit_raw("message-back", &args);
        })
        .on("message-with-ack", async |ack: Ack, args: Args| {
            _ = ack.send_raw(&args);
        })
        .on("ask-ack", async |socket: Socket, args: Args| {
            let question = socket.timeout(Duration::from_secs(5));
            if let Ok(answer) = question.emit_raw_with_ack("please-ack", &args).await {
                _ = socket.emit_raw("ack-was", &answer);
            }
        })
}

/// A room, and what is said to it.
type Said = Data<(String, Payload)>;

/// Rooms, with and without the sender.
fn rooms(ns: NamespaceBuilder) -> NamespaceBuilder {
    ns.on(
        "join",
        async |socket: Socket, Data(room): Data<String>, ack: Ack| {
            _ = socket.join(&room);
            _ = ack.send(&());
        },
    )
    .on(
        "leave",
        async |socket: Socket, Data(room): Data<String>, ack: Ack| {
            socket.leave(&room);
            _ = ack.send(&());
        },
    )
    .on(
        "to-room",
        async |socket: Socket, Data((room, message)): Said, ack: Ack| {
            _ = socket.to(&room).emit("room-msg", &message);
            _ = ack.send(&());
        },
    )
    .on(
        "in-room",
        async |socket: Socket, Data((room, message)): Said| {
            _ = socket.namespace().to(&room).emit("room-msg", &message);
        },
    )
    .on("broadcast", async |socket: Socket, args: Args| {
        _ = socket.broadcast().emit_raw("bcast", &args);
    })
}

/// The two ways in which a server ends it.
fn disconnects(ns: NamespaceBuilder) -> NamespaceBuilder {
    ns.on("kick-me", async |socket: Socket| socket.disconnect(false))
        .on("drop-me", async |socket: Socket| socket.close_connection())
}

fn parser() -> Parser {
    match std::env::var("PARSER").as_deref() {
        Ok("msgpack") => Parser::Msgpack,
        _ => Parser::Json,
    }
}

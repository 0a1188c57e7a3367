//! A server that uses every basic feature, for clients in other languages:
//! `PORT=3000 cargo run --example full`

mod listen;

use std::time::Duration;

use engineio::{Config, Cors};
use parlance::socketio::{ConnectError, ConnectRequest, Event, Io, NamespaceBuilder, Socket};
use serde_json::{Value, json};

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
        .namespace("/", |ns| disconnects(rooms(echo(ns))))
        .namespace("/custom", |ns| disconnects(rooms(echo(ns))))
        .namespace("/deny", |ns| {
            ns.use_middleware(async |_: ConnectRequest| {
                Err(ConnectError::with_data("not allowed", json!({"code": 42})))
            })
        })
        .build();
    listen::serve(io).await
}

/// Events, acknowledgements in both directions, binary.
fn echo(ns: NamespaceBuilder) -> NamespaceBuilder {
    ns.on_connect(async |socket: Socket| _ = socket.emit("auth", &socket.auth()))
        .on("message", async |socket: Socket, event: Event| {
            _ = socket.emit_raw("message-back", event.raw());
        })
        .on("message-with-ack", async |_: Socket, event: Event| {
            if let Some(ack) = event.ack() {
                _ = ack.send_raw(event.raw());
            }
        })
        .on("ask-ack", async |socket: Socket, event: Event| {
            let question = socket.timeout(Duration::from_secs(5));
            if let Ok(answer) = question.emit_raw_with_ack("please-ack", event.raw()).await {
                _ = socket.emit_raw("ack-was", &answer);
            }
        })
}

/// Rooms, with and without the sender.
fn rooms(ns: NamespaceBuilder) -> NamespaceBuilder {
    ns.on("join", async |socket: Socket, event: Event| {
        if let Ok(room) = event.data::<String>() {
            _ = socket.join(&room);
        }
        done(&event);
    })
    .on("leave", async |socket: Socket, event: Event| {
        if let Ok(room) = event.data::<String>() {
            socket.leave(&room);
        }
        done(&event);
    })
    .on("to-room", async |socket: Socket, event: Event| {
        if let Ok((room, message)) = event.args::<(String, Value)>() {
            _ = socket.to(&room).emit("room-msg", &message);
        }
        done(&event);
    })
    .on("in-room", async |socket: Socket, event: Event| {
        if let Ok((room, message)) = event.args::<(String, Value)>() {
            _ = socket.namespace().to(&room).emit("room-msg", &message);
        }
    })
    .on("broadcast", async |socket: Socket, event: Event| {
        _ = socket.broadcast().emit_raw("bcast", event.raw());
    })
}

/// The two ways in which a server ends it.
fn disconnects(ns: NamespaceBuilder) -> NamespaceBuilder {
    ns.on("kick-me", async |socket: Socket, _: Event| {
        socket.disconnect(false);
    })
    .on("drop-me", async |socket: Socket, _: Event| {
        socket.close_connection();
    })
}

fn done(event: &Event) {
    if let Some(ack) = event.ack() {
        _ = ack.send(&());
    }
}

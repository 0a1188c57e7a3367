//! The server that the official protocol suite runs against:
//! `PORT=3000 cargo run --example socketio_suite`

mod listen;

use std::time::Duration;

use engineio::{Config, Cors};
use parlance::socketio::{Ack, Args, Io, NamespaceBuilder, Socket};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let engine = Config {
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(200),
        cors: Some(Cors::default()),
        ..Config::default()
    };
    let io = Io::builder()
        .engine(engine)
        .connect_timeout(Duration::from_secs(1))
        .namespace("/", echo)
        .namespace("/custom", echo)
        .build();
    listen::serve(io).await
}

fn echo(ns: NamespaceBuilder) -> NamespaceBuilder {
    ns.on_connect(async |socket: Socket| _ = socket.emit("auth", &socket.auth()))
        .on("message", async |socket: Socket, args: Args| {
            _ = socket.emit_raw("message-back", &args);
        })
        .on("message-with-ack", async |ack: Ack, args: Args| {
            _ = ack.send_raw(&args);
        })
}

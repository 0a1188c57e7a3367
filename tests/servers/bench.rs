//! The server that the load generator measures:
//! `PORT=3000 cargo run --release --example bench`

mod listen;

use parlance::socketio::{Event, Io, Socket};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let io = Io::builder()
        .namespace("/", |ns| {
            ns.on_connect(async |socket: Socket| _ = socket.join("bench"))
                .on("bench-broadcast", async |socket: Socket, event: Event| {
                    _ = socket
                        .namespace()
                        .to("bench")
                        .emit_raw("bench-message", event.raw());
                })
                .on("bench-echo", async |_: Socket, event: Event| {
                    if let Some(ack) = event.ack() {
                        _ = ack.send_raw(event.raw());
                    }
                })
        })
        .build();
    listen::serve(io).await
}

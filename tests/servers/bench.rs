//! The server that the load generator measures:
//! `PORT=3000 cargo run --release --example bench`

mod listen;

use parlance::socketio::{Ack, Args, Io, Socket};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let io = Io::builder()
        .namespace("/", |ns| {
            ns.on_connect(async |socket: Socket| _ = socket.join("bench"))
                .on("bench-broadcast", async |socket: Socket, args: Args| {
                    _ = socket
                        .namespace()
                        .to("bench")
                        .emit_raw("bench-message", &args);
                })
                .on("bench-echo", async |ack: Ack, args: Args| {
                    _ = ack.send_raw(&args);
                })
        })
        .build();
    listen::serve(io).await
}

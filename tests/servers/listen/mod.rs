//! Where the example servers listen, and how they say so.

use std::net::Ipv4Addr;

use parlance::socketio::Io;
use tokio::net::TcpListener;

/// Listens on `127.0.0.1:$PORT`, says `ready PORT`, and serves until the process ends.
pub(crate) async fn serve(io: Io) -> std::io::Result<()> {
    let port = std::env::var("PORT")
        .ok()
        .and_then(|port| port.parse().ok())
        .unwrap_or(3000);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    announce(listener.local_addr()?.port());
    io.serve(listener).await
}

#[expect(
    clippy::print_stdout,
    reason = "whoever starts the server waits for this line"
)]
fn announce(port: u16) {
    println!("ready {port}");
}

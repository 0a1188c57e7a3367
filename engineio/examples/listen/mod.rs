//! A plain listener for the example servers.

use std::{net::SocketAddr, time::Duration};

use engineio::{Application, Server};
use tokio::net::{TcpListener, TcpStream};

/// Listens on `127.0.0.1:$PORT`, says `ready PORT`, and serves until the process ends.
#[allow(dead_code, reason = "not every example serves this way")]
pub(crate) async fn serve<A: Application>(server: Server<A>) -> std::io::Result<()> {
    let listener = bind().await?;
    accept(listener, |tcp, peer| {
        tokio::spawn(server.serve_connection(tcp, peer));
    })
    .await
}

/// Opens `127.0.0.1:$PORT`, and says so.
pub(crate) async fn bind() -> std::io::Result<TcpListener> {
    let port = std::env::var("PORT")
        .ok()
        .and_then(|port| port.parse().ok())
        .unwrap_or(3000);
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await?;
    announce(listener.local_addr()?.port());
    Ok(listener)
}

/// Gives every connection of `listener` away, for ever.
pub(crate) async fn accept(listener: TcpListener, serve: impl Fn(TcpStream, SocketAddr)) -> ! {
    loop {
        match listener.accept().await {
            Ok((tcp, peer)) => {
                // Small frames must not wait for the peer's acknowledgement of the last ones.
                let _ = tcp.set_nodelay(true);
                serve(tcp, peer);
            }
            // Out of descriptors: what is open must go on.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

#[allow(
    clippy::print_stdout,
    reason = "whoever starts the server waits for this line"
)]
fn announce(port: u16) {
    println!("ready {port}");
}

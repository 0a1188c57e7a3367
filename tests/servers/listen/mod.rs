//! A plain HTTP listener for the example servers: hyper, HTTP/1.1, upgrades on.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parlance::socketio::Io;
use tokio::net::{TcpListener, TcpStream};

/// Listens on `127.0.0.1:$PORT`, says `ready PORT`, and serves until the process ends.
pub(crate) async fn serve(io: Io) -> std::io::Result<()> {
    let port = std::env::var("PORT")
        .ok()
        .and_then(|port| port.parse().ok())
        .unwrap_or(3000);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    announce(listener.local_addr()?.port());
    loop {
        match listener.accept().await {
            Ok((tcp, peer)) => drop(tokio::spawn(serve_connection(io.clone(), tcp, peer))),
            // Out of descriptors: what is open must go on.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

#[expect(
    clippy::print_stdout,
    reason = "whoever starts the server waits for this line"
)]
fn announce(port: u16) {
    println!("ready {port}");
}

async fn serve_connection(io: Io, tcp: TcpStream, peer: SocketAddr) {
    // Small frames must not wait for the peer's acknowledgement of the last ones.
    _ = tcp.set_nodelay(true);
    let service = service_fn(move |request| {
        let io = io.clone();
        engineio::begin(async move { Ok::<_, Infallible>(io.handle(request, peer).await) })
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(tcp), service)
        .with_upgrades();
    // The client's faults are answered by hyper; there is nothing left to do here.
    _ = connection.await;
}

//! A plain HTTP listener for the example servers: hyper, HTTP/1.1, upgrades on.

use std::{net::SocketAddr, time::Duration};

use engineio::{Application, Server};
use http::Request;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

/// Listens on `127.0.0.1:$PORT`, says `ready PORT`, and serves until the process ends. `observe`
/// sees every request before the server does.
pub(crate) async fn serve<A: Application>(
    server: Server<A>,
    observe: impl Fn(&Request<Incoming>) + Clone + Send + 'static,
) -> std::io::Result<()> {
    let port = std::env::var("PORT")
        .ok()
        .and_then(|port| port.parse().ok())
        .unwrap_or(3000);
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await?;
    announce(listener.local_addr()?.port());
    accept(listener, server, observe).await
}

/// Serves what `listener` accepts, for ever.
pub(crate) async fn accept<A: Application>(
    listener: TcpListener,
    server: Server<A>,
    observe: impl Fn(&Request<Incoming>) + Clone + Send + 'static,
) -> ! {
    loop {
        match listener.accept().await {
            Ok((tcp, peer)) => {
                tokio::spawn(serve_connection(server.clone(), observe.clone(), tcp, peer));
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

async fn serve_connection<A: Application>(
    server: Server<A>,
    observe: impl Fn(&Request<Incoming>),
    tcp: TcpStream,
    peer: SocketAddr,
) {
    // Small frames must not wait for the peer's acknowledgement of the last ones.
    let _ = tcp.set_nodelay(true);
    let service = server.service(peer);
    let service = service_fn(move |request| {
        observe(&request);
        hyper::service::Service::call(&service, request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(10))
        .max_headers(64)
        .max_buf_size(32 * 1024)
        .serve_connection(TokioIo::new(tcp), service)
        .with_upgrades();
    // The client's faults are answered by hyper; there is nothing left to do here.
    let _ = connection.await;
}

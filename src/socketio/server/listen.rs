//! A plain HTTP listener, for servers that answer nothing beside Socket.IO.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use engineio::WriteTimeout;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};

use super::io::Io;

/// How long nobody is accepted when the process is out of descriptors: what is open must go on.
const EXHAUSTED: Duration = Duration::from_millis(50);

impl Io {
    /// Serves HTTP/1.1 on a listener, until the future is dropped; what is not under the server's
    /// path is 404. Connections run in tasks of their own, which [`close`](Io::close) ends.
    ///
    /// A server that answers other requests as well gives those under [`path`](Io::path) to
    /// [`handle`](Io::handle) instead.
    ///
    /// # Errors
    /// The listener itself is broken.
    ///
    /// ```no_run
    /// use parlance::socketio::Io;
    /// use tokio::net::TcpListener;
    ///
    /// #[tokio::main]
    /// async fn main() -> std::io::Result<()> {
    ///     let io = Io::builder().build();
    ///     io.serve(TcpListener::bind("127.0.0.1:3000").await?).await
    /// }
    /// ```
    pub async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        loop {
            match listener.accept().await {
                Ok((tcp, peer)) => drop(tokio::spawn(connection(self.clone(), tcp, peer))),
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Err(error),
                Err(_) => tokio::time::sleep(EXHAUSTED).await,
            }
        }
    }
}

async fn connection(io: Io, tcp: TcpStream, peer: SocketAddr) {
    // Small frames must not wait for the peer's acknowledgement of the last ones.
    _ = tcp.set_nodelay(true);
    let server = io.clone();
    let service = service_fn(move |request| {
        let io = server.clone();
        engineio::begin(async move { Ok::<_, Infallible>(io.handle(request, peer).await) })
    });
    let stream = WriteTimeout::new(tcp, io.engine_config().write_timeout);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    // The client's faults are answered by hyper; there is nothing left to do here.
    _ = connection.await;
}

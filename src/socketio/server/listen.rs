//! A plain HTTP listener, for servers that answer nothing beside Socket.IO.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

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
    io.serve_connection(tcp, peer).await;
}

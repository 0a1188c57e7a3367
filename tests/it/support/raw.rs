//! Bytes as they are, for requests that no client would send.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::soon;

/// Sends `bytes` on a new connection and gives all that comes back until the
/// server closes it.
pub(crate) async fn raw(address: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    soon("the end of the connection", async {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        // The server may refuse before it has read everything.
        let _ = stream.write_all(bytes.as_ref()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    })
    .await
}

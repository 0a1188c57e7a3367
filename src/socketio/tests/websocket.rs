//! Over a real socket: what the polling client of the other tests cannot show.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::socketio::{Event, Io, Socket};

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A server for one connection.
async fn listen(io: Io) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let (tcp, peer) = listener.accept().await.expect("a client");
        let service = service_fn(move |request| {
            let io = io.clone();
            async move { Ok::<_, Infallible>(io.handle(request, peer).await) }
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(tcp), service);
        _ = connection.with_upgrades().await;
    });
    address
}

async fn join(address: SocketAddr) -> Stream {
    let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket");
    let (mut stream, _) = connect_async(url).await.expect("an upgrade");
    assert!(next(&mut stream).await.starts_with('0'));
    stream.send(Message::text("40")).await.expect("open");
    assert!(next(&mut stream).await.starts_with("40{"));
    stream
}

async fn next(stream: &mut Stream) -> String {
    let message = tokio::time::timeout(Duration::from_secs(10), stream.next()).await;
    let message = message.expect("in time").expect("open").expect("a message");
    message.into_text().expect("a text").to_string()
}

#[tokio::test]
async fn a_burst_beyond_the_bound_on_handlers_is_answered_to_its_end() {
    let io = Io::builder().namespace("/", |ns| {
        ns.on("m", async |socket: Socket, event: Event| {
            _ = socket.emit_raw("n", event.raw());
        })
    });
    let mut stream = join(listen(io.build()).await).await;
    for number in 0..500 {
        stream
            .feed(Message::text(format!(r#"42["m",{number}]"#)))
            .await
            .expect("open");
    }
    stream.flush().await.expect("open");
    for number in 0..500 {
        assert_eq!(next(&mut stream).await, format!(r#"42["n",{number}]"#));
    }
}

//! The server as a service of hyper and of tower, over streams that are no TCP, and its end.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::duplex,
    net::{TcpListener, TcpStream},
};

use crate::{
    client::{Http, Ws, WsFrame, sid_of},
    server::{Connect, TestServer, config},
};

const OPEN: &str = "/engine.io/?EIO=4&transport=polling";
const OPEN_WEBSOCKET: &str = "/engine.io/?EIO=4&transport=websocket";

fn peer() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 7], 4711))
}

fn get(target: &str) -> Request<Empty<Bytes>> {
    let request = Request::get(target).header("host", "h");
    request.body(Empty::new()).unwrap()
}

#[tokio::test]
async fn a_hyper_service_answers_without_any_connection() {
    let server = TestServer::in_memory(config());
    let service = server.service(peer());
    let reply = hyper::service::Service::call(&service, get(OPEN))
        .await
        .unwrap();
    assert_eq!(reply.status(), StatusCode::OK);
    let handshakes = server.handshakes();
    assert_eq!(handshakes.lock().unwrap()[0].address(), peer());
}

#[tokio::test]
async fn a_tower_service_is_ready_and_takes_any_body() {
    let server = TestServer::in_memory(config());
    let mut service = server.service(peer());
    let open = call(&mut service, get(OPEN)).await;
    let target = format!("{OPEN}&sid={}", sid_of(&open));
    let post = Request::post(&target).header("host", "h");
    let post = post.body(Full::<Bytes>::from("4tower")).unwrap();
    assert_eq!(call(&mut service, post).await, "ok");
    assert_eq!(call(&mut service, get(&target)).await, "4tower");
}

async fn call<S, B>(service: &mut S, request: Request<B>) -> String
where
    S: tower_service::Service<Request<B>, Response = http::Response<Full<Bytes>>>,
    S::Error: std::fmt::Debug,
{
    std::future::poll_fn(|cx| service.poll_ready(cx))
        .await
        .unwrap();
    let reply = service.call(request).await.unwrap();
    let body = reply.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn a_tower_layer_stands_between_hyper_and_the_server() {
    let server = TestServer::in_memory(config());
    let named = Named(server.service(peer()));
    let (near, far) = duplex(64 * 1024);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(near), TowerToHyperService::new(named))
        .with_upgrades();
    tokio::spawn(connection);
    let mut ws = Ws::upgrade(Http::over(far), OPEN_WEBSOCKET).await;
    assert!(ws.text().await.starts_with('0'));
    let handshakes = server.handshakes();
    let handshakes = handshakes.lock().unwrap();
    assert_eq!(handshakes[0].header("x-named"), Some("by the layer"));
}

/// What a layer of tower makes of a service: it changes requests on their way.
#[derive(Clone)]
struct Named<S>(S);

impl<S: tower_service::Service<Request<B>>, B> tower_service::Service<Request<B>> for Named<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        let value = http::HeaderValue::from_static("by the layer");
        request.headers_mut().insert("x-named", value);
        self.0.call(request)
    }
}

#[tokio::test]
async fn a_hyper_of_ones_own_serves_sessions_over_tcp() {
    let server = TestServer::in_memory(config());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = server.service(peer());
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(tcp), service)
            .with_upgrades();
        connection.await
    });
    let tcp = TcpStream::connect(address).await.unwrap();
    converse(Ws::upgrade(Http::over(tcp), OPEN_WEBSOCKET).await).await;
}

#[tokio::test]
async fn a_websocket_goes_over_any_stream_of_bytes() {
    let server = TestServer::in_memory(config());
    // Smaller than a message: every write meets a full stream.
    let (near, far) = duplex(512);
    tokio::spawn(server.serve(near));
    converse(Ws::upgrade(Http::over(far), OPEN_WEBSOCKET).await).await;
    server.emptied().await;
}

#[tokio::test]
async fn an_upgrade_goes_over_any_stream_of_bytes() {
    let server = TestServer::in_memory(config());
    let client = server.open().await;
    let http = server.connect();
    let mut ws = Ws::upgrade(http, &client.websocket_target()).await;
    ws.send("2probe").await;
    assert_eq!(ws.text().await, "3probe");
    ws.send("5").await;
    ws.send("4upgraded").await;
    assert_eq!(ws.text().await, "4upgraded");
}

/// Texts, bytes and a close, on a stream that has just been upgraded.
async fn converse<I>(mut ws: Ws<I>)
where
    I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    assert!(ws.text().await.starts_with('0'));
    for bytes in [0, 5, 100_000] {
        let text = format!("4{}", "x".repeat(bytes));
        ws.send(&text).await;
        assert!(ws.text().await == text, "{bytes}");
    }
    ws.send_binary(&[1, 2, 3]).await;
    assert_eq!(ws.frame().await, WsFrame(0x82, vec![1, 2, 3]));
    ws.send("1").await;
    ws.assert_closed(None).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_any_kind_that_takes_no_byte_ends_its_session_in_time() {
    let server = TestServer::in_memory(config());
    let (near, far) = duplex(4 * 1024);
    tokio::spawn(server.serve(near));
    let mut ws = Ws::upgrade(Http::over(far), OPEN_WEBSOCKET).await;
    assert!(ws.text().await.starts_with('0'));
    let begun = tokio::time::Instant::now();
    let frame = engineio::Frame::text(&"x".repeat(100_000));
    server.session().send(frame).unwrap();
    server.emptied().await;
    assert!(
        begun.elapsed() <= Duration::from_secs(25),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_server_ends_its_connections_behind_the_reply_under_way() {
    let server = TestServer::in_memory(config());
    let client = server.open().await;
    let mut poll = server.connect();
    poll.send(&format!("GET {}", client.target()), "", b"")
        .await;
    let mut idle = server.connect();
    idle.send("GET /engine.io/?EIO=4&transport=none", "", b"")
        .await;
    assert_eq!(idle.reply().await.status, 400);
    // Nobody has polled this one yet.
    let (near, far) = duplex(1024);
    let unborn = server.serve(near);
    let begun = tokio::time::Instant::now();
    server.close();
    tokio::spawn(unborn);
    server.emptied().await;
    assert!(
        begun.elapsed() < Duration::from_millis(10),
        "nothing is waited for"
    );
    let reply = poll.reply().await;
    assert_eq!(
        (reply.text(), reply.header("connection")),
        ("1", Some("close"))
    );
    for mut http in [poll, idle, Http::over(far)] {
        http.ended().await;
    }
    assert_eq!(
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks(),
        0
    );
}

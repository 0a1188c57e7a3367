//! The server under test: an echo whose sessions the test can reach.

use std::{
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use engineio::{
    Application, CloseReason, Config, Frame, Handler, Handshake, Message, Server, SessionHandle,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, duplex},
    net::TcpListener,
    sync::mpsc,
};

use crate::client::{Http, Polling, Reply, Ws, soon};

/// Longest wait for anything, far below the heartbeat of [`config`].
pub(crate) const SOON: Duration = Duration::from_millis(1000);

/// The official defaults: the first ping is 25 s away.
pub(crate) fn config() -> Config {
    Config::default()
}

/// What the application saw.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Opened,
    Text(String),
    Binary(Vec<u8>),
    Closed(CloseReason),
}

struct Echo {
    seen: mpsc::UnboundedSender<Seen>,
    sessions: Arc<Mutex<Vec<SessionHandle>>>,
    handshakes: Arc<Mutex<Vec<Handshake>>>,
}

struct EchoSession {
    session: SessionHandle,
    seen: mpsc::UnboundedSender<Seen>,
}

impl Application for Echo {
    type Handler = EchoSession;

    fn open(&self, handshake: Handshake, session: SessionHandle) -> EchoSession {
        let _ = self.seen.send(Seen::Opened);
        self.sessions.lock().unwrap().push(session.clone());
        self.handshakes.lock().unwrap().push(handshake);
        EchoSession {
            session,
            seen: self.seen.clone(),
        }
    }
}

impl Handler for EchoSession {
    fn handle_message(&mut self, message: Message<'_>, _now: Instant) {
        let (seen, frame) = match message {
            Message::Text(text) => (Seen::Text(text.to_owned()), Frame::text(text)),
            Message::Binary(data) => (Seen::Binary(data.to_vec()), Frame::binary(data)),
        };
        let _ = self.seen.send(seen);
        let _ = self.session.send(frame);
    }

    fn handle_close(&mut self, reason: CloseReason, _now: Instant) {
        let _ = self.seen.send(Seen::Closed(reason));
    }
}

/// A listening server.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) sessions: Arc<Mutex<Vec<SessionHandle>>>,
    pub(crate) handshakes: Arc<Mutex<Vec<Handshake>>>,
    seen: mpsc::UnboundedReceiver<Seen>,
    count: Box<dyn Fn() -> usize + Send>,
    shut: Box<dyn Fn() + Send>,
    closed: Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::with(config()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let (sender, seen) = mpsc::unbounded_channel();
        let (sessions, handshakes) = (Arc::default(), Arc::default());
        let echo = Echo {
            seen: sender,
            sessions: Arc::clone(&sessions),
            handshakes: Arc::clone(&handshakes),
        };
        let served = Self::serving(&Server::new(config, echo)).await;
        Self {
            sessions,
            handshakes,
            seen,
            ..served
        }
    }

    /// Serves another application; what it saw is its own business.
    pub(crate) async fn serving<A: Application>(server: &Server<A>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (counted, closing, closed) = (server.clone(), server.clone(), server.clone());
        tokio::spawn(accept(listener, server.clone()));
        Self {
            address,
            sessions: Arc::default(),
            handshakes: Arc::default(),
            seen: mpsc::unbounded_channel().1,
            count: Box::new(move || counted.clients_count()),
            shut: Box::new(move || closing.close()),
            closed: Box::new(move || {
                let server = closed.clone();
                Box::pin(async move { server.closed().await })
            }),
        }
    }

    /// A server without a port: its connections are made in memory, so that the clock can stop.
    pub(crate) fn in_memory(config: Config) -> InMemory {
        InMemory::new(config)
    }

    /// What the application saw next.
    pub(crate) async fn seen(&mut self) -> Seen {
        soon("what the application sees", self.seen.recv())
            .await
            .unwrap()
    }

    /// The handle of the latest session.
    pub(crate) fn session(&self) -> SessionHandle {
        self.sessions.lock().unwrap().last().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        (self.count)()
    }

    /// Closes all sessions, as at the end of a server.
    pub(crate) fn close(&self) {
        (self.shut)();
    }

    /// Waits until nothing of any session is left.
    pub(crate) async fn closed(&self) {
        (self.closed)().await;
    }

    #[track_caller]
    pub(crate) fn assert_unseen(&mut self) {
        assert!(self.seen.try_recv().is_err(), "nothing more was seen");
    }
}

/// Connections that are made in memory, and what clients do over them.
pub(crate) trait Connect {
    fn connect(&self) -> Http<DuplexStream>;

    /// A request on a connection of its own; `head` is its method and target.
    async fn request(&self, head: &str, headers: &str, body: &[u8]) -> Reply {
        let mut http = self.connect();
        http.send(head, headers, body).await;
        http.reply().await
    }

    /// Opens a polling session.
    async fn open(&self) -> Polling {
        let head = "GET /engine.io/?EIO=4&transport=polling";
        Polling::opened(&self.request(head, "", b"").await)
    }

    /// Opens a poll and leaves it open.
    async fn begin_poll(&self, client: &Polling) -> Http<DuplexStream> {
        let mut http = self.connect();
        http.send(&format!("GET {}", client.target()), "", b"")
            .await;
        http
    }

    /// A poll on a connection of its own.
    async fn poll(&self, client: &Polling) -> Reply {
        self.begin_poll(client).await.reply().await
    }

    /// A POST on a connection of its own.
    async fn post(&self, client: &Polling, body: &[u8]) -> Reply {
        self.request(&format!("POST {}", client.target()), "", body)
            .await
    }

    /// The session is unknown to the server.
    async fn assert_gone(&self, client: &Polling) {
        self.poll(client).await.assert_unknown_session();
    }

    /// Opens a session over a WebSocket; gives its open packet too.
    async fn websocket(&self) -> (Ws<DuplexStream>, String) {
        let target = "/engine.io/?EIO=4&transport=websocket";
        let mut ws = Ws::upgrade(self.connect(), target).await;
        let open = ws.text().await;
        assert!(open.starts_with('0'), "{open}");
        (ws, open)
    }
}

/// A connection in memory that `server` serves.
pub(crate) fn connect_in_memory<A: Application>(server: &Server<A>) -> Http<DuplexStream> {
    let (near, far) = duplex(64 * 1024);
    let peer = SocketAddr::from(([127, 0, 0, 1], 1));
    tokio::spawn(server.serve_connection(near, peer));
    Http::over(far)
}

/// Lets everything happen that needs no time. For stopped time.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// A server whose connections are made in memory.
pub(crate) struct InMemory {
    server: Server<Echo>,
    seen: mpsc::UnboundedReceiver<Seen>,
}

impl Connect for InMemory {
    fn connect(&self) -> Http<DuplexStream> {
        connect_in_memory(&self.server)
    }
}

impl InMemory {
    fn new(config: Config) -> Self {
        let (sender, seen) = mpsc::unbounded_channel();
        let echo = Echo {
            seen: sender,
            sessions: Arc::default(),
            handshakes: Arc::default(),
        };
        Self {
            server: Server::new(config, echo),
            seen,
        }
    }

    pub(crate) fn service(
        &self,
        peer: SocketAddr,
    ) -> engineio::ConnectionService<impl Application + use<>> {
        self.server.service(peer)
    }

    /// Closes all sessions, as at the end of a server.
    pub(crate) fn close(&self) {
        self.server.close();
    }

    /// Waits until nothing of any session is left.
    pub(crate) async fn closed(&self) {
        self.server.closed().await;
    }

    pub(crate) fn count(&self) -> usize {
        self.server.clients_count()
    }

    /// Serves one end of a stream.
    pub(crate) fn serve<I>(&self, io: I) -> impl Future<Output = ()> + Send + use<I>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        self.server.serve_connection(io, peer)
    }

    pub(crate) fn session(&self) -> SessionHandle {
        let sessions = &self.server.application().sessions;
        sessions.lock().unwrap().last().unwrap().clone()
    }

    pub(crate) fn handshakes(&self) -> Arc<Mutex<Vec<Handshake>>> {
        Arc::clone(&self.server.application().handshakes)
    }

    /// What the application saw so far.
    pub(crate) fn seen(&mut self) -> Vec<Seen> {
        std::iter::from_fn(|| self.seen.try_recv().ok()).collect()
    }

    /// Waits until nothing of any session is left.
    pub(crate) async fn emptied(&self) {
        self.closed().await;
        assert_eq!(self.count(), 0);
    }
}

async fn accept<A: Application>(listener: TcpListener, server: Server<A>) {
    loop {
        let (tcp, peer) = listener.accept().await.unwrap();
        tcp.set_nodelay(true).unwrap();
        tokio::spawn(server.serve_connection(tcp, peer));
    }
}

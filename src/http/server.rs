//! The port: accepting connections and serving HTTP/1.1 on them.
//!
//! What hyper leaves open is closed here: time limits, those for peers that do not
//! read their answers among them, `TCP_NODELAY`, an accept
//! loop that outlives a full table of descriptors, and a stop that waits, but
//! not for ever. What a request may look like is [`super::guard`]'s business.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use engineio::WriteTimeout;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use super::admission::{Admission, Pass};
use super::guard;
use super::listener::bind_all;
use super::proxies::TrustedProxies;
use super::reply::Reply;
use super::tls::Tls;
use crate::metrics::Port;

/// The first request must be there, headers and all, within this time.
const FIRST_REQUEST_LIMIT: Duration = Duration::from_secs(10);

/// What those are counted by that did not keep to it.
const SILENT: &str = "silent";

/// hyper counts waiting for a next request and reading its headers together.
const NEXT_REQUEST_LIMIT: Duration = Duration::from_secs(60);

/// How long a peer may take no byte of an answer while some wait for it.
const WRITE_LIMIT: Duration = Duration::from_secs(20);

/// How long a connection without a request in work may take to end when the server does: for an
/// answer on its way, not for a request of which half has come.
const QUIET_LIMIT: Duration = Duration::from_secs(1);

/// hyper reads and keeps at most this much of a request's head; it is larger
/// than the guard's limits, so that the guard can say which one was passed.
const MAX_HEAD_BYTES: usize = 96 * 1024;

/// The pause after a failed accept, for descriptors to come free; it doubles
/// with every further failure, up to the second.
const ACCEPT_PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

/// What answers the requests that pass the guard.
pub trait Site: Send + Sync + 'static {
    /// Answers one request; what goes wrong is an answer too.
    fn respond(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send;
}

/// Open ports that nobody accepts on yet.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<TcpListener>,
    address: SocketAddr,
}

impl Server {
    /// Opens every address; see [`crate::config::Listen::addresses`].
    ///
    /// # Errors
    /// What the system says about the address that cannot be had.
    pub fn bind(addresses: &[SocketAddr]) -> io::Result<Self> {
        let listeners = bind_all(addresses)?;
        let first = listeners.first();
        let first = first.ok_or_else(|| io::Error::other("there is no address to listen on"))?;
        let address = first.local_addr()?;
        Ok(Self { listeners, address })
    }

    /// The first address, with its real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts to accept, one task for each address and one for each connection.
    /// With `tls`, that is what they speak.
    pub fn serve<S: Site>(
        self,
        site: &Arc<S>,
        gate: &Arc<Gate>,
        tls: Option<&Arc<Tls>>,
    ) -> Serving {
        let (stop, stopping) = watch::channel(false);
        let (alive, ended) = mpsc::channel(1);
        for listener in self.listeners {
            let door = Door {
                site: Arc::clone(site),
                gate: Arc::clone(gate),
                tls: tls.cloned(),
                stopping: stopping.clone(),
                alive: alive.clone(),
            };
            tokio::spawn(door.accept(listener));
        }
        Serving { stop, ended }
    }
}

/// A server that accepts; dropping it stops accepting but waits for nothing.
#[derive(Debug)]
pub struct Serving {
    stop: watch::Sender<bool>,
    ended: mpsc::Receiver<Infallible>,
}

impl Serving {
    /// Closes the ports; connections end after the answer they are at.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until every connection has ended, at most `limit`; says whether
    /// all of them had.
    pub async fn finish(mut self, limit: Duration) -> bool {
        self.stop();
        timeout(limit, self.ended.recv()).await.is_ok()
    }
}

/// What is checked and counted of every connection.
#[derive(Debug)]
pub struct Gate {
    /// Lets in.
    pub admission: Arc<Admission>,
    /// Whose connections stand for many clients.
    pub proxies: TrustedProxies,
    /// Where it is counted.
    pub port: Arc<Port>,
}

impl Gate {
    /// Lets a connection in, after a wait, or answers that there is no room.
    fn admit(&self, stream: &TcpStream, peer: SocketAddr) -> Option<(Pass, Duration)> {
        let address = (!self.proxies.trusts(peer.ip())).then_some(peer.ip());
        let now = Instant::now().into_std();
        match self.admission.connection(address, now) {
            Ok(entered) => Some(entered),
            Err(full) => {
                self.port.refuse(full.reason(), peer.ip());
                // A new socket takes as much at once; whoever does not read it learns it by the
                // end, and so does a client that expects TLS.
                let _ = stream.try_write(&hasty(&full.reply()));
                None
            }
        }
    }
}

/// An answer without a request: written at once, before anything was read.
fn hasty(reply: &Reply) -> Vec<u8> {
    let response = Response::<Full<Bytes>>::from(reply.clone());
    let mut text = format!("HTTP/1.1 {}\r\nconnection: close\r\n", response.status());
    for (name, value) in response.headers() {
        let value = String::from_utf8_lossy(value.as_bytes());
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    let body = reply.body();
    text.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    [text.as_bytes(), body].concat()
}

/// Statuses that operators tell apart; the others by their class.
fn status_label(status: StatusCode) -> &'static str {
    const TOLD_APART: [(u16, &str); 13] = [
        (101, "101"),
        (304, "304"),
        (400, "400"),
        (401, "401"),
        (403, "403"),
        (404, "404"),
        (408, "408"),
        (409, "409"),
        (413, "413"),
        (414, "414"),
        (429, "429"),
        (431, "431"),
        (503, "503"),
    ];
    let code = status.as_u16();
    if let Some((_, label)) = TOLD_APART.iter().find(|(known, _)| *known == code) {
        return label;
    }
    match code / 100 {
        2 => "2xx",
        4 => "4xx",
        5 => "5xx",
        _ => "other",
    }
}

/// What the tasks of one port share.
struct Door<S> {
    site: Arc<S>,
    gate: Arc<Gate>,
    tls: Option<Arc<Tls>>,
    stopping: watch::Receiver<bool>,
    /// Held by everything that is still at work, and never sent on.
    alive: mpsc::Sender<Infallible>,
}

impl<S> Clone for Door<S> {
    fn clone(&self) -> Self {
        Self {
            site: Arc::clone(&self.site),
            gate: Arc::clone(&self.gate),
            tls: self.tls.clone(),
            stopping: self.stopping.clone(),
            alive: self.alive.clone(),
        }
    }
}

impl<S: Site> Door<S> {
    async fn accept(mut self, listener: TcpListener) {
        let [first_pause, last_pause] = ACCEPT_PAUSES;
        let mut pause = first_pause;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = self.stopping.wait_for(|stop| *stop) => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    pause = first_pause;
                    let peer = canonical(peer);
                    if let Some((pass, wait)) = self.gate.admit(&stream, peer) {
                        tokio::spawn(self.clone().connection(stream, peer, pass, wait));
                    }
                }
                Err(error) if is_the_peers(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(pause).await;
                    pause = last_pause.min(pause * 2);
                }
            }
        }
    }

    /// Serves one connection until it ends or is taken over by a WebSocket.
    async fn connection(mut self, stream: TcpStream, peer: SocketAddr, pass: Pass, wait: Duration) {
        if !self.turn_comes(wait).await {
            return;
        }
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let Some(tls) = self.tls.clone() else {
            return self.requests(stream, peer, pass).await;
        };
        match timeout(FIRST_REQUEST_LIMIT, tls.accept(stream)).await {
            // Boxed: it is larger, and those without TLS must not pay for it.
            Ok(Ok(stream)) => Box::pin(self.requests(stream, peer, pass)).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => self.gate.port.refused.count(SILENT),
        }
    }

    /// Waits for the turn of a connection; `false` when the server ends before.
    async fn turn_comes(&mut self, wait: Duration) -> bool {
        if wait.is_zero() {
            return true;
        }
        self.gate.port.delayed.count();
        tokio::select! {
            () = sleep(wait) => true,
            _ = self.stopping.wait_for(|stop| *stop) => false,
        }
    }

    async fn requests<T>(mut self, stream: T, peer: SocketAddr, pass: Pass)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let secure = self.tls.is_some();
        let _open = self.gate.port.connections.hold();
        let work = Work::default();
        let service = service_fn(|mut request: Request<Incoming>| {
            if secure {
                request.extensions_mut().insert(engineio::Secure);
            }
            pass.settle();
            let at_work = work.begin();
            let (site, gate) = (Arc::clone(&self.site), Arc::clone(&self.gate));
            engineio::begin(async move {
                let _at_work = at_work;
                let response = answer(site.as_ref(), request, peer).await;
                gate.port.responses.count(status_label(response.status()));
                Ok::<_, Infallible>(response)
            })
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(NEXT_REQUEST_LIMIT)
            .max_buf_size(MAX_HEAD_BYTES);
        let stream = TokioIo::new(WriteTimeout::new(stream, WRITE_LIMIT));
        let connection = http.serve_connection(stream, service);
        let mut connection = pin!(connection.with_upgrades());
        let mut silent = pin!(sleep(FIRST_REQUEST_LIMIT));
        let mut phase = Phase::Waiting;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection broke");
                    }
                    return;
                }
                () = silent.as_mut(), if phase != Phase::Serving => {
                    match phase {
                        Phase::Waiting if !work.has_begun() => {
                            return self.gate.port.refused.count(SILENT);
                        }
                        Phase::Ending if !work.is_going() => return,
                        Phase::Ending => silent.as_mut().reset(Instant::now() + QUIET_LIMIT),
                        _ => phase = Phase::Serving,
                    }
                }
                _ = self.stopping.wait_for(|stop| *stop), if phase != Phase::Ending => {
                    phase = Phase::Ending;
                    silent.as_mut().reset(Instant::now() + QUIET_LIMIT);
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

/// What a connection's one timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The first request.
    Waiting,
    /// Nothing: hyper watches over further requests.
    Serving,
    /// The end of the server.
    Ending,
}

/// The requests of one connection.
#[derive(Debug, Clone, Default)]
struct Work(Arc<Requests>);

#[derive(Debug, Default)]
struct Requests {
    begun: AtomicBool,
    going: AtomicUsize,
}

impl Work {
    fn begin(&self) -> AtWork {
        self.0.begun.store(true, Ordering::Relaxed);
        self.0.going.fetch_add(1, Ordering::Relaxed);
        AtWork(self.clone())
    }

    fn has_begun(&self) -> bool {
        self.0.begun.load(Ordering::Relaxed)
    }

    fn is_going(&self) -> bool {
        self.0.going.load(Ordering::Relaxed) > 0
    }
}

/// One request in work.
struct AtWork(Work);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.0.going.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn answer<S: Site>(
    site: &S,
    request: Request<Incoming>,
    peer: SocketAddr,
) -> Response<Full<Bytes>> {
    match guard::check(&request) {
        Ok(()) => site.respond(request, peer).await,
        Err(refused) => refused.into(),
    }
}

/// An IPv4 peer of a dual-stack port is that IPv4 address.
fn canonical(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

/// Whether the peer had gone before it was accepted.
fn is_the_peers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;

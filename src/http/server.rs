//! The port: accepting connections and serving HTTP/1.1 on them.
//!
//! What hyper leaves open is closed: time limits by [`HttpConnection`], and here `TCP_NODELAY`, an
//! accept loop that outlives a full table of descriptors, and a stop that waits, but not for ever. What a request may look like is [`super::guard`]'s business.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use engineio::{HttpConnection, HttpEnd};
use futures_util::FutureExt as _;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
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

/// What a connection may take.
const HTTP: HttpConnection = HttpConnection {
    header_timeout: Duration::from_secs(10),
    keep_alive_timeout: Duration::from_secs(60),
    write_timeout: Duration::from_secs(20),
    // More than the guard's limits, so that the guard can say which one was passed.
    max_headers: 100,
    max_head_bytes: 96 * 1024,
};

/// What those are counted by whose first request was not there in time.
const SILENT: &str = "silent";

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
        pass.begin();
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let Some(tls) = self.tls.clone() else {
            return self.requests(stream, peer, pass).await;
        };
        match timeout(HTTP.header_timeout, tls.accept(stream)).await {
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
        let respond = |mut request: Request<Incoming>| {
            if secure {
                request.extensions_mut().insert(engineio::Secure);
            }
            pass.settle();
            let (site, gate) = (Arc::clone(&self.site), Arc::clone(&self.gate));
            async move {
                let response = answer(site.as_ref(), request, peer).await;
                gate.port.responses.count(status_label(response.status()));
                response
            }
        };
        let stop = self.stopping.wait_for(|stop| *stop).map(drop);
        if HTTP.serve(stream, respond, stop).await == HttpEnd::Silent {
            self.gate.port.refused.count(SILENT);
        }
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

//! HTTP connections that the crate serves itself, for applications that have nothing else on their
//! port: hyper with every limit set.

use std::{
    future::{Future, poll_fn, ready},
    net::SocketAddr,
    pin::pin,
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::future::{Either, FusedFuture, FutureExt};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

use super::{Application, Server};
use crate::{
    config::{Config, HttpLimits},
    transport::{polling, write_timeout::WriteTimeout},
};

/// Headers that hyper has room for without an allocation of its own.
const CHEAP_HEADERS: usize = 100;
/// hyper takes no smaller buffer.
const MIN_BUFFER: usize = 8 * 1024;

impl<A: Application> Server<A> {
    /// Serves HTTP/1.1 on a connection of `peer` until it ends, or a WebSocket takes it over. `io`
    /// is a TCP stream (`TCP_NODELAY` is the caller's business), or one inside TLS.
    ///
    /// Beside what [`Server::handle`] refuses, a connection whose first request is not there within
    /// [`HttpLimits::header_timeout`], or the next one within [`HttpLimits::keep_alive_timeout`], is
    /// closed; too many or too large headers get 431; and a client that takes no byte of a reply for
    /// [`Config::write_timeout`] loses the connection.
    ///
    /// A request with both `Content-Length` and `Transfer-Encoding` is read by its chunks and
    /// answered, and its connection closed, so that nothing behind it is taken for a request: hyper
    /// drops the length before anybody could refuse it (RFC 9112 section 6.3 allows both).
    ///
    /// [`Server::close`] ends it behind the reply under way, and [`Server::closed`] waits for that,
    /// from the moment of this call.
    pub fn serve_connection<I>(
        &self,
        io: I,
        peer: SocketAddr,
    ) -> impl Future<Output = ()> + Send + use<A, I>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let server = self.clone();
        let running = self.inner.registry.begin();
        let mut closing = self.inner.closing.subscribe();
        async move {
            let closed = async move { drop(closing.changed().await) };
            serve(server, io, peer, closed).await;
            drop(running);
        }
    }
}

/// Serves until the connection ends; when `closed` does, it ends behind the reply under way.
async fn serve<A, I>(server: Server<A>, io: I, peer: SocketAddr, closed: impl Future<Output = ()>)
where
    A: Application,
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let config = server.config();
    let begun = AtomicBool::new(false);
    let service = server.service(peer);
    let service = service_fn(|request: Request<Incoming>| {
        begun.store(true, Ordering::Relaxed);
        match check_head(&config.http, request.headers()) {
            Some(refused) => Either::Left(ready(Ok(refused))),
            None => Either::Right(service.call(request)),
        }
    });
    let io = TokioIo::new(WriteTimeout::new(io, config.write_timeout));
    let connection = builder(config).serve_connection(io, service);
    let mut connection = pin!(connection.with_upgrades());
    let mut closed = pin!(closed.fuse());
    let mut poll = |cx: &mut Context<'_>| {
        if !closed.is_terminated() && closed.as_mut().poll(cx).is_ready() {
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(cx)
    };
    let first = poll_fn(|cx| match poll(cx) {
        Poll::Ready(_) => Poll::Ready(false),
        Poll::Pending if begun.load(Ordering::Relaxed) => Poll::Ready(true),
        Poll::Pending => Poll::Pending,
    });
    // A client that has sent nothing, or half a head, is owed no answer.
    if let Ok(true) = timeout(config.http.header_timeout, first).await
        && let Err(error) = poll_fn(poll).await
    {
        tracing::debug!(%error, "an HTTP connection broke");
    }
}

fn builder(config: &Config) -> http1::Builder {
    let limits = &config.http;
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.keep_alive_timeout)
        .max_buf_size((limits.max_head_bytes + config.max_uri).max(MIN_BUFFER));
    if limits.max_headers > CHEAP_HEADERS {
        builder.max_headers(limits.max_headers);
    }
    builder
}

/// hyper's own limits are wider: it counts what it has buffered.
fn check_head(limits: &HttpLimits, headers: &HeaderMap) -> Option<Response<Full<Bytes>>> {
    let line = |name: &str, value: &[u8]| name.len() + ": \r\n".len() + value.len();
    let lines = headers
        .iter()
        .map(|(name, value)| line(name.as_str(), value.as_bytes()));
    let fits = headers.len() <= limits.max_headers && lines.sum::<usize>() <= limits.max_head_bytes;
    let refused = || polling::bare(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    (!fits).then(|| polling::closing(refused()))
}

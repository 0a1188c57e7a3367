//! HTTP connections: hyper with every limit set.

use std::{
    convert::Infallible,
    future::{Future, poll_fn, ready},
    net::SocketAddr,
    pin::pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::{Either, FusedFuture, FutureExt};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep},
};

use super::{Application, Server, begin};
use crate::{
    config::{Config, HttpLimits},
    transport::{activity::Activity, polling, write_timeout::WriteTimeout},
};

/// Headers that hyper has room for without an allocation of its own.
const CHEAP_HEADERS: usize = 100;
/// hyper takes no smaller buffer.
const MIN_BUFFER: usize = 8 * 1024;
/// How long a connection without a request in work may take to end when the server does: for an
/// answer on its way, not for a request of which half has come.
const ENDING_TIMEOUT: Duration = Duration::from_secs(1);

/// How a connection that speaks HTTP/1.1 is served: hyper waits for ever, this does not.
///
/// A client that takes longer than a limit loses the connection without an answer; one that has sent
/// nothing, or half a head, is owed none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpConnection {
    /// From the start of the connection to the end of its first request's head.
    pub header_timeout: Duration,
    /// From the end of a reply to the end of the next request's head.
    pub keep_alive_timeout: Duration,
    /// How long the client may take no byte of a reply.
    pub write_timeout: Duration,
    /// Header lines that are read; more get 431.
    pub max_headers: usize,
    /// Bytes of a head that are read; more get 431. At least 8 KiB.
    pub max_head_bytes: usize,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpEnd {
    /// The client ended it, a WebSocket took it over, or it was closed in order.
    Done,
    /// There was no request in the time for the first.
    Silent,
    /// There was no further request in time.
    Idle,
}

impl HttpConnection {
    /// Serves `io` until it ends, or a WebSocket takes it over. `io` is a TCP stream (`TCP_NODELAY`
    /// is the caller's business), or one inside TLS. When `closed` is ready it ends, behind the
    /// replies under way.
    pub async fn serve<I, R>(
        self,
        io: I,
        respond: impl Fn(Request<Incoming>) -> R,
        closed: impl Future<Output = ()>,
    ) -> HttpEnd
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        R: Future<Output = Response<Full<Bytes>>> + Send + 'static,
    {
        let activity = Activity::new();
        let service = service_fn(|request| {
            let in_work = activity.begin_request();
            // Not an async block: that would keep the future twice.
            begin(respond(request).map(|response| {
                drop(in_work);
                Ok::<_, Infallible>(response)
            }))
        });
        let io = WriteTimeout::with_activity(io, self.write_timeout, activity.clone());
        let connection = self.builder().serve_connection(TokioIo::new(io), service);
        let mut connection = pin!(connection.with_upgrades());
        let mut closed = pin!(closed.fuse());
        let mut watch = Watch {
            activity: activity.clone(),
            first_due: Instant::now() + self.header_timeout,
            limit: self.keep_alive_timeout,
        };
        let mut timer = pin!(sleep(self.header_timeout.min(watch.limit)));
        poll_fn(|cx: &mut Context<'_>| {
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                if let Err(error) = ended {
                    tracing::debug!(%error, "an HTTP connection broke");
                }
                return Poll::Ready(HttpEnd::Done);
            }
            if !closed.is_terminated() && closed.as_mut().poll(cx).is_ready() {
                timer.as_mut().reset(watch.end());
                connection.as_mut().graceful_shutdown();
                // hyper looks at that when it is polled.
                cx.waker().wake_by_ref();
            }
            while timer.as_mut().poll(cx).is_ready() {
                match watch.next_look() {
                    Ok(due) => timer.as_mut().reset(due),
                    Err(end) => return Poll::Ready(end),
                }
            }
            Poll::Pending
        })
        .await
    }

    fn builder(&self) -> http1::Builder {
        let mut builder = http1::Builder::new();
        builder
            .header_read_timeout(None)
            .max_buf_size(self.max_head_bytes.max(MIN_BUFFER));
        if self.max_headers > CHEAP_HEADERS {
            builder.max_headers(self.max_headers);
        }
        builder
    }
}

/// Knows when a connection has been idle for too long.
struct Watch {
    activity: Activity,
    /// When the first request must be there.
    first_due: Instant,
    /// What an idle connection has from then on.
    limit: Duration,
}

impl Watch {
    /// When to look again, unless the time is up.
    fn next_look(&self) -> Result<Instant, HttpEnd> {
        let now = Instant::now();
        let (due, end) = match self.activity.has_begun() {
            false => (self.first_due, HttpEnd::Silent),
            true => {
                let idle_since = self.activity.idle_since();
                (idle_since.unwrap_or(now) + self.limit, HttpEnd::Idle)
            }
        };
        (due > now).then_some(due).ok_or(end)
    }

    /// The server ends. Gives when to look.
    fn end(&mut self) -> Instant {
        self.limit = ENDING_TIMEOUT;
        self.first_due = Instant::now() + ENDING_TIMEOUT;
        self.first_due
    }
}

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
        self.serve_requests(io, move |request| {
            let server = server.clone();
            async move { server.handle(request, peer).await }
        })
    }

    /// As [`Server::serve_connection`], for an application that answers other requests as well:
    /// `respond` is asked instead of [`Server::handle`].
    pub fn serve_requests<I, F, R>(
        &self,
        io: I,
        respond: F,
    ) -> impl Future<Output = ()> + Send + use<A, I, F, R>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: Fn(Request<Incoming>) -> R + Send + Sync,
        R: Future<Output = Response<Full<Bytes>>> + Send + 'static,
    {
        let server = self.clone();
        let running = self.inner.registry.begin();
        let mut closing = self.inner.closing.subscribe();
        async move {
            let limits = server.config().http;
            let connection = http_connection(server.config());
            let respond = |request: Request<Incoming>| match check_head(&limits, request.headers())
            {
                Some(refused) => Either::Left(ready(refused)),
                None => Either::Right(respond(request)),
            };
            let closed = async move { drop(closing.changed().await) };
            connection.serve(io, respond, closed).await;
            drop(running);
        }
    }
}

fn http_connection(config: &Config) -> HttpConnection {
    let limits = &config.http;
    HttpConnection {
        header_timeout: limits.header_timeout,
        keep_alive_timeout: limits.keep_alive_timeout,
        write_timeout: config.write_timeout,
        max_headers: limits.max_headers,
        max_head_bytes: limits.max_head_bytes + config.max_uri,
    }
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

//! The byte stream under a WebSocket.

use std::{
    cell::Cell,
    io::{self, ErrorKind, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
#[cfg(unix)]
use rustix::net::{SendFlags, send};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};

use super::write_timeout::WriteTimeout;

/// Bytes that are read at once. One such buffer serves all streams of a worker thread.
const SCRATCH_BYTES: usize = 32 * 1024;

thread_local! {
    /// Lent to the stream that reads, and given back when it has read everything: an idle
    /// connection holds no buffer.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A stream that hyper has handed over.
pub(crate) enum StreamIo {
    /// Plain TCP, the common case. Shared, so that a broadcast can write without the task.
    Tcp(Arc<TcpStream>),
    /// Whatever else carried the request, for example TLS.
    Other(Box<TokioIo<Upgraded>>),
}

impl StreamIo {
    /// Takes a stream over, and a copy of what was read from it already: the original would pin
    /// the read buffer of the HTTP connection.
    pub(crate) fn take_over(upgraded: Upgraded) -> (Self, Vec<u8>) {
        let upgraded = match upgraded.downcast::<TokioIo<TcpStream>>() {
            Ok(parts) => return Self::tcp(parts.io.into_inner(), &parts.read_buf),
            Err(upgraded) => upgraded,
        };
        // A session watches its own writes.
        match upgraded.downcast::<TokioIo<WriteTimeout<TcpStream>>>() {
            Ok(parts) => Self::tcp(parts.io.into_inner().into_inner(), &parts.read_buf),
            Err(upgraded) => (Self::Other(Box::new(TokioIo::new(upgraded))), Vec::new()),
        }
    }

    fn tcp(tcp: TcpStream, read: &[u8]) -> (Self, Vec<u8>) {
        (Self::Tcp(Arc::new(tcp)), read.to_vec())
    }

    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(tcp) => loop {
                ready!(tcp.poll_read_ready(cx))?;
                match read_now(tcp, buf) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    result => return Poll::Ready(result),
                }
            },
            Self::Other(io) => {
                let mut buf = ReadBuf::new(buf);
                ready!(Pin::new(io).poll_read(cx, &mut buf))?;
                Poll::Ready(Ok(buf.filled().len()))
            }
        }
    }

    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(tcp) => {
                let mut written = write_now(tcp, slices);
                while is_full(&written) {
                    ready!(tcp.poll_write_ready(cx))?;
                    // Through the runtime: only so does it learn that the stream is full.
                    written = tcp.try_write_vectored(slices);
                }
                Poll::Ready(written)
            }
            Self::Other(io) => Pin::new(io).poll_write_vectored(cx, slices),
        }
    }

    /// The stream, if others than its task may write to it.
    pub(crate) fn shared(&self) -> Option<Arc<TcpStream>> {
        match self {
            Self::Tcp(tcp) => Some(Arc::clone(tcp)),
            Self::Other(_) => None,
        }
    }

    /// Gets bytes out of the buffers that a TLS layer may have.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(_) => Poll::Ready(Ok(())),
            Self::Other(io) => Pin::new(io).poll_flush(cx),
        }
    }

    /// Ends the writing half, if nobody else holds the stream.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(tcp) => match Arc::get_mut(tcp) {
                Some(tcp) => Pin::new(tcp).poll_shutdown(cx),
                None => Poll::Ready(Ok(())),
            },
            Self::Other(io) => Pin::new(io).poll_shutdown(cx),
        }
    }
}

/// Reads once. A short read has emptied the socket, and the runtime is told: to try again, only to
/// hear that nothing is there, would be a second call into the kernel for every message.
fn read_now(tcp: &TcpStream, buf: &mut [u8]) -> io::Result<usize> {
    let mut read = None;
    let tried = tcp.try_io(Interest::READABLE, || {
        let len = tcp.try_read(buf)?;
        read = Some(len);
        match len > 0 && len < buf.len() {
            // Forgets only the readiness from before the read; an end of the stream stays known.
            true => Err(ErrorKind::WouldBlock.into()),
            false => Ok(len),
        }
    });
    read.map_or(tried, Ok)
}

fn is_full(written: &io::Result<usize>) -> bool {
    matches!(written, Err(error) if error.kind() == ErrorKind::WouldBlock)
}

/// Writes once. One slice goes by `send`, which costs the kernel less than `writev`, and without
/// asking the runtime whether the stream is ready: what the runtime knows of a stream lies in a
/// cache line of its own, for each recipient of a broadcast.
pub(crate) fn write_now(tcp: &TcpStream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    match slices {
        #[cfg(unix)]
        [one] => Ok(send(tcp, one, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?),
        many => tcp.try_write_vectored(many),
    }
}

/// Borrows the worker's read buffer; [`give_back_scratch`] returns it.
pub(crate) fn take_scratch() -> Vec<u8> {
    let mut scratch = SCRATCH.take();
    scratch.resize(SCRATCH_BYTES, 0);
    scratch
}

/// Returns a buffer. A second one is dropped.
pub(crate) fn give_back_scratch(buffer: Vec<u8>) {
    if buffer.len() == SCRATCH_BYTES {
        SCRATCH.set(buffer);
    }
}

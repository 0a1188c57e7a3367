//! WebSocket streams: tungstenite for reading, control frames and the close; the session's outbox
//! for everything that is sent.
//!
//! tungstenite never touches the socket. It reads from a [`Shim`] that is fed what the socket gave,
//! and whatever it wants to write (pongs, close frames) the shim collects for the control lane of
//! the outbox. So there is one writer, and no frame ever lands inside another.

use std::{
    io::{self, ErrorKind, Read, Write},
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use hyper::upgrade::Upgraded;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{
    self, Message as WsMessage, Utf8Bytes, WebSocket,
    protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
};

use super::io::{StreamIo, give_back_scratch, take_scratch, write_now};
use crate::proto::{
    Outbox,
    frame::BinaryForm,
    inspector::{Inspector, StreamLimits, Violation},
    outbox::OutboxLimits,
    session::Loss,
};

/// How long a stream that is being closed may take to accept the close frame and end.
const LINGER: Duration = Duration::from_millis(1500);
/// Bytes that are written for one session before others have their turn, but for the end of a write.
const FLUSH_BYTES: usize = 256 * 1024;
/// tungstenite's own read buffer. It is allocated eagerly, so it is small; the bytes come out of
/// the worker's large one.
const READ_BUFFER_BYTES: usize = 256;
/// A message longer than this leaves tungstenite with a large buffer, which is then thrown away.
const RECYCLE_BYTES: usize = 16 * 1024;

/// What a stream needs to know of the configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamOptions {
    pub(crate) max_payload: usize,
    pub(crate) limits: StreamLimits,
    pub(crate) form: BinaryForm,
}

/// An open WebSocket.
pub(crate) struct WebSocketStream {
    io: StreamIo,
    ws: WebSocket<Shim>,
    options: StreamOptions,
}

/// What a stream gave.
pub(crate) enum Incoming {
    Text(Utf8Bytes),
    Binary(Bytes),
}

/// Why a stream gives nothing more, and the code to close it with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    pub(crate) loss: Loss,
    pub(crate) code: Option<CloseCode>,
}

impl WebSocketStream {
    pub(crate) fn new(upgraded: Upgraded, options: StreamOptions) -> Self {
        let (io, read) = StreamIo::take_over(upgraded);
        let shim = Shim::new(read, options.limits);
        Self {
            io,
            ws: websocket(shim, options),
            options,
        }
    }

    /// The form in which this client takes binary messages.
    pub(crate) fn binary_form(&self) -> BinaryForm {
        self.options.form
    }

    /// Reads the next message. Control frames are handled on the way; whatever it gives, their
    /// answers wait in [`WebSocketStream::take_control`].
    pub(crate) fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> Poll<Result<Incoming, Ended>> {
        self.ws.get_mut().now = Some(now);
        loop {
            match self.ws.read() {
                Ok(WsMessage::Text(text)) => {
                    self.recycle(text.len());
                    return Poll::Ready(Ok(Incoming::Text(text)));
                }
                Ok(WsMessage::Binary(data)) => {
                    self.recycle(data.len());
                    return Poll::Ready(Ok(Incoming::Binary(data)));
                }
                Ok(WsMessage::Close(_)) => {
                    // Reading on makes tungstenite write its answer.
                    let _ = self.ws.read();
                    return Poll::Ready(Err(Ended {
                        loss: Loss::Closed,
                        code: None,
                    }));
                }
                Ok(WsMessage::Ping(_) | WsMessage::Pong(_) | WsMessage::Frame(_)) => {}
                Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                    ready!(self.poll_fill(cx));
                }
                Err(error) => return Poll::Ready(Err(self.ended(&error))),
            }
        }
    }

    /// Control frames that are to be sent.
    pub(crate) fn take_control(&mut self) -> Option<Vec<u8>> {
        let outgoing = &mut self.ws.get_mut().outgoing;
        (!outgoing.is_empty()).then(|| std::mem::take(outgoing))
    }

    /// Writes what the outbox holds, up to [`FLUSH_BYTES`]: what is then left is for another turn.
    pub(crate) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        outbox: &mut Outbox,
    ) -> Poll<io::Result<()>> {
        let mut budget = FLUSH_BYTES;
        while outbox.has_pending() && budget > 0 {
            let written = outbox.write_to(|slices| self.io.poll_write(cx, slices));
            budget = budget.saturating_sub(ready!(written)?);
        }
        self.io.poll_flush(cx)
    }

    /// The stream for those who write in the place of its task, if that is possible.
    pub(crate) fn direct(&self) -> Option<DirectStream> {
        self.io.shared().map(DirectStream)
    }

    /// When [`WebSocketStream::handle_timeout`] is to be called.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.ws.get_ref().inspector.poll_timeout()
    }

    /// Whether the message under way takes too long.
    pub(crate) fn handle_timeout(&self, now: Instant) -> Result<(), Ended> {
        let watched = self.ws.get_ref().inspector.handle_timeout(now);
        watched.map_err(|_| Ended {
            loss: Loss::Failed,
            code: Some(CloseCode::Policy),
        })
    }

    /// Ends the stream: writes what `outbox` still holds and a close frame, then closes. Takes at
    /// most [`LINGER`].
    pub(crate) async fn finish(mut self, mut outbox: Outbox, code: Option<CloseCode>) {
        // After a close from the peer this does nothing: the answer is in the outbox already.
        let frame = code.map(|code| CloseFrame {
            code,
            reason: Utf8Bytes::default(),
        });
        let _ = self.ws.close(frame);
        outbox.push_control(&self.take_control().unwrap_or_default());
        let end = std::future::poll_fn(|cx| self.poll_end(cx, &mut outbox));
        // Either way the stream is dropped now.
        let _ = tokio::time::timeout(LINGER, end).await;
    }

    /// Flushes, ends the writing half, and reads until the peer has ended its own. Bytes that were
    /// not read would make the kernel reset the connection, and the close frame could be lost.
    fn poll_end(&mut self, cx: &mut Context<'_>, outbox: &mut Outbox) -> Poll<io::Result<()>> {
        while outbox.has_pending() {
            ready!(self.poll_flush(cx, outbox))?;
        }
        ready!(self.io.poll_shutdown(cx))?;
        let mut scratch = take_scratch();
        let ended = loop {
            match self.io.poll_read(cx, &mut scratch) {
                Poll::Ready(Ok(0) | Err(_)) => break Poll::Ready(Ok(())),
                Poll::Ready(Ok(_)) => {}
                Poll::Pending => break Poll::Pending,
            }
        };
        give_back_scratch(scratch);
        ended
    }

    /// Reads from the socket into the shim, which is empty. A broken connection looks like a closed
    /// one, as it does to the official server.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = take_scratch();
        match self.io.poll_read(cx, &mut scratch) {
            Poll::Ready(result) => {
                self.ws.get_mut().fill(scratch, result.unwrap_or(0));
                Poll::Ready(())
            }
            Poll::Pending => {
                give_back_scratch(scratch);
                Poll::Pending
            }
        }
    }

    /// Replaces tungstenite's state after a long message, and its buffer with it.
    fn recycle(&mut self, message_len: usize) {
        let between = self.ws.get_ref().inspector.is_between_messages();
        if message_len > RECYCLE_BYTES && between && self.ws.can_write() {
            let empty = Shim::new(Vec::new(), self.options.limits);
            let shim = std::mem::replace(self.ws.get_mut(), empty);
            self.ws = websocket(shim, self.options);
        }
    }

    /// What an error of tungstenite means. It sends nothing by itself when it gives one.
    fn ended(&self, error: &tungstenite::Error) -> Ended {
        use tungstenite::{Error, error::ProtocolError};
        let code = match error {
            _ if self.ws.get_ref().violation.is_some() => CloseCode::Policy,
            Error::ConnectionClosed
            | Error::AlreadyClosed
            | Error::Io(_)
            | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
                return Ended {
                    loss: Loss::Closed,
                    code: None,
                };
            }
            Error::Capacity(_) => CloseCode::Size,
            Error::Utf8(_) => CloseCode::Invalid,
            _ => CloseCode::Protocol,
        };
        Ended {
            loss: Loss::Failed,
            code: Some(code),
        }
    }
}

/// A stream that is written to while the session's task sleeps. Whoever writes holds the session's
/// lock, so that there is still one writer at a time.
pub(crate) struct DirectStream(Arc<TcpStream>);

impl DirectStream {
    /// Writes what the outbox holds as far as the stream takes it, up to [`FLUSH_BYTES`].
    pub(crate) fn write(&self, outbox: &mut Outbox) -> io::Result<()> {
        let mut budget = FLUSH_BYTES;
        while outbox.has_pending() && budget > 0 {
            let written = outbox.write_to(|slices| Poll::Ready(write_now(&self.0, slices)));
            let Poll::Ready(written) = written else { break };
            budget = budget.saturating_sub(written?);
        }
        Ok(())
    }
}

fn websocket(shim: Shim, options: StreamOptions) -> WebSocket<Shim> {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_message_size(Some(options.max_payload))
        .max_frame_size(Some(options.max_payload));
    WebSocket::from_raw_socket(shim, Role::Server, Some(config))
}

/// Outbox of a stream that carries no session, for its control frames only.
pub(crate) fn control_outbox(form: BinaryForm) -> Outbox {
    Outbox::new(OutboxLimits::default(), form)
}

/// The two ends that tungstenite sees.
struct Shim {
    inbox: Vec<u8>,
    inbox_pos: usize,
    inbox_end: usize,
    ended: bool,
    outgoing: Vec<u8>,
    inspector: Inspector,
    violation: Option<Violation>,
    /// The time of the turn in which tungstenite reads.
    now: Option<Instant>,
}

impl Shim {
    fn new(read: Vec<u8>, limits: StreamLimits) -> Self {
        Self {
            inbox_end: read.len(),
            inbox: read,
            inbox_pos: 0,
            ended: false,
            outgoing: Vec::new(),
            inspector: Inspector::new(limits),
            violation: None,
            now: None,
        }
    }

    fn fill(&mut self, buffer: Vec<u8>, len: usize) {
        self.inbox = buffer;
        self.inbox_pos = 0;
        self.inbox_end = len;
        self.ended |= len == 0;
    }
}

impl Read for Shim {
    #[expect(
        clippy::expect_used,
        clippy::indexing_slicing,
        reason = "what was read ends inside the inbox, and the inspector passes no more than it was given"
    )]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let waiting = &self.inbox[self.inbox_pos..self.inbox_end];
        if waiting.is_empty() {
            give_back_scratch(std::mem::take(&mut self.inbox));
            (self.inbox_pos, self.inbox_end) = (0, 0);
            return if self.ended {
                Ok(0)
            } else {
                Err(ErrorKind::WouldBlock.into())
            };
        }
        let now = self.now.expect("set before tungstenite reads");
        let waiting = &waiting[..waiting.len().min(buf.len())];
        let passed = self.inspector.pass(waiting, now).map_err(|violation| {
            self.violation = Some(violation);
            io::Error::other(violation)
        })?;
        buf[..passed].copy_from_slice(&waiting[..passed]);
        self.inbox_pos += passed;
        Ok(passed)
    }
}

impl Write for Shim {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

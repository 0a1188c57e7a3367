//! WebSocket streams: tungstenite for reading, control frames and the close; the session's outbox
//! for everything that is sent.
//!
//! tungstenite never touches the socket. Its [`Decoder`] is fed what the socket gave, and whatever
//! it wants to write (pongs, close frames) is collected for the control lane of the outbox. So there
//! is one writer, and no frame ever lands inside another.

use std::{
    io::{self, ErrorKind},
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use hyper::upgrade::Upgraded;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{
    self, Message as WsMessage, Utf8Bytes,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use super::{
    decoder::{Decoder, is_violation},
    io::{StreamIo, give_back_scratch, take_scratch, write_now},
};
use crate::proto::{
    Outbox,
    frame::BinaryForm,
    inspector::{Inspector, StreamLimits},
    outbox::OutboxLimits,
    session::Loss,
};

/// How long a stream that is being closed may take to accept the close frame and end.
const LINGER: Duration = Duration::from_millis(1500);
/// Bytes that are written for one session before others have their turn, but for the end of a write.
const FLUSH_BYTES: usize = 256 * 1024;

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
    inspector: Inspector,
    /// None while the stream is idle.
    decoder: Option<Box<Decoder>>,
    max_payload: usize,
    form: BinaryForm,
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
        let mut stream = Self {
            io,
            inspector: Inspector::new(options.limits),
            decoder: None,
            max_payload: options.max_payload,
            form: options.form,
        };
        if !read.is_empty() {
            let len = read.len();
            stream.decoder().fill(read, len);
        }
        stream
    }

    fn decoder(&mut self) -> &mut Decoder {
        let borrow = || Decoder::borrow(self.max_payload);
        self.decoder.get_or_insert_with(borrow)
    }

    /// The form in which this client takes binary messages.
    pub(crate) fn binary_form(&self) -> BinaryForm {
        self.form
    }

    /// Reads the next message. Control frames are handled on the way; whatever it gives, their
    /// answers are added to `control`.
    pub(crate) fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        control: &mut Vec<u8>,
    ) -> Poll<Result<Incoming, Ended>> {
        loop {
            let Some(decoder) = &mut self.decoder else {
                ready!(self.poll_fill(cx));
                continue;
            };
            match decoder.read(&mut self.inspector, now, control) {
                Ok(WsMessage::Text(text)) => {
                    Decoder::rest(&mut self.decoder, &self.inspector);
                    return Poll::Ready(Ok(Incoming::Text(text)));
                }
                Ok(WsMessage::Binary(data)) => {
                    Decoder::rest(&mut self.decoder, &self.inspector);
                    return Poll::Ready(Ok(Incoming::Binary(data)));
                }
                Ok(WsMessage::Close(_)) => {
                    // Reading on makes tungstenite write its answer.
                    let _ = decoder.read(&mut self.inspector, now, control);
                    return Poll::Ready(Err(Ended {
                        loss: Loss::Closed,
                        code: None,
                    }));
                }
                Ok(WsMessage::Ping(_) | WsMessage::Pong(_) | WsMessage::Frame(_)) => {}
                Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                    Decoder::rest(&mut self.decoder, &self.inspector);
                    ready!(self.poll_fill(cx));
                }
                Err(error) => return Poll::Ready(Err(ended(&error))),
            }
        }
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
        self.inspector.poll_timeout()
    }

    /// Whether the message under way takes too long.
    pub(crate) fn handle_timeout(&self, now: Instant) -> Result<(), Ended> {
        let watched = self.inspector.handle_timeout(now);
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
        let now = tokio::time::Instant::now().into_std();
        let mut control = Vec::new();
        let mut decoder =
            (self.decoder.take()).unwrap_or_else(|| Decoder::borrow(self.max_payload));
        decoder.close(&mut self.inspector, now, frame, &mut control);
        outbox.push_control(&control);
        drop(decoder);
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

    /// Reads from the socket into the decoder, which has read everything. A broken connection looks like a closed
    /// one, as it does to the official server.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = take_scratch();
        match self.io.poll_read(cx, &mut scratch) {
            Poll::Ready(result) => {
                self.decoder().fill(scratch, result.unwrap_or(0));
                Poll::Ready(())
            }
            Poll::Pending => {
                give_back_scratch(scratch);
                Poll::Pending
            }
        }
    }
}

/// What an error of tungstenite means. It sends nothing by itself when it gives one.
fn ended(error: &tungstenite::Error) -> Ended {
    use tungstenite::{Error, error::ProtocolError};
    let code = match error {
        Error::Io(error) if is_violation(error) => CloseCode::Policy,
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

/// Outbox of a stream that carries no session, for its control frames only.
pub(crate) fn control_outbox(form: BinaryForm) -> Outbox {
    Outbox::new(OutboxLimits::default(), form)
}

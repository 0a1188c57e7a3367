//! WebSocket streams: tungstenite for reading, control frames and the close; the session's outbox
//! for everything that is sent.
//!
//! tungstenite never touches the socket. Its decoder is fed what the socket gave, and whatever
//! it wants to write (pongs, close frames) is collected for the control lane of the outbox. So there
//! is one writer, and no frame ever lands inside another.

use std::{
    io,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use hyper::upgrade::Upgraded;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

pub(crate) use super::reader::{Ended, Incoming};
use super::{
    io::{StreamIo, give_back_scratch, take_scratch, write_now},
    reader::Reader,
};
use crate::proto::{Outbox, frame::BinaryForm, inspector::StreamLimits, outbox::OutboxLimits};

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
    reader: Reader,
    form: BinaryForm,
}

impl WebSocketStream {
    pub(crate) fn new(upgraded: Upgraded, options: StreamOptions) -> Self {
        let (io, read) = StreamIo::take_over(upgraded);
        let mut stream = Self {
            io,
            reader: Reader::new(options.limits, options.max_payload),
            form: options.form,
        };
        if !read.is_empty() {
            let len = read.len();
            stream.reader.fill(read, len);
        }
        stream
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
            if let Some(incoming) = self.reader.next(now, control) {
                return Poll::Ready(incoming);
            }
            ready!(self.poll_fill(cx));
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
        self.reader.poll_timeout()
    }

    /// Whether the message under way takes too long.
    pub(crate) fn handle_timeout(&self, now: Instant) -> Result<(), Ended> {
        self.reader.handle_timeout(now)
    }

    /// Ends the stream: writes what `outbox` still holds and a close frame, then closes. Takes at
    /// most [`LINGER`].
    pub(crate) async fn finish(mut self, mut outbox: Outbox, code: Option<CloseCode>) {
        let now = tokio::time::Instant::now().into_std();
        outbox.push_control(&self.reader.close(code, now));
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

    /// Reads from the socket. A broken connection looks like a closed one, as it does to the official
    /// server.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = take_scratch();
        match self.io.poll_read(cx, &mut scratch) {
            Poll::Ready(result) => {
                self.reader.fill(scratch, result.unwrap_or(0));
                Poll::Ready(())
            }
            Poll::Pending => {
                give_back_scratch(scratch);
                Poll::Pending
            }
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

/// Outbox of a stream that carries no session, for its control frames only.
pub(crate) fn control_outbox(form: BinaryForm) -> Outbox {
    Outbox::new(OutboxLimits::default(), form)
}

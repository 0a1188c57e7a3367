//! A byte stream whose peer has to take something now and then.

use std::{
    io::{self, ErrorKind, IoSlice},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::activity::Activity;

/// Fails writes that make no progress for a time. hyper waits for ever for a client that does not
/// read its reply; put this under it, as [`Server::serve_connection`](crate::Server::serve_connection)
/// does. A stream on which nothing waits to be written is never disturbed, and has no timer.
#[derive(Debug)]
pub struct WriteTimeout<I> {
    io: I,
    limit: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    /// Told of every write.
    activity: Option<Activity>,
}

impl<I> WriteTimeout<I> {
    /// Watches `io`: a write may wait for `limit` at most.
    pub fn new(io: I, limit: Duration) -> Self {
        Self {
            io,
            limit,
            stalled: None,
            activity: None,
        }
    }

    pub(crate) fn with_activity(io: I, limit: Duration, activity: Activity) -> Self {
        let activity = Some(activity);
        Self {
            activity,
            ..Self::new(io, limit)
        }
    }

    /// The stream itself.
    pub fn into_inner(self) -> I {
        self.io
    }

    /// A flush that finds nothing to do is none.
    fn note(&self, written: &Poll<io::Result<usize>>) {
        if let (Poll::Ready(Ok(1..)), Some(activity)) = (written, &self.activity) {
            activity.note_write();
        }
    }

    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let limit = self.limit;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(limit)));
        stalled
            .as_mut()
            .poll(cx)
            .map(|()| Err(ErrorKind::TimedOut.into()))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for WriteTimeout<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for WriteTimeout<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.note(&written);
        self.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.note(&written);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.watch(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.io).poll_shutdown(cx);
        self.watch(cx, shut)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, duplex},
        time::{Instant, timeout},
    };

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    #[tokio::test(start_paused = true)]
    async fn a_write_that_makes_no_progress_fails_in_time() {
        let (near, _far) = duplex(8);
        let (mut near, begun) = (WriteTimeout::new(near, LIMIT), Instant::now());
        let error = near.write_all(&[0; 9]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(begun.elapsed(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_byte_now_and_then_is_progress() {
        let (near, mut far) = duplex(8);
        let mut near = WriteTimeout::new(near, LIMIT);
        let writing = tokio::spawn(async move { near.write_all(&[0; 20]).await });
        for _ in 0..20 {
            tokio::time::sleep(LIMIT - Duration::from_secs(1)).await;
            far.read_u8().await.unwrap();
        }
        writing.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_to_write_may_last_for_ever() {
        let (near, _far) = duplex(8);
        let mut near = WriteTimeout::new(near, LIMIT);
        assert!(timeout(LIMIT * 100, near.read_u8()).await.is_err());
        near.write_all(&[0; 8]).await.unwrap();
    }
}

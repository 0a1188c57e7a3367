//! A handler, or the decision about a CONNECT, under way.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::connecting::Outcome;
use super::handler::BoxFuture;
use super::socket::Socket;

/// A handler under way. A panic ends it, and nothing else.
pub(crate) struct Task {
    /// `None` when not even the future could be made.
    work: Option<Work>,
    /// Whose handler it is; nobody's while a CONNECT is decided.
    socket: Option<Socket>,
    /// What its event occupies.
    bytes: usize,
}

enum Work {
    Handler(BoxFuture),
    Connecting(BoxFuture<Outcome>),
}

/// How a task ended.
pub(crate) enum Finished {
    Handler,
    Connecting(Box<Outcome>),
    Panicked(Option<Socket>),
}

/// A task that has ended.
pub(crate) struct Ended {
    pub(super) finished: Finished,
    /// What its event occupied.
    pub(super) bytes: usize,
}

impl Task {
    /// A handler of `socket`, of an event of so many bytes; making its future is part of it.
    pub(crate) fn handler(socket: &Socket, bytes: usize, make: impl FnOnce() -> BoxFuture) -> Self {
        let work = catch_unwind(AssertUnwindSafe(make)).ok().map(Work::Handler);
        Self {
            work,
            socket: Some(socket.clone()),
            bytes,
        }
    }

    /// The decision about a CONNECT.
    pub(super) fn connecting(decide: impl Future<Output = Outcome> + Send + 'static) -> Self {
        Self {
            work: Some(Work::Connecting(Box::pin(decide))),
            socket: None,
            bytes: 0,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn poll_once(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        Pin::new(self).poll(cx)
    }
}

impl Work {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Finished> {
        match self {
            Self::Handler(future) => future.as_mut().poll(cx).map(|()| Finished::Handler),
            Self::Connecting(future) => {
                let outcome = future.as_mut().poll(cx);
                outcome.map(|outcome| Finished::Connecting(Box::new(outcome)))
            }
        }
    }
}

impl Future for Task {
    type Output = Ended;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let this = self.get_mut();
        let polled = catch_unwind(AssertUnwindSafe(|| {
            this.work.as_mut().map(|work| work.poll(cx))
        }));
        let finished = match polled {
            Ok(Some(Poll::Pending)) => return Poll::Pending,
            Ok(Some(Poll::Ready(finished))) => finished,
            Ok(None) | Err(_) => Finished::Panicked(this.socket.take()),
        };
        let bytes = this.bytes;
        Poll::Ready(Ended { finished, bytes })
    }
}

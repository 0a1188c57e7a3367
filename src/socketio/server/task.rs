//! A handler, or the middlewares of a namespace, under way.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::handler::{BoxFuture, ConnectError, ConnectRequest};
use super::namespace::Namespace;
use super::socket::Socket;

/// A handler under way. A panic ends it, and nothing else.
pub(crate) struct Task {
    /// `None` when not even the future could be made.
    work: Option<Work>,
    /// Whose handler it is; nobody's while middlewares decide.
    socket: Option<Socket>,
}

enum Work {
    Handler(BoxFuture),
    Middlewares(
        Namespace,
        ConnectRequest,
        BoxFuture<Result<(), ConnectError>>,
    ),
}

/// How a task ended.
pub(crate) enum Finished {
    Handler,
    Decided(Namespace, ConnectRequest, Result<(), ConnectError>),
    Panicked(Option<Socket>),
}

impl Task {
    /// A handler of `socket`; making its future is part of it.
    pub(crate) fn handler(socket: &Socket, make: impl FnOnce() -> BoxFuture) -> Self {
        let work = catch_unwind(AssertUnwindSafe(make)).ok().map(Work::Handler);
        Self {
            work,
            socket: Some(socket.clone()),
        }
    }

    /// The middlewares of a namespace, one after another up to the first refusal.
    pub(crate) fn middlewares(namespace: Namespace, request: ConnectRequest) -> Self {
        let (inner, asked) = (namespace.clone(), request.clone());
        let decide = Box::pin(async move {
            for middleware in &inner.0.handlers.middlewares {
                middleware(asked.clone()).await?;
            }
            Ok(())
        });
        Self {
            work: Some(Work::Middlewares(namespace, request, decide)),
            socket: None,
        }
    }

    pub(crate) fn poll_once(&mut self, cx: &mut Context<'_>) -> Poll<Finished> {
        Pin::new(self).poll(cx)
    }
}

impl Future for Task {
    type Output = Finished;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Finished> {
        let this = self.get_mut();
        let polled = catch_unwind(AssertUnwindSafe(|| match &mut this.work {
            None => Poll::Ready(None),
            Some(Work::Handler(future)) => {
                future.as_mut().poll(cx).map(|()| Some(Finished::Handler))
            }
            Some(Work::Middlewares(namespace, request, future)) => {
                future.as_mut().poll(cx).map(|decision| {
                    Some(Finished::Decided(
                        namespace.clone(),
                        request.clone(),
                        decision,
                    ))
                })
            }
        }));
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(Some(finished))) => Poll::Ready(finished),
            Ok(Poll::Ready(None)) | Err(_) => Poll::Ready(Finished::Panicked(this.socket.take())),
        }
    }
}

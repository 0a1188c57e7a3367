//! Requests whose client leaves right behind them.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

/// Polls the future of a request once, at once.
///
/// hyper may read a request and the end of its connection in one go, and then drops the future that
/// the service gave before it was ever polled. A GET that its client has cut off must end its
/// session, so the session has to hear of it: call this inside a hyper service, around the future
/// that awaits [`Server::handle`](super::Server::handle).
/// [`ConnectionService`](super::ConnectionService) does so itself.
pub fn begin<T>(future: impl Future<Output = T> + Send + 'static) -> Begun<T> {
    let mut future = Box::pin(future);
    // Whoever polls next brings a waker, and hyper does so before it waits.
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(output) => Begun(State::Done(Some(output))),
        Poll::Pending => Begun(State::Going(future)),
    }
}

/// The future of [`begin`].
#[must_use = "futures do nothing more unless they are polled"]
pub struct Begun<T>(State<T>);

enum State<T> {
    Done(Option<T>),
    Going(Pin<Box<dyn Future<Output = T> + Send>>),
}

/// What is pinned lies in a box of its own.
impl<T> Unpin for Begun<T> {}

impl<T> Future for Begun<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match &mut self.0 {
            State::Done(output) => Poll::Ready(output.take().expect("polled until it is ready")),
            State::Going(future) => future.as_mut().poll(cx),
        }
    }
}

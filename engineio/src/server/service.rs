//! The server as a service of hyper and of tower.

use std::{
    convert::Infallible,
    net::SocketAddr,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;

use super::{Application, Begun, Server, begin};

/// Answers the requests of one connection. Made by [`Server::service`].
pub struct ConnectionService<A: Application> {
    server: Server<A>,
    peer: SocketAddr,
}

type ResponseFuture = Begun<Result<Response<Full<Bytes>>, Infallible>>;

impl<A: Application> Server<A> {
    /// A service for one connection of `peer`.
    #[must_use]
    pub fn service(&self, peer: SocketAddr) -> ConnectionService<A> {
        ConnectionService {
            server: self.clone(),
            peer,
        }
    }
}

impl<A: Application> ConnectionService<A> {
    fn respond<B>(&self, request: Request<B>) -> ResponseFuture
    where
        B: Body + Send + 'static,
        B::Data: Send,
    {
        let (server, peer) = (self.server.clone(), self.peer);
        begin(async move { Ok(server.handle(request, peer).await) })
    }
}

impl<A: Application> Clone for ConnectionService<A> {
    fn clone(&self) -> Self {
        Self {
            server: self.server.clone(),
            peer: self.peer,
        }
    }
}

impl<A, B> hyper::service::Service<Request<B>> for ConnectionService<A>
where
    A: Application,
    B: Body + Send + 'static,
    B::Data: Send,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn call(&self, request: Request<B>) -> Self::Future {
        self.respond(request)
    }
}

impl<A, B> tower_service::Service<Request<B>> for ConnectionService<A>
where
    A: Application,
    B: Body + Send + 'static,
    B::Data: Send,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.respond(request)
    }
}

//! How a client joins a namespace: it is found or made, what a lost connection left behind is
//! fetched, middlewares are asked, and the socket begins.

use std::sync::Arc;
use std::task::Context;
use std::time::Instant;

use engineio::Sid;
use serde::Deserialize;
use serde_json::Value;

use super::client::Client;
use super::driver::Driver;
use super::handler::{ConnectError, ConnectRequest};
use super::io::Shared;
use super::namespace::Namespace;
use super::namespaces::Stay;
use super::occasions::Occasion;
use super::socket::Socket;
use super::task::Task;
use crate::socketio::adapter::Session;
use crate::socketio::proto::connection::Violation;
use crate::socketio::proto::encode;
use crate::socketio::proto::parser::Envelope;

/// A CONNECT that was not decided yet.
pub(super) struct Attempt {
    pub(super) name: Box<str>,
    pub(super) auth: Box<str>,
}

/// How it was decided.
pub(super) enum Outcome {
    /// There is no such namespace.
    Unknown(Box<str>),
    Refused(Stay, ConnectError),
    Granted(Stay, ConnectRequest, Claim),
}

impl Attempt {
    pub(super) async fn decide(self, shared: Arc<Shared>, client: Arc<Client>) -> Outcome {
        let Self { name, auth } = self;
        let request = ConnectRequest::new(random_sid(), Arc::clone(&client), auth.clone());
        let Some(stay) = shared.namespaces.enter(&name, &request).await else {
            return Outcome::Unknown(name);
        };
        let claim = Claim::of(stay.namespace(), &auth).await;
        let request = match &claim.session {
            Some(session) => {
                ConnectRequest::new(session.sid, client, auth).with_data(session.data.clone())
            }
            None => request,
        };
        if claim.session.is_none() || !shared.skip_middlewares {
            for middleware in &stay.namespace().0.handlers.middlewares {
                if let Err(error) = middleware(request.clone()).await {
                    return Outcome::Refused(stay, error);
                }
            }
        }
        Outcome::Granted(stay, request, claim)
    }
}

/// A session that was fetched for a client. It goes back when the client does not get it.
pub(super) struct Claim {
    namespace: Namespace,
    session: Option<Session>,
}

/// What a client that wants to be recovered sends beside its own keys.
#[derive(Deserialize)]
struct Wanted {
    pid: Option<Value>,
    offset: Option<Value>,
}

impl Claim {
    fn none(namespace: &Namespace) -> Self {
        Self {
            namespace: namespace.clone(),
            session: None,
        }
    }

    async fn of(namespace: &Namespace, auth: &str) -> Self {
        let mut claim = Self::none(namespace);
        if namespace.0.adapter.recovers() && wants_recovery(auth) {
            claim.session = restore(namespace, auth).await;
        }
        claim
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            self.namespace.0.adapter.persist_session(session);
        }
    }
}

/// Whether it may: most that connect have nothing to recover, and are not parsed.
fn wants_recovery(auth: &str) -> bool {
    auth.contains("pid")
}

/// An offset that is there but no text recovers nothing; none at all means that nothing was received.
async fn restore(namespace: &Namespace, auth: &str) -> Option<Session> {
    let wanted: Wanted = serde_json::from_str(auth).ok()?;
    let (Some(Value::String(pid)), offset) = (wanted.pid, wanted.offset) else {
        return None;
    };
    let offset = match offset {
        None => None,
        Some(Value::String(offset)) => Some(offset),
        Some(_) => return None,
    };
    let adapter = &namespace.0.adapter;
    adapter.restore_session(&pid, offset.as_deref()).await
}

impl Driver {
    /// A client wants to join.
    pub(super) fn connect(
        &mut self,
        name: Box<str>,
        auth: Box<str>,
        now: Instant,
    ) -> Result<(), Violation> {
        let namespaces = &self.shared.namespaces;
        match namespaces.fixed.get(&name) {
            Some(known) if known.lets_in_at_once(&auth) => {
                let (stay, claim) = (Stay::forever(known.clone()), Claim::none(known));
                let request = ConnectRequest::new(random_sid(), Arc::clone(&self.client), auth);
                self.accept(stay, &request, claim);
            }
            None if namespaces.parents.is_empty() => self.reject_unknown(name, now)?,
            _ => {
                let attempt = Attempt { name, auth };
                self.occasions.push(Occasion::Asked(attempt));
            }
        }
        Ok(())
    }

    /// The namespace does not exist. The client learns it in its turn.
    fn reject_unknown(&mut self, name: Box<str>, now: Instant) -> Result<(), Violation> {
        let limits = &self.shared.limits;
        self.connection.reject_unknown(&name, limits, now)?;
        self.occasions.push(Occasion::Unknown(name));
        Ok(())
    }

    pub(super) fn decide(&mut self, attempt: Attempt, cx: &mut Context<'_>) {
        let (shared, client) = (Arc::clone(&self.shared), Arc::clone(&self.client));
        self.run(Task::connecting(attempt.decide(shared, client)), cx);
    }

    pub(super) fn decided(&mut self, outcome: Outcome) {
        if self.ended {
            return;
        }
        match outcome {
            Outcome::Granted(stay, request, claim) => self.accept(stay, &request, claim),
            Outcome::Refused(stay, error) => self.refuse(stay.namespace(), &error),
            Outcome::Unknown(name) => {
                let now = tokio::time::Instant::now().into_std();
                if let Err(violation) = self.reject_unknown(name, now) {
                    self.close_over(&violation);
                }
            }
        }
    }

    /// Grants a CONNECT, unless the client has left meanwhile.
    fn accept(&mut self, stay: Stay, request: &ConnectRequest, claim: Claim) {
        if self.ended {
            return;
        }
        let socket = Socket::new(request, stay, claim.session.as_ref());
        let name = socket.namespace_name();
        // What comes next is for this socket already. The client is told when all that came before
        // has begun: a predecessor in the namespace may still have something to say.
        if self.connection.accept(name, socket.clone()) {
            self.occasions.push(Occasion::Connected(socket, claim));
        }
    }

    /// The beginning of a socket: the client learns of it before a handler can emit.
    pub(super) fn welcome(&mut self, socket: &Socket, mut claim: Claim, cx: &mut Context<'_>) {
        socket.mark_connected();
        let namespace = socket.namespace().clone();
        let pid = socket.pid();
        let pid = pid.as_ref().map(Sid::as_str);
        let connect = encode::connect(socket.envelope(), socket.id(), pid);
        if let Some(session) = claim.session.take() {
            namespace.0.adapter.resume(socket, &session, connect);
        } else {
            self.send(connect);
            namespace.0.adapter.add(socket);
        }
        for handler in &namespace.0.handlers.on_connect {
            self.run(Task::handler(socket, 0, || handler(socket.clone())), cx);
        }
    }

    fn refuse(&mut self, namespace: &Namespace, error: &ConnectError) {
        self.connection.reject(namespace.name());
        self.send(encode::connect_error(
            namespace.0.envelope(),
            &error.message,
            error.data.as_ref(),
        ));
    }

    pub(super) fn tell_unknown(&self, name: &str) {
        let envelope = Envelope {
            parser: self.shared.parser,
            namespace: name,
        };
        self.send(encode::connect_error(envelope, "Invalid namespace", None));
    }
}

impl Namespace {
    /// Whether nobody has to be asked about a client that sends this.
    fn lets_in_at_once(&self, auth: &str) -> bool {
        let recovers = self.0.adapter.recovers() && wants_recovery(auth);
        self.0.handlers.middlewares.is_empty() && !recovers
    }
}

/// An id of the operating system's random source.
pub(crate) fn random_sid() -> Sid {
    let mut random = [0; Sid::LEN];
    getrandom::fill(&mut random).expect("the operating system has a random source");
    Sid::from_random(random)
}

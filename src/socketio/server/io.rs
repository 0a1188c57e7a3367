//! The server: namespaces on an Engine.IO server.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use engineio::{Application, CloseMode, Handshake, Server, SessionHandle};
use http::{Request, Response};
use http_body_util::Full;
use serde::Serialize;
use tokio::net::TcpStream;

use super::bundles::{Bundles, ClientBundles};
use super::driver::Driver;
use super::handler::{SocketData, put_data};
use super::namespace::{Namespace, NamespaceBuilder};
use super::namespaces::{
    AdapterFactory, Maker, NamespaceRule, Namespaces, Parent, ParentNamespace,
};
use super::operators::Broadcast;
use super::socket::{EmitError, Socket};
use crate::socketio::adapter::{Adapter, LocalAdapter, Metrics, RecoveryOptions};
use crate::socketio::proto::connection::ConnectionLimits;
use crate::socketio::proto::names::DEFAULT_NAMESPACE;
use crate::socketio::proto::parser::Parser;

type Attach = Box<dyn FnOnce(&Io) + Send + Sync>;
type Register = Box<dyn Fn(NamespaceBuilder) -> NamespaceBuilder + Send + Sync>;

/// Configures a server.
#[must_use]
pub struct IoBuilder {
    path: String,
    engine: engineio::Config,
    parser: Parser,
    limits: ConnectionLimits,
    max_rooms: usize,
    adapter: Option<AdapterFactory>,
    metrics: Arc<Metrics>,
    namespaces: HashMap<Box<str>, NamespaceBuilder>,
    parents: Vec<(NamespaceRule, NamespaceBuilder)>,
    everywhere: Vec<Register>,
    on_built: Vec<Attach>,
    cleanup_children: bool,
    max_children: usize,
    on_new_namespace: Option<Box<dyn Fn(Namespace) + Send + Sync>>,
    recovery: Option<RecoveryOptions>,
    states: SocketData,
    bundles: Option<ClientBundles>,
}

impl IoBuilder {
    /// The exact path, with its trailing slash. Default `/socket.io/`.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// The settings of the engine. Its path is set by [`path`](Self::path).
    pub fn engine(mut self, config: engineio::Config) -> Self {
        self.engine = config;
        self
    }

    /// The form of the packets. Default [`Parser::Json`]; every client must use the same.
    pub fn parser(mut self, parser: Parser) -> Self {
        self.parser = parser;
        self
    }

    /// How long a client may stay without having joined any namespace. Default 45 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.limits.connect_timeout = timeout;
        self
    }

    /// The limits of one connection. The bytes of attachments are bounded by the engine's
    /// `max_payload` too.
    pub fn limits(mut self, limits: ConnectionLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Where is counted what is sent; broadcasts only unless an [`adapter`](Self::adapter) is set. What
    /// the engine counts goes to the metrics of its own configuration.
    pub fn metrics(mut self, metrics: Arc<Metrics>) -> Self {
        self.metrics = metrics;
        self
    }

    /// In how many rooms a socket may be beside its own. Default 1024.
    pub fn max_rooms(mut self, max_rooms: usize) -> Self {
        self.max_rooms = max_rooms;
        self
    }

    /// Makes the adapter of each namespace, given its name. Default: a [`LocalAdapter`] with the
    /// limit of [`max_rooms`](Self::max_rooms), and the
    /// [recovery](Self::connection_state_recovery) that was asked for.
    pub fn adapter(
        mut self,
        make: impl Fn(&str) -> Box<dyn Adapter> + Send + Sync + 'static,
    ) -> Self {
        self.adapter = Some(Box::new(make));
        self
    }

    /// Declares a namespace. `/` exists without it; a client that asks for one that was not declared
    /// is refused with `Invalid namespace`.
    pub fn namespace(
        mut self,
        name: &str,
        register: impl FnOnce(NamespaceBuilder) -> NamespaceBuilder,
    ) -> Self {
        let builder = self.namespaces.remove(name).unwrap_or_default();
        self.namespaces.insert(name.into(), register(builder));
        self
    }

    /// Lets clients make namespaces: one that was not declared and that `rule` allows is made when it
    /// is asked for first, with the handlers of `register`. Rules are asked in the order in which
    /// they were added. A text is a [pattern](NamespaceRule::pattern).
    ///
    /// ```
    /// use parlance::socketio::{Io, NamespaceRule, Socket};
    ///
    /// let io = Io::builder()
    ///     .dynamic_namespace("/dynamic-*", |ns| {
    ///         ns.on_connect(async |socket: Socket| {
    ///             _ = socket.emit("welcome", socket.namespace().name());
    ///         })
    ///     })
    ///     .dynamic_namespace(
    ///         NamespaceRule::asking("tenants", async |name, request| {
    ///             name == format!("/tenant/{}", request.auth()["tenant"])
    ///         }),
    ///         |ns| ns,
    ///     )
    ///     .build();
    /// let parent = io.parent("/dynamic-*").expect("declared above");
    /// parent.emit("hello", "all of them").expect("encodable");
    /// ```
    pub fn dynamic_namespace(
        mut self,
        rule: impl Into<NamespaceRule>,
        register: impl FnOnce(NamespaceBuilder) -> NamespaceBuilder,
    ) -> Self {
        let handlers = register(NamespaceBuilder::default());
        self.parents.push((rule.into(), handlers));
        self
    }

    /// Registers the same on every namespace: those that were declared, `/`, and those that rules
    /// allow, wherever in the configuration they stand. It comes after what was registered on each.
    pub fn every_namespace(
        mut self,
        register: impl Fn(NamespaceBuilder) -> NamespaceBuilder + Send + Sync + 'static,
    ) -> Self {
        self.everywhere.push(Box::new(register));
        self
    }

    /// Runs once the server was built, for whatever needs it. Handlers of events ask for [`Io`] as
    /// a parameter; the others have [`Socket::io`].
    pub fn on_built(mut self, take: impl FnOnce(&Io) + Send + Sync + 'static) -> Self {
        self.on_built.push(Box::new(take));
        self
    }

    /// Whether a namespace that a rule has allowed goes when the last socket has left it, or the only
    /// client that asked for it was refused. What was kept for lost connections goes with it.
    /// Default no.
    pub fn cleanup_empty_child_namespaces(mut self, cleanup: bool) -> Self {
        self.cleanup_children = cleanup;
        self
    }

    /// How many namespaces that rules allow may exist at once; beyond it they are refused as
    /// unknown. Default 1000.
    pub fn max_child_namespaces(mut self, max: usize) -> Self {
        self.max_children = max;
        self
    }

    /// Runs when a namespace was made that a rule has allowed.
    pub fn on_new_namespace(mut self, tell: impl Fn(Namespace) + Send + Sync + 'static) -> Self {
        self.on_new_namespace = Some(Box::new(tell));
        self
    }

    /// Lets clients that lost their connection come back to their socket: with its id, rooms and
    /// data, and with what was emitted meanwhile ([`Socket::recovered`]). Events then carry one more
    /// argument, an offset, as the official client expects. Volatile events and those that are to
    /// be answered are not sent again. Default off.
    ///
    /// With an [`adapter`](Self::adapter) of one's own it is that adapter's business; this decides
    /// about the middlewares alone then.
    pub fn connection_state_recovery(mut self, options: RecoveryOptions) -> Self {
        self.recovery = Some(options);
        self
    }

    /// Gives handlers something to share: a pool, a cache, a configuration. They ask for it by its
    /// type, as [`State`](super::extract::State). A second value of a type replaces the first.
    pub fn state<S: Any + Send + Sync>(mut self, state: S) -> Self {
        put_data(&mut self.states, state);
        self
    }

    /// Serves the official browser client at the server's path.
    pub fn client_bundles(mut self, bundles: ClientBundles) -> Self {
        self.bundles = Some(bundles);
        self
    }

    /// Starts the server. It has no socket of its own: see [`Io::serve`] and [`Io::handle`].
    pub fn build(mut self) -> Io {
        let on_built = std::mem::take(&mut self.on_built);
        let io = Io(Arc::new_cyclic(|io| self.inner(WeakIo(io.clone()))));
        on_built.into_iter().for_each(|take| take(&io));
        io
    }

    /// `io` is where handlers find the server.
    fn inner(mut self, io: WeakIo) -> Inner {
        put_data(&mut self.states, io);
        self.namespaces.entry(DEFAULT_NAMESPACE.into()).or_default();
        self.engine.path.clone_from(&self.path);
        self.engine.add_trailing_slash = self.path.ends_with('/');
        self.limits.max_attachment_bytes = self
            .limits
            .max_attachment_bytes
            .min(self.engine.max_payload);
        let metrics = Arc::clone(&self.metrics);
        let maker = Maker {
            parser: self.parser,
            states: Arc::new(self.states),
            metrics: Arc::clone(&self.metrics),
            adapter: self.adapter.take().unwrap_or_else(|| {
                let silence = silence(&self.engine);
                local_adapters(self.max_rooms, self.recovery, silence, self.metrics)
            }),
        };
        let everywhere = self.everywhere;
        let complete = |handlers| {
            let complete = everywhere.iter().fold(handlers, |all, more| more(all));
            Arc::new(complete)
        };
        let make = |(name, handlers): (Box<str>, NamespaceBuilder)| {
            let namespace = maker.make(&name, complete(handlers));
            (name, namespace)
        };
        let fixed: HashMap<_, _> = self.namespaces.into_iter().map(make).collect();
        let root = fixed[DEFAULT_NAMESPACE].clone();
        let parents = self.parents.into_iter().map(|(rule, handlers)| Parent {
            rule,
            handlers: complete(handlers),
        });
        let mut namespaces = Namespaces::new(fixed, parents.collect(), maker);
        namespaces.cleanup = self.cleanup_children;
        namespaces.max_children = self.max_children;
        namespaces.on_new = self.on_new_namespace;
        let shared = Shared {
            namespaces: Arc::new(namespaces),
            parser: self.parser,
            limits: self.limits,
            metrics,
            skip_middlewares: self.recovery.unwrap_or_default().skip_middlewares,
            closing: AtomicBool::new(false),
        };
        let shared = Arc::new(shared);
        let engine = Server::new(self.engine, App(Arc::clone(&shared)));
        Inner {
            engine,
            shared,
            root,
            path: self.path,
            bundles: self.bundles.as_ref().map(Bundles::new),
        }
    }
}

fn local_adapters(
    max_rooms: usize,
    recovery: Option<RecoveryOptions>,
    silence: Duration,
    metrics: Arc<Metrics>,
) -> AdapterFactory {
    Box::new(move |_| {
        let adapter = LocalAdapter::new(max_rooms).with_metrics(Arc::clone(&metrics));
        Box::new(match recovery {
            Some(options) => adapter.with_recovery(options, silence),
            None => adapter,
        })
    })
}

/// How long a client may have received nothing before its connection counts as lost: a ping, its
/// time-out, which other packets extend once, and the times for which nothing is read or written.
fn silence(engine: &engineio::Config) -> Duration {
    engine.ping_interval
        + 2 * engine.ping_timeout
        + engine.stall_timeout
        + engine.congestion_timeout
        + engine.write_timeout
}

impl fmt::Debug for IoBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IoBuilder")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// What every session of a server needs.
pub(crate) struct Shared {
    pub(crate) namespaces: Arc<Namespaces>,
    pub(crate) parser: Parser,
    pub(crate) limits: ConnectionLimits,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) skip_middlewares: bool,
    closing: AtomicBool,
}

impl Shared {
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }
}

/// The engine's application.
struct App(Arc<Shared>);

impl Application for App {
    type Handler = Driver;

    fn open(&self, handshake: Handshake, session: SessionHandle) -> Driver {
        // The runtime's clock, as the engine uses it, so that tests can stop it.
        let now = tokio::time::Instant::now().into_std();
        Driver::new(Arc::clone(&self.0), handshake, session, now)
    }
}

/// A Socket.IO server. Cheap to clone; but a closure that the server keeps takes a [`WeakIo`], or
/// neither is ever freed.
///
/// What concerns many sockets can be asked of a [`Namespace`]; the methods here mean `/`.
#[derive(Clone)]
pub struct Io(Arc<Inner>);

/// A reference to a server that does not keep it: for handlers, which the server itself keeps.
#[derive(Clone)]
pub struct WeakIo(Weak<Inner>);

impl WeakIo {
    /// The server, if it is still there.
    pub fn upgrade(&self) -> Option<Io> {
        self.0.upgrade().map(Io)
    }
}

impl fmt::Debug for WeakIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakIo").finish_non_exhaustive()
    }
}

struct Inner {
    engine: Server<App>,
    shared: Arc<Shared>,
    root: Namespace,
    path: String,
    bundles: Option<Bundles>,
}

impl Io {
    /// Configures a server.
    pub fn builder() -> IoBuilder {
        IoBuilder {
            path: "/socket.io/".to_owned(),
            engine: engineio::Config::default(),
            parser: Parser::default(),
            limits: ConnectionLimits::default(),
            max_rooms: 1024,
            adapter: None,
            metrics: Arc::default(),
            namespaces: HashMap::new(),
            parents: Vec::new(),
            everywhere: Vec::new(),
            on_built: Vec::new(),
            cleanup_children: false,
            max_children: 1000,
            on_new_namespace: None,
            recovery: None,
            states: Vec::new(),
            bundles: None,
        }
    }

    /// Answers an HTTP request under the server's path: client files, handshakes, polls, upgrades.
    /// `peer` is the address of the client.
    pub async fn handle<B>(&self, request: Request<B>, peer: SocketAddr) -> Response<Full<Bytes>>
    where
        B: http_body::Body + Send,
        B::Data: Send,
    {
        let bundles = self.0.bundles.as_ref();
        let Some(asked) = bundles.and_then(|bundles| bundles.find(&self.0.path, &request)) else {
            return self.0.engine.handle(request, peer).await;
        };
        let (parts, _) = request.into_parts();
        // Where the delegate could not decide, the file is for pages of the server's own.
        let cors = self.0.engine.cors(&parts, peer).await.ok().flatten();
        asked.reply(cors.as_deref(), &parts.headers).await
    }

    /// The path that the server answers, client files below it included.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// What it has counted on the way out.
    pub fn metrics(&self) -> &Metrics {
        &self.0.root.0.metrics
    }

    /// A reference that does not keep the server.
    pub fn downgrade(&self) -> WeakIo {
        WeakIo(Arc::downgrade(&self.0))
    }

    pub(crate) fn engine_config(&self) -> &engineio::Config {
        self.0.engine.config()
    }

    /// Serves HTTP on a connection, with the limits of the engine's configuration.
    pub(super) async fn serve_connection(&self, tcp: TcpStream, peer: SocketAddr) {
        let io = self.clone();
        let respond = move |request| {
            let io = io.clone();
            async move { io.handle(request, peer).await }
        };
        self.0.engine.serve_requests(tcp, respond).await;
    }

    /// A namespace, if it was declared or exists. One that a rule allows without asking is made.
    pub fn of(&self, name: &str) -> Option<Namespace> {
        self.0.shared.namespaces.of(name)
    }

    /// The namespaces that the rule of this label has allowed, see [`NamespaceRule`]. `None` when
    /// there is no such rule.
    pub fn parent(&self, label: &str) -> Option<ParentNamespace> {
        self.0.shared.namespaces.parent(label)
    }

    /// Every namespace that exists now, in no order.
    pub fn namespaces(&self) -> Vec<Namespace> {
        self.0.shared.namespaces.all()
    }

    /// The namespace `/`.
    pub fn root(&self) -> &Namespace {
        &self.0.root
    }

    /// Everybody in a room.
    pub fn to<'a>(&'a self, room: &'a str) -> Broadcast<'a> {
        self.0.root.to(room)
    }

    /// Everybody in a room; the same as [`to`](Self::to).
    pub fn in_<'a>(&'a self, room: &'a str) -> Broadcast<'a> {
        self.0.root.to(room)
    }

    /// Everybody but those in a room.
    pub fn except<'a>(&'a self, room: &'a str) -> Broadcast<'a> {
        self.0.root.except(room)
    }

    /// Emits to everybody. A tuple is several arguments; bytes become attachments.
    ///
    /// # Errors
    /// The value cannot be encoded.
    pub fn emit<T: Serialize + ?Sized>(&self, event: &str, data: &T) -> Result<(), EmitError> {
        self.0.root.emit(event, data)
    }

    /// The socket with this id.
    pub fn socket(&self, id: &str) -> Option<Socket> {
        self.0.root.socket(id)
    }

    /// Handles on the connections of this moment, for looking at what waits for them.
    pub fn sessions(&self) -> Vec<SessionHandle> {
        self.0.engine.sessions()
    }

    /// Number of open connections, those that have joined no namespace included.
    pub fn clients_count(&self) -> usize {
        self.0.engine.clients_count()
    }

    /// Ends up to `most` connections after what is queued for them, for a stop that does not send
    /// everybody away in one moment; says how many were open. Their sockets are disconnected as by
    /// [`close`](Self::close), which must follow.
    pub fn close_some(&self, most: usize) -> usize {
        self.0.shared.closing.store(true, Ordering::Release);
        let open = self.0.engine.sessions();
        let leaving = open.iter().filter(|session| !session.is_closed());
        for session in leaving.take(most) {
            session.close(CloseMode::Flush);
        }
        open.len()
    }

    /// Waits until every connection has ended and no handler is under way. For use after
    /// [`close`](Self::close); a time-out belongs around it.
    pub async fn closed(&self) {
        self.0.engine.closed().await;
    }

    /// Ends every connection at once; sockets are disconnected as [`ServerShuttingDown`], and their
    /// clients come back when they can.
    ///
    /// [`ServerShuttingDown`]: super::reason::DisconnectReason::ServerShuttingDown
    pub fn close(&self) {
        self.0.shared.closing.store(true, Ordering::Release);
        self.0.engine.close();
        for namespace in self.namespaces() {
            namespace.0.adapter.close();
        }
    }
}

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Io")
            .field("path", &self.0.path)
            .finish_non_exhaustive()
    }
}

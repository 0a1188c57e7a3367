//! The composition root: everything is opened, joined and closed here.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, ORIGIN};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use secrecy::SecretString;
use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::chat::{self, Chat, ChatConfig, Durability, OpenError, RateLimits};
use crate::config::{DATA_DIR, Drain, Origins, SecretError, Settings, StorageSettings, bytes};
use crate::drain::{self, drain};
use crate::http::{
    CLIENT_FILES, CLIENT_VERSION, Cors, Reply, Router, Server, Serving, Site, StaticFiles,
};
use crate::socketio::{ClientBundles, Io, IoBuilder};

/// The largest packet or request body of a Socket.IO client, in bytes; it is
/// told, and splits by it.
const MAX_PAYLOAD_BYTES: usize = 100_000;
/// How long a client may stay connected without a token.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// How long handlers that are under way may take when the server ends.
const HANDLERS_LIMIT: Duration = Duration::from_secs(5);
/// How long the answers that are under way may take when the server ends.
const ANSWERS_LIMIT: Duration = Duration::from_secs(5);
/// How long the writer may take to finish what it has taken.
const WRITER_LIMIT: Duration = Duration::from_secs(10);

/// Why the server did not start. Nothing is left half open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The data folder cannot be made.
    #[error("{DATA_DIR}: cannot make the folder {path}")]
    DataDir {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no secret to sign tokens with.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The database cannot be opened, or a key is unfit.
    #[error("cannot open the chat on {database}")]
    Chat {
        /// Where the database is.
        database: String,
        /// What is wrong.
        source: OpenError,
    },
    /// The port cannot be had.
    #[error(transparent)]
    Listen(io::Error),
}

impl StartError {
    /// Whether a setting is to blame, which the text names: then the program ends with status 2.
    pub fn is_a_setting(&self) -> bool {
        matches!(self, Self::DataDir { .. })
    }
}

/// Opens everything and begins to accept connections.
///
/// # Errors
/// [`StartError`] says which part could not be opened.
pub async fn start(settings: Settings) -> Result<Running, StartError> {
    let addresses = settings.listen.addresses().await;
    let server =
        Server::bind(&addresses.map_err(StartError::Listen)?).map_err(StartError::Listen)?;
    warn_of(&settings);
    let secret = load_secret(&settings)?;
    let chat = open_chat(&settings.storage, &secret, |config| {
        config.registration = settings.registration;
        config.rate_limits = settings.rate_limits;
        config.host_tokens = settings.host_tokens.clone();
    });
    let chat = chat.await?;
    let io = sockets(&settings.origins)
        .namespace("/", |namespace| chat::events::namespace(&chat, namespace))
        .build();
    chat.attach(&io);
    let drain = settings.drain;
    let app = Arc::new(App {
        draining: AtomicBool::new(false),
        io,
        api: chat::rest::router(),
        chat,
        cors: Cors::new(settings.origins),
        files: StaticFiles::default(),
    });
    let address = server.address();
    let serving = server.serve(&app);
    Ok(Running {
        app,
        address,
        serving,
        drain,
    })
}

/// Opens the chat application in its data folder, which is made if need be;
/// `adjust` changes the defaults.
///
/// # Errors
/// When the folder or the database cannot be opened.
pub(crate) async fn open_chat(
    storage: &StorageSettings,
    secret: &SecretString,
    adjust: impl FnOnce(&mut ChatConfig),
) -> Result<Arc<Chat>, StartError> {
    make_data_dir(storage)?;
    let database = storage.database.to_string();
    let mut config = ChatConfig::new(storage.database.url(), []);
    config.token_secret = bytes(secret);
    config.durability = storage.durability;
    adjust(&mut config);
    let opened = Chat::open(config).await;
    opened.map_err(|source| StartError::Chat { database, source })
}

fn load_secret(settings: &Settings) -> Result<SecretString, StartError> {
    make_data_dir(&settings.storage)?;
    Ok(settings.jwt_secret.load()?)
}

fn make_data_dir(storage: &StorageSettings) -> Result<(), StartError> {
    let path = storage.data_dir.clone();
    let made = storage.make_data_dir();
    made.map_err(|source| StartError::DataDir { path, source })
}

/// What an operator must not overlook.
fn warn_of(settings: &Settings) {
    if settings.rate_limits == RateLimits::Off {
        tracing::warn!("rate limits are off: for load tests only");
    }
    if settings.storage.durability == Durability::Relaxed {
        tracing::warn!("durability is relaxed: a power cut loses the last acknowledged messages");
    }
    if CLIENT_VERSION.is_none() {
        tracing::warn!("built without the browser client: the example page does not work");
    }
}

/// A server that accepts connections.
pub struct Running {
    app: Arc<App>,
    address: SocketAddr,
    serving: Serving,
    drain: Drain,
}

impl Running {
    /// The first address that it listens on, with its real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it in bounded time: not ready, clients told, sessions closed by and by, answers
    /// finished, everything acknowledged on disk. The port stays open until the sessions are
    /// closed, so that the world can see that the server is not ready, and polls are answered.
    pub async fn stop(self) {
        self.app.draining.store(true, Ordering::Relaxed);
        sleep(self.drain.delay).await;
        drain(&self.app.io, self.drain.spread).await;
        self.serving.stop();
        self.app.io.close();
        if timeout(HANDLERS_LIMIT, self.app.io.closed()).await.is_err() {
            tracing::warn!("some requests of clients were cut off");
        }
        if !self.serving.finish(ANSWERS_LIMIT).await {
            tracing::warn!("some requests were cut off");
        }
        if timeout(WRITER_LIMIT, self.app.chat.close()).await.is_err() {
            tracing::warn!("the database did not finish in time");
        }
    }
}

/// The Socket.IO server, with the chat profile's limits.
fn sockets(origins: &Origins) -> IoBuilder {
    let engine = engineio::Config {
        max_payload: MAX_PAYLOAD_BYTES,
        cors: engine_cors(origins),
        ..engineio::Config::default()
    };
    let io = Io::builder().engine(engine).connect_timeout(CONNECT_LIMIT);
    match CLIENT_VERSION {
        Some(version) => io.client_bundles(ClientBundles {
            version,
            files: CLIENT_FILES,
        }),
        None => io,
    }
}

fn engine_cors(origins: &Origins) -> Option<engineio::Cors> {
    let origins = match origins {
        Origins::Own => return None,
        Origins::Any => engineio::Origins::Any,
        Origins::Listed(listed) => engineio::Origins::List(listed.clone()),
    };
    Some(engineio::Cors {
        origins,
        ..engineio::Cors::default()
    })
}

/// What answers requests.
struct App {
    /// The end has begun: not ready, and nobody new.
    draining: AtomicBool,
    io: Io,
    chat: Arc<Chat>,
    api: Router<Arc<Chat>>,
    cors: Cors,
    files: StaticFiles,
}

impl Site for App {
    async fn respond(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        if path == "/api" || path.starts_with("/api/") {
            return self.api(request, peer).await;
        }
        if self.is_draining() && path == self.io.path() && opens_session(request.uri()) {
            return drain::refusal().into();
        }
        if path.starts_with(self.io.path()) {
            return self.io.handle(request, peer).await;
        }
        match path {
            "/healthz" => health(StatusCode::OK, "alive"),
            "/readyz" => self.ready().await,
            "/api-docs/openapi.json" => document(request.method(), chat::api::openapi()),
            "/api-docs/asyncapi.json" => document(request.method(), chat::api::asyncapi()),
            _ => self.files.respond(&request),
        }
    }
}

impl App {
    async fn api(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Full<Bytes>> {
        if let Some(preflight) = self.cors.preflight(&request) {
            return preflight;
        }
        let origin = request.headers().get(ORIGIN).cloned();
        let chat = Arc::clone(&self.chat);
        let mut response = self.api.handle(chat, request, peer).await;
        self.cors.mark(origin.as_ref(), response.headers_mut());
        response
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    async fn ready(&self) -> Response<Full<Bytes>> {
        if self.is_draining() {
            return drain::refusal().into();
        }
        match self.chat.check_ready().await {
            Ok(()) => health(StatusCode::OK, "ready"),
            Err(error) => Reply::from(error).into(),
        }
    }
}

/// Whether a request under the path of Socket.IO is a handshake: it names no session.
fn opens_session(uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).all(|(name, _)| name != "sid")
}

/// A document of the API description.
fn document(method: &Method, document: &serde_json::Value) -> Response<Full<Bytes>> {
    if method == Method::GET || method == Method::HEAD {
        return Reply::json(StatusCode::OK, document).into();
    }
    let allow = HeaderValue::from_static("GET, HEAD");
    Reply::from(chat::Error::MethodNotAllowed)
        .header(ALLOW, allow)
        .into()
}

fn health(status: StatusCode, state: &str) -> Response<Full<Bytes>> {
    Reply::success(status, &json!({ "status": state })).into()
}

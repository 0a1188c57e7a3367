//! The composition root: everything is opened, joined and closed here.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engineio::proto::outbox::OutboxLimits;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::{sleep, timeout};

use crate::chat::auth::verify;
use crate::chat::{self, Chat, ChatConfig, Durability, OpenError, RateLimits};
use crate::config::{
    AdminUi, DATA_DIR, Drain, LISTEN, Limits, Listen, METRICS_LISTEN, Origins, SecretError,
    Settings, StorageSettings, bytes,
};
use crate::drain::drain;
use crate::http::{
    AddressLimits, Admission, AdmissionLimits, CLIENT_FILES, CLIENT_VERSION, Cors, Gate, Server,
    Serving, StaticFiles, Tls, TlsError,
};
use crate::metrics::Metrics;
use crate::shutdown::Reloads;
use crate::site::{Inside, SessionPass, Whole};
use crate::socketio::{
    ADMIN_NAMESPACE, AdminOptions, ClientBundles, ConnectError, ConnectRequest, Io, IoBuilder,
};

/// How often the certificate's files are looked at.
const CERTIFICATE_PERIOD: Duration = Duration::from_secs(60);
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
    /// The certificate, which was good when the settings were checked, is not any more.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The port cannot be had: now, or with the rights that the program has.
    #[error("{setting}: {source}")]
    Listen {
        /// The setting that asks for it.
        setting: &'static str,
        /// What is wrong with which address.
        source: io::Error,
    },
    /// The system does not tell the program of signals.
    #[error("cannot wait for signals")]
    Signals(#[source] io::Error),
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
    let server = bind(LISTEN, &settings.listen).await?;
    let inside = match &settings.metrics.listen {
        Some(listen) => Some(bind(METRICS_LISTEN, listen).await?),
        None => None,
    };
    let tls = settings.tls.clone().map(Tls::open).transpose()?;
    let reloads = Reloads::listen().map_err(StartError::Signals)?;
    warn_of(&settings);
    let secret = load_secret(&settings)?;
    let chat = open_chat(&settings.storage, &secret, |config| {
        config.registration = settings.registration;
        config.rate_limits = settings.limits.rates;
        config.edit_window = settings.limits.edit_window;
        config.logins_per_address = settings.limits.logins_per_address;
        config.connections_per_person = settings.limits.connections_per_person;
        config.host_tokens = settings.host_tokens.clone();
    });
    let chat = chat.await?;
    let metrics = Metrics::default();
    let io = sockets(&settings, &metrics).namespace("/", |namespace| {
        // After the chat's own middleware: who gets here has shown a token.
        chat::events::namespace(&chat, namespace).use_middleware(settle)
    });
    let io = match settings.admin_ui {
        Some(admin_ui) => with_admin_page(io, admin_ui),
        None => io,
    };
    let io = io.build();
    chat.attach(&io);
    let drain = settings.drain;
    let gate = Arc::new(Gate {
        admission: Admission::new(admission(&settings.limits)),
        proxies: settings.trusted_proxies,
        port: Arc::clone(&metrics.port),
    });
    let app = Arc::new(Whole {
        draining: AtomicBool::new(false),
        io,
        api: chat::rest::router(),
        chat,
        cors: Cors::new(settings.origins),
        files: StaticFiles::default(),
        proxies: gate.proxies.clone(),
        admission: Arc::clone(&gate.admission),
        metrics,
        metrics_access: settings.metrics.access,
    });
    let address = server.address();
    let serving = server.serve(&app, &gate, tls.as_ref());
    let metrics_address = inside.as_ref().map(Server::address);
    let inside =
        inside.map(|inside| inside.serve(&Arc::new(Inside(Arc::clone(&app))), &gate, None));
    Ok(Running {
        app,
        address,
        metrics_address,
        tls,
        reloads,
        serving,
        inside,
        drain,
    })
}

async fn bind(setting: &'static str, listen: &Listen) -> Result<Server, StartError> {
    let refused = |source| StartError::Listen { setting, source };
    let addresses = listen.addresses().await.map_err(refused)?;
    Server::bind(&addresses).map_err(refused)
}

/// Lets the official admin page connect.
fn with_admin_page(io: IoBuilder, admin_ui: AdminUi) -> IoBuilder {
    let hash = admin_ui.password_hash;
    let verify = move |password: &str| verify(password.as_bytes(), hash.expose_secret());
    let options = AdminOptions::new(&admin_ui.user, verify)
        .mode(admin_ui.mode)
        .allow_commands(admin_ui.commands)
        .show_arguments(admin_ui.arguments)
        .describe(chat::events::describe)
        .hide_rooms(chat::events::hides);
    // After the page's own middleware: who gets here has logged in.
    io.instrument(options)
        .namespace(ADMIN_NAMESPACE, |admins| admins.use_middleware(settle))
}

/// A session whose client has shown who they are waits for nothing any more.
async fn settle(request: ConnectRequest) -> Result<(), ConnectError> {
    if let Some(SessionPass(pass)) = request.handshake().attached() {
        pass.settle();
    }
    Ok(())
}

fn admission(limits: &Limits) -> AdmissionLimits {
    let per_address = AddressLimits {
        each: limits.per_address,
        pending: limits.pending_per_address,
        new_connections: limits.new_connections_per_address,
        unknown_sessions: limits.unknown_sessions_per_address,
    };
    AdmissionLimits {
        total: limits.connections,
        per_address: (limits.rates == RateLimits::Default).then_some(per_address),
    }
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
    if settings.limits.rates == RateLimits::Off {
        tracing::warn!("rate limits are off: for load tests only");
    }
    if settings
        .admin_ui
        .as_ref()
        .is_some_and(|admin_ui| admin_ui.arguments)
    {
        tracing::warn!("the admin page shows what people write to each other");
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
    app: Arc<Whole>,
    address: SocketAddr,
    metrics_address: Option<SocketAddr>,
    tls: Option<Arc<Tls>>,
    reloads: Reloads,
    serving: Serving,
    inside: Option<Serving>,
    drain: Drain,
}

impl Running {
    /// The first address that it listens on, with its real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the first address speaks: `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Reads the certificate again on SIGHUP, and looks every minute whether it has changed. Never
    /// ends.
    pub async fn watch_certificate(&mut self) -> Infallible {
        loop {
            // Either is a reason; a time-out is no failure.
            let _ = timeout(CERTIFICATE_PERIOD, self.reloads.requested()).await;
            match self.tls.as_ref().map(|tls| tls.reload()) {
                Some(Ok(true)) => tracing::info!("the certificate was read again"),
                Some(Err(error)) => tracing::error!(%error, "the old certificate stays in use"),
                Some(Ok(false)) | None => {}
            }
        }
    }

    /// The address of the metrics, where they have one of their own.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
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
        // Last of all: what happens at the end can be watched.
        if let Some(inside) = self.inside {
            inside.finish(ANSWERS_LIMIT).await;
        }
        if timeout(WRITER_LIMIT, self.app.chat.close()).await.is_err() {
            tracing::warn!("the database did not finish in time");
        }
    }
}

/// The Socket.IO server, with the chat profile's limits.
fn sockets(settings: &Settings, metrics: &Metrics) -> IoBuilder {
    let limits = &settings.sessions;
    let engine = engineio::Config {
        max_payload: limits.max_payload,
        max_packets: limits.max_packets,
        pace: (settings.limits.rates == RateLimits::Default).then_some(limits.pace),
        ping_interval: limits.ping_interval,
        ping_timeout: limits.ping_timeout,
        body_timeout: limits.body_timeout,
        write_timeout: limits.write_timeout,
        outbox: OutboxLimits {
            soft_bytes: limits.outbox_soft(),
            hard_bytes: limits.outbox,
            total_bytes: limits.outbox_total,
        },
        cors: engine_cors(&settings.origins, settings.admin_ui.is_some()),
        metrics: Arc::clone(&metrics.engine),
        ..engineio::Config::default()
    };
    let io = Io::builder()
        .engine(engine)
        .metrics(Arc::clone(&metrics.broadcasts))
        .connect_timeout(limits.connect_timeout);
    match CLIENT_VERSION {
        Some(version) => io.client_bundles(ClientBundles {
            version,
            files: CLIENT_FILES,
        }),
        None => io,
    }
}

/// The official admin page asks for credentials. There is no cookie of ours that it could send.
fn engine_cors(origins: &Origins, credentials: bool) -> Option<engineio::Cors> {
    let origins = match origins {
        Origins::Own => return None,
        Origins::Any => engineio::Origins::Any,
        Origins::Listed(listed) => engineio::Origins::List(listed.clone()),
    };
    Some(engineio::Cors {
        origins,
        credentials,
        ..engineio::Cors::default()
    })
}

//! The command line: every option with its variable of the environment. [`super::file`] puts the
//! settings file under both.
//!
//! Values stay text here, so that one wrong value does not hide the next.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use secrecy::SecretString;

use super::problem::Problems;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "parlance",
    version,
    about = "A chat server for web and mobile apps: REST and Socket.IO on one port.",
    long_about = "A chat server for web and mobile apps: REST and Socket.IO on one port.\n\n\
                  Without options it listens on http://localhost:3000 and keeps everything in \
                  ./data; open that address in a browser to try it.",
    args_conflicts_with_subcommands = true,
    max_term_width = 100
)]
pub struct Cli {
    /// What to do; serving is what happens without one.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// A TOML file with any of these settings; its keys are the names of the options
    #[arg(
        long,
        value_name = "FILE",
        env = "PARLANCE_CONFIG",
        hide_env_values = true,
        global = true
    )]
    pub config: Option<PathBuf>,
    /// The options of `serve`, which need not be named.
    #[command(flatten)]
    pub serve: ServeOptions,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server (this is what happens without a command)
    Serve(Box<ServeOptions>),
    /// Try what the server needs with these settings, and say what is wrong
    Doctor(Box<ServeOptions>),
    /// Manage the accounts in the database
    #[command(subcommand)]
    User(UserCommand),
    /// Print the hash of a password, the first line of standard input, for --admin-ui-password-hash
    HashPassword,
    /// Copy the database into a new SQLite file, while the server runs
    Backup(Box<BackupOptions>),
    /// Move everything into another, empty database; stop the server first
    Migrate(Box<MigrateOptions>),
}

/// What can be done with accounts.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make an account; the only way to make an admin
    Create(Box<CreateUser>),
}

/// The options of `parlance backup`.
#[derive(Debug, Clone, Args)]
pub struct BackupOptions {
    /// The file to write; it must not be there yet
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
    /// Storage.
    #[command(flatten)]
    pub storage: StorageOptions,
}

/// The options of `parlance migrate`.
#[derive(Debug, Clone, Args)]
pub struct MigrateOptions {
    /// Where to: `postgres://USER:PASSWORD@HOST/NAME`, or `sqlite:PATH`
    #[arg(
        long,
        value_name = "URL",
        env = "PARLANCE_MIGRATE_TO",
        hide_env_values = true
    )]
    pub to: SecretString,
    /// Storage.
    #[command(flatten)]
    pub storage: StorageOptions,
}

/// The options of `parlance serve`.
#[derive(Debug, Clone, Args)]
pub struct ServeOptions {
    /// Network.
    #[command(flatten, next_help_heading = "Network")]
    pub network: NetworkOptions,
    /// TLS.
    #[command(flatten, next_help_heading = "TLS")]
    pub tls: TlsOptions,
    /// Storage.
    #[command(flatten)]
    pub storage: StorageOptions,
    /// Sign-in.
    #[command(flatten, next_help_heading = "Sign-in")]
    pub sign_in: SignInOptions,
    /// Tokens of a host application.
    #[command(flatten, next_help_heading = "Tokens issued by your own application")]
    pub host_jwt: HostJwtOptions,
    /// Limits.
    #[command(flatten, next_help_heading = "Limits")]
    pub limits: LimitOptions,
    /// Limits of a connection.
    #[command(flatten, next_help_heading = "Limits of a connection")]
    pub sessions: SessionOptions,
    /// Metrics.
    #[command(flatten, next_help_heading = "Metrics")]
    pub metrics: MetricsOptions,
    /// The admin page.
    #[command(flatten, next_help_heading = "Admin page")]
    pub admin_ui: AdminUiOptions,
    /// Operation.
    #[command(flatten, next_help_heading = "Operation")]
    pub operation: OperationOptions,
}

/// Where the server listens, and who may call it.
#[derive(Debug, Clone, Args)]
pub struct NetworkOptions {
    /// Address and port; `localhost` means both 127.0.0.1 and ::1, port 0 picks a free one.
    /// The variable PORT alone changes only the port
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "PARLANCE_LISTEN",
        hide_env_values = true
    )]
    pub listen: Option<String>,
    /// The port alone, as hosting platforms set it.
    #[arg(long = "port-from-environment", env = "PORT", hide = true)]
    pub port: Option<String>,
    /// Origins of other sites whose pages may call the API and connect, comma-separated;
    /// `*` for any. Default: this server's own pages only
    #[arg(
        long,
        value_name = "ORIGINS",
        env = "PARLANCE_CORS_ORIGINS",
        hide_env_values = true
    )]
    pub cors_origins: Option<String>,
}

/// TLS at the port.
#[derive(Debug, Clone, Args)]
pub struct TlsOptions {
    /// The certificate with its chain, as a PEM file: the port then speaks TLS alone. Read again when
    /// it has changed, within a minute or on SIGHUP
    #[arg(
        long,
        value_name = "FILE",
        env = "PARLANCE_TLS_CERT",
        hide_env_values = true
    )]
    pub tls_cert: Option<PathBuf>,
    /// The private key of the certificate, as a PEM file
    #[arg(
        long,
        value_name = "FILE",
        env = "PARLANCE_TLS_KEY",
        hide_env_values = true
    )]
    pub tls_key: Option<PathBuf>,
}

/// Where data is kept; shared by every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Storage")]
pub struct StorageOptions {
    /// Folder of the database file and of generated secrets; made when missing
    #[arg(
        long,
        value_name = "DIR",
        env = "PARLANCE_DATA_DIR",
        default_value = "./data",
        hide_env_values = true
    )]
    pub data_dir: PathBuf,
    /// Where the database is: `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/NAME`, with
    /// `?sslmode=verify-full` over a network. Default: parlance.db in the data folder
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<SecretString>,
    /// `full`: an acknowledged message survives a power cut, its commit is synced to the disk
    /// first; `relaxed`: a power cut loses the last acknowledged messages
    #[arg(
        long,
        value_name = "full|relaxed",
        env = "PARLANCE_DURABILITY",
        default_value = "full",
        hide_env_values = true
    )]
    pub durability: String,
    /// What is wrong with the settings file; reported with everything else.
    #[arg(skip)]
    pub(super) file_problems: Problems,
}

/// Tokens of our own.
#[derive(Debug, Clone, Args)]
pub struct SignInOptions {
    /// Signs our own tokens, at least 32 bytes. Default: generated once and kept in the data folder
    #[arg(
        long,
        value_name = "SECRET",
        env = "JWT_SECRET",
        hide_env_values = true
    )]
    pub jwt_secret: Option<SecretString>,
    /// Whether people may make accounts for themselves
    #[arg(
        long,
        value_name = "open|closed",
        env = "PARLANCE_REGISTRATION",
        default_value = "open",
        hide_env_values = true
    )]
    pub registration: String,
}

/// Tokens that a host application issues; at most one kind of key.
#[derive(Debug, Clone, Args)]
pub struct HostJwtOptions {
    /// Shared secret, at least 32 bytes (HS256)
    #[arg(
        long,
        value_name = "SECRET",
        env = "PARLANCE_HOST_JWT_SECRET",
        hide_env_values = true
    )]
    pub host_jwt_secret: Option<SecretString>,
    /// Public key as a PEM file
    #[arg(
        long,
        value_name = "FILE",
        env = "PARLANCE_HOST_JWT_PEM",
        hide_env_values = true
    )]
    pub host_jwt_pem: Option<PathBuf>,
    /// Public keys as a JWKS file
    #[arg(
        long,
        value_name = "FILE",
        env = "PARLANCE_HOST_JWT_JWKS",
        hide_env_values = true
    )]
    pub host_jwt_jwks: Option<PathBuf>,
    /// The one algorithm that is accepted
    #[arg(
        long,
        value_name = "HS256|RS256|ES256|EdDSA",
        env = "PARLANCE_HOST_JWT_ALG",
        hide_env_values = true
    )]
    pub host_jwt_alg: Option<String>,
    /// The `iss` that tokens must carry
    #[arg(
        long,
        value_name = "ISS",
        env = "PARLANCE_HOST_JWT_ISSUER",
        hide_env_values = true
    )]
    pub host_jwt_issuer: Option<String>,
    /// The `aud` that tokens must carry
    #[arg(
        long,
        value_name = "AUD",
        env = "PARLANCE_HOST_JWT_AUDIENCE",
        hide_env_values = true
    )]
    pub host_jwt_audience: Option<String>,
}

/// What one client, or one address, may have. Addresses of IPv6 count by their /64 network.
#[derive(Debug, Clone, Args)]
pub struct LimitOptions {
    /// `off` drops every rate limit and every limit per address: for load tests only
    #[arg(
        long,
        value_name = "default|off",
        env = "PARLANCE_RATE_LIMITS",
        default_value = "default",
        hide_env_values = true
    )]
    pub rate_limits: String,
    /// The most connections and sessions at a time; beyond it 503. Default: four fifths of the file
    /// descriptors that the process may have
    #[arg(
        long,
        value_name = "N",
        env = "PARLANCE_MAX_CONNECTIONS",
        hide_env_values = true
    )]
    pub max_connections: Option<String>,
    /// The most connections, and the most sessions, of one address at a time; beyond it 429. A
    /// school behind one address fits
    #[arg(
        long,
        value_name = "N",
        env = "PARLANCE_MAX_CONNECTIONS_PER_ADDRESS",
        default_value = "500",
        hide_env_values = true
    )]
    pub max_connections_per_address: String,
    /// The most connections without a first request, and sessions without a token, of one address
    /// at a time; beyond it 429
    #[arg(
        long,
        value_name = "N",
        env = "PARLANCE_MAX_PENDING_PER_ADDRESS",
        default_value = "250",
        hide_env_values = true
    )]
    pub max_pending_per_address: String,
    /// New connections of one address in a second, and as many at once; those beyond it wait for
    /// their turn, for 10 s at most, then 429
    #[arg(
        long,
        value_name = "N",
        env = "PARLANCE_NEW_CONNECTIONS_PER_ADDRESS",
        default_value = "200",
        hide_env_values = true
    )]
    pub new_connections_per_address: String,
    /// Requests of one address in a minute for sessions that do not exist; beyond it 429
    #[arg(
        long,
        value_name = "N",
        env = "PARLANCE_UNKNOWN_SESSIONS_PER_ADDRESS",
        default_value = "600",
        hide_env_values = true
    )]
    pub unknown_sessions_per_address: String,
    /// The most logins and registrations of one address in a minute; beyond it 429
    #[arg(
        long,
        value_name = "N",
        env = "PARLANCE_LOGINS_PER_ADDRESS",
        default_value = "300",
        hide_env_values = true
    )]
    pub logins_per_address: String,
    /// The most connections of one person at a time; beyond it a connection is refused as
    /// `rate-limited`
    #[arg(
        long,
        value_name = "N",
        env = "PARLANCE_MAX_CONNECTIONS_PER_PERSON",
        default_value = "50",
        hide_env_values = true
    )]
    pub max_connections_per_person: String,
    /// Seconds in which its author may edit a message; after that 409. 0: nobody edits
    #[arg(
        long,
        value_name = "SECONDS",
        env = "PARLANCE_EDIT_WINDOW",
        default_value = "86400",
        hide_env_values = true
    )]
    pub edit_window: String,
    /// Addresses or networks of proxies, comma-separated: their X-Forwarded-For (or Forwarded) says
    /// who the client is, and their X-Forwarded-Proto whether it came by https. Default: none is
    /// believed
    #[arg(
        long,
        value_name = "ADDRESSES",
        env = "PARLANCE_TRUSTED_PROXIES",
        hide_env_values = true
    )]
    pub trusted_proxies: Option<String>,
}
/// What one connection may hold, and how long it may make the server wait.
#[derive(Debug, Clone, Args)]
pub struct SessionOptions {
    /// Bytes of one packet or polling body, at most; a longer body is 413, a longer message closes with
    /// 1009. Clients are told at the handshake
    #[arg(
        long,
        value_name = "BYTES",
        env = "PARLANCE_MAX_PAYLOAD",
        default_value = "100000",
        hide_env_values = true
    )]
    pub max_payload: String,
    /// Packets of one polling body, at most; a body with more is 400 and ends the session
    #[arg(
        long,
        value_name = "N",
        env = "PARLANCE_MAX_PACKETS",
        default_value = "1024",
        hide_env_values = true
    )]
    pub max_packets: String,
    /// Packets that one client may send in a second, and four times as many at once. One that is
    /// ahead of it is not read for a while; nothing is lost
    #[arg(
        long,
        value_name = "N",
        env = "PARLANCE_PACKETS_PER_SECOND",
        default_value = "100",
        hide_env_values = true
    )]
    pub packets_per_second: String,
    /// Bytes that one client may send in a second, likewise
    #[arg(
        long,
        value_name = "BYTES",
        env = "PARLANCE_BYTES_PER_SECOND",
        default_value = "1000000",
        hide_env_values = true
    )]
    pub bytes_per_second: String,
    /// Seconds from a pong to the next ping
    #[arg(
        long,
        value_name = "SECONDS",
        env = "PARLANCE_PING_INTERVAL",
        default_value = "25",
        hide_env_values = true
    )]
    pub ping_interval: String,
    /// Seconds from a ping to its pong, at most; then the connection is closed
    #[arg(
        long,
        value_name = "SECONDS",
        env = "PARLANCE_PING_TIMEOUT",
        default_value = "20",
        hide_env_values = true
    )]
    pub ping_timeout: String,
    /// Seconds that a client may stay connected without having joined with a token
    #[arg(
        long,
        value_name = "SECONDS",
        env = "PARLANCE_CONNECT_TIMEOUT",
        default_value = "10",
        hide_env_values = true
    )]
    pub connect_timeout: String,
    /// Seconds that a polling body, or a message in fragments, may take
    #[arg(
        long,
        value_name = "SECONDS",
        env = "PARLANCE_BODY_TIMEOUT",
        default_value = "30",
        hide_env_values = true
    )]
    pub body_timeout: String,
    /// Seconds that a client may take no byte of what waits for it; then the connection is closed
    #[arg(
        long,
        value_name = "SECONDS",
        env = "PARLANCE_WRITE_TIMEOUT",
        default_value = "20",
        hide_env_values = true
    )]
    pub write_timeout: String,
    /// Bytes that may wait for one client; beyond it the connection is closed. A quarter of it for 10 s
    /// is too much as well
    #[arg(
        long,
        value_name = "BYTES",
        env = "PARLANCE_OUTBOX_LIMIT",
        default_value = "4194304",
        hide_env_values = true
    )]
    pub outbox_limit: String,
    /// Bytes that may wait for all clients together; beyond it the connections with most are closed
    #[arg(
        long,
        value_name = "BYTES",
        env = "PARLANCE_OUTBOX_TOTAL",
        default_value = "536870912",
        hide_env_values = true
    )]
    pub outbox_total: String,
}

/// Who may read /metrics.
#[derive(Debug, Clone, Args)]
pub struct MetricsOptions {
    /// Whether /metrics is answered at the main port: `local`, to programs on this machine that come
    /// without a proxy; `off`, to nobody
    #[arg(
        long,
        value_name = "local|off",
        env = "PARLANCE_METRICS",
        default_value = "local",
        hide_env_values = true
    )]
    pub metrics: String,
    /// With a token, at least 16 bytes, /metrics at the main port answers whoever sends it as
    /// `Authorization: Bearer …`, and nobody else
    #[arg(
        long,
        value_name = "TOKEN",
        env = "PARLANCE_METRICS_TOKEN",
        hide_env_values = true
    )]
    pub metrics_token: Option<SecretString>,
    /// A further address with /metrics, /healthz and /readyz alone, for a network that only
    /// operators reach
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "PARLANCE_METRICS_LISTEN",
        hide_env_values = true
    )]
    pub metrics_listen: Option<String>,
}

/// The official admin page, `@socket.io/admin-ui`, which connects to the namespace `/admin`.
#[derive(Debug, Clone, Args)]
pub struct AdminUiOptions {
    /// Whether the official admin page may connect, and what it shows: `production`, totals alone;
    /// `development`, sockets, rooms and events. The page's origin must be among --cors-origins
    #[arg(
        long,
        value_name = "off|production|development",
        env = "PARLANCE_ADMIN_UI",
        default_value = "off",
        hide_env_values = true
    )]
    pub admin_ui: String,
    /// The name to log in with there
    #[arg(
        long,
        value_name = "NAME",
        env = "PARLANCE_ADMIN_UI_USER",
        default_value = "admin",
        hide_env_values = true
    )]
    pub admin_ui_user: String,
    /// The password's hash, from `parlance hash-password`
    #[arg(
        long,
        value_name = "HASH",
        env = "PARLANCE_ADMIN_UI_PASSWORD_HASH",
        hide_env_values = true
    )]
    pub admin_ui_password_hash: Option<SecretString>,
    /// `read-only`, or `commands`: whoever logs in there emits events, moves sockets between rooms and
    /// disconnects them, past every rule of the chat
    #[arg(
        long,
        value_name = "read-only|commands",
        env = "PARLANCE_ADMIN_UI_ACCESS",
        default_value = "read-only",
        hide_env_values = true
    )]
    pub admin_ui_access: String,
    /// Of events, `names` alone, or their `arguments` too: what people write to each other
    #[arg(
        long,
        value_name = "names|arguments",
        env = "PARLANCE_ADMIN_UI_SHOW",
        default_value = "names",
        hide_env_values = true
    )]
    pub admin_ui_show: String,
}

/// How the server runs.
#[derive(Debug, Clone, Args)]
pub struct OperationOptions {
    /// What goes to the log on standard error: a level, or `target=level` pairs with commas
    #[arg(
        long,
        value_name = "FILTER",
        env = "PARLANCE_LOG",
        default_value = "info",
        hide_env_values = true
    )]
    pub log: String,
    /// How the log is written: `human`, or one JSON object a line
    #[arg(
        long,
        value_name = "human|json",
        env = "PARLANCE_LOG_FORMAT",
        default_value = "human",
        hide_env_values = true
    )]
    pub log_format: String,
    /// Seconds to go on as before after a signal to end, while /readyz says 503: time for load
    /// balancers to look elsewhere
    #[arg(
        long,
        value_name = "SECONDS",
        env = "PARLANCE_DRAIN_DELAY",
        default_value = "0",
        hide_env_values = true
    )]
    pub drain_delay: String,
    /// Seconds over which many connections are closed by and by before the end, so that their
    /// clients do not come back in one moment; few are closed at once
    #[arg(
        long,
        value_name = "SECONDS",
        env = "PARLANCE_DRAIN_TIME",
        default_value = "5",
        hide_env_values = true
    )]
    pub drain_time: String,
    /// Check every setting, print what would be used (secrets masked), and end
    #[arg(long)]
    pub check_config: bool,
}

/// The options of `parlance user create`.
#[derive(Debug, Clone, Args)]
pub struct CreateUser {
    /// The address to log in with
    #[arg(long)]
    pub email: String,
    /// The name that others see
    #[arg(long)]
    pub name: String,
    /// What the person may do
    #[arg(long, value_name = "student|tutor|admin", default_value = "student")]
    pub role: String,
    /// The password. Better left out: then the first line of standard input is read
    #[arg(long)]
    pub password: Option<SecretString>,
    /// Storage.
    #[command(flatten)]
    pub storage: StorageOptions,
}

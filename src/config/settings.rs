//! What the program runs on, after every check.

use std::fmt;
use std::io;
use std::path::PathBuf;

use http::Uri;
use secrecy::ExposeSecret as _;
use tracing_subscriber::EnvFilter;

use super::admin_ui::{self, AdminUi};
use super::database::Database;
use super::host_tokens::{algorithm_name, host_tokens, long_enough};
use super::limits::Limits;
use super::listen::{Listen, parse_port};
use super::operation::{Drain, LogFormat, MetricsSettings};
use super::options::{NetworkOptions, ServeOptions, StorageOptions};
use super::problem::Problems;
use super::secret::{JwtSecret, make_folder};
use super::sessions::SessionLimits;
use crate::chat::{Durability, HostTokens, Registration};
use crate::http::{TlsFiles, TrustedProxies};

pub(crate) const LISTEN: &str = "--listen (PARLANCE_LISTEN)";
const PORT: &str = "PORT";
const CORS: &str = "--cors-origins (PARLANCE_CORS_ORIGINS)";
pub(crate) const DATA_DIR: &str = "--data-dir (PARLANCE_DATA_DIR)";
const DATABASE: &str = "--database-url (DATABASE_URL)";
const DURABILITY: &str = "--durability (PARLANCE_DURABILITY)";
const JWT_SECRET: &str = "--jwt-secret (JWT_SECRET)";
const REGISTRATION: &str = "--registration (PARLANCE_REGISTRATION)";
const LOG: &str = "--log (PARLANCE_LOG)";

/// The settings of `serve`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen.
    pub listen: Listen,
    /// Whose pages may call.
    pub origins: Origins,
    /// TLS at the port.
    pub tls: Option<TlsFiles>,
    /// Where data is kept.
    pub storage: StorageSettings,
    /// What signs our own tokens.
    pub jwt_secret: JwtSecret,
    /// Whether people may make accounts for themselves.
    pub registration: Registration,
    /// Tokens of a host application.
    pub host_tokens: Option<HostTokens>,
    /// What one client may have.
    pub limits: Limits,
    /// What one connection may hold.
    pub sessions: SessionLimits,
    /// Whose word about clients is believed.
    pub trusted_proxies: TrustedProxies,
    /// Who may read the metrics.
    pub metrics: MetricsSettings,
    /// The official admin page.
    pub admin_ui: Option<AdminUi>,
    /// What goes to the log, as [`EnvFilter`] reads it.
    pub log: String,
    /// How the log is written.
    pub log_format: LogFormat,
    /// How the server ends.
    pub drain: Drain,
}

/// The settings that every command shares.
#[derive(Debug, Clone)]
pub struct StorageSettings {
    /// The folder of everything that is kept.
    pub data_dir: PathBuf,
    /// The database.
    pub database: Database,
    /// What an acknowledgement promises.
    pub durability: Durability,
}

/// Whose pages may call the API and connect, beside the server's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Nobody else's.
    Own,
    /// Those of these origins, as a browser writes them.
    Listed(Vec<String>),
    /// Everybody's.
    Any,
}

impl ServeOptions {
    /// Checks everything and reads what must be read.
    ///
    /// # Errors
    /// Every problem there is, not the first alone.
    pub fn validate(&self) -> Result<Settings, Problems> {
        let mut problems = Problems::default();
        let settings = self.read(&mut problems);
        settings.filter(|_| problems.is_empty()).ok_or(problems)
    }

    fn read(&self, problems: &mut Problems) -> Option<Settings> {
        let listen = listen(&self.network, problems);
        let origins = problems.take(CORS, origins(self.network.cors_origins.as_deref()));
        let tls = self.tls.read(problems);
        let storage = self.storage.read(problems);
        let jwt_secret = self.jwt_secret(problems);
        let registration = choose(
            REGISTRATION,
            &self.sign_in.registration,
            [
                ("open", Registration::Open),
                ("closed", Registration::Closed),
            ],
            problems,
        );
        let host_tokens = host_tokens(&self.host_jwt, problems);
        let (limits, trusted_proxies) = (self.limits.read(problems), self.limits.proxies(problems));
        let sessions = self.sessions.read(problems);
        let metrics = self.metrics.read(problems);
        let admin_ui = self.admin_ui.read(problems);
        let log = problems.take(LOG, log_filter(&self.operation.log));
        let log_format = self.operation.log_format(problems);
        let drain = self.operation.drain(problems);
        Some(Settings {
            listen: listen?,
            origins: origins?,
            tls,
            storage: storage?,
            jwt_secret: jwt_secret?,
            registration: registration?,
            host_tokens,
            limits: limits?,
            sessions: sessions?,
            trusted_proxies: trusted_proxies?,
            metrics: metrics?,
            admin_ui,
            log: log?,
            log_format: log_format?,
            drain: drain?,
        })
    }

    fn jwt_secret(&self, problems: &mut Problems) -> Option<JwtSecret> {
        match &self.sign_in.jwt_secret {
            Some(given) => problems
                .take(JWT_SECRET, long_enough(given))
                .map(JwtSecret::Given),
            None => Some(JwtSecret::kept_in(&self.storage.data_dir)),
        }
    }
}

impl StorageOptions {
    /// Checks these options; what is wrong goes to `problems`.
    pub(crate) fn read(&self, problems: &mut Problems) -> Option<StorageSettings> {
        problems.extend(&self.file_problems);
        if self.data_dir.as_os_str().is_empty() {
            problems.add(DATA_DIR, "is empty");
        } else if self.data_dir.exists() && !self.data_dir.is_dir() {
            problems.add(
                DATA_DIR,
                format!("{} is not a folder", self.data_dir.display()),
            );
        }
        let database = match &self.database_url {
            Some(url) => problems.take(DATABASE, Database::parse(url.expose_secret())),
            None => Some(Database::in_folder(&self.data_dir)),
        };
        let durability = choose(
            DURABILITY,
            &self.durability,
            [("full", Durability::Full), ("relaxed", Durability::Relaxed)],
            problems,
        );
        Some(StorageSettings {
            data_dir: self.data_dir.clone(),
            database: database?,
            durability: durability?,
        })
    }
}

impl StorageSettings {
    /// Makes the data folder on the first start.
    ///
    /// # Errors
    /// What the system says.
    pub fn make_data_dir(&self) -> io::Result<()> {
        make_folder(&self.data_dir)
    }
}

/// `PORT` is what hosting platforms set; an address that was asked for by name
/// is more than that.
fn listen(options: &NetworkOptions, problems: &mut Problems) -> Option<Listen> {
    if let Some(text) = &options.listen {
        return problems.take(LISTEN, Listen::parse(text));
    }
    match options.port.as_deref().map(parse_port) {
        Some(port) => problems
            .take(PORT, port)
            .map(|port| Listen::localhost(Some(port))),
        None => Some(Listen::localhost(None)),
    }
}

fn origins(text: Option<&str>) -> Result<Origins, String> {
    let Some(text) = text else {
        return Ok(Origins::Own);
    };
    if text.trim() == "*" {
        return Ok(Origins::Any);
    }
    let listed: Result<Vec<_>, _> = text.split(',').map(|part| origin(part.trim())).collect();
    listed.map(Origins::Listed)
}

/// An origin as a browser sends it: scheme and host, with the port when it is
/// not the scheme's own, and nothing after.
fn origin(text: &str) -> Result<String, String> {
    let wrong = || format!("`{text}` is not an origin such as https://example.com");
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    match (uri.scheme_str(), uri.authority()) {
        (Some(scheme), Some(authority)) if text == format!("{scheme}://{authority}") => {
            Ok(text.to_ascii_lowercase())
        }
        _ => Err(wrong()),
    }
}

fn log_filter(text: &str) -> Result<String, String> {
    match EnvFilter::builder().parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("`{text}` is not a log filter: {error}")),
    }
}

/// One of a few words.
pub(super) fn choose<T: Copy, const N: usize>(
    setting: &'static str,
    text: &str,
    choices: [(&str, T); N],
    problems: &mut Problems,
) -> Option<T> {
    let found = choices.iter().find(|(name, _)| *name == text);
    if found.is_none() {
        let words = choices.map(|(word, _)| word).join(", ");
        problems.add(setting, format!("`{text}` is none of {words}"));
    }
    found.map(|(_, value)| *value)
}

impl fmt::Display for Settings {
    /// One setting a line, by the name of its option, for `--check-config`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, value: &dyn fmt::Display| writeln!(f, "{name:<28} {value}");
        line("listen", &self.listen)?;
        line("cors-origins", &self.origins)?;
        if let Some(tls) = &self.tls {
            line("tls-cert", &tls.certificates.display())?;
            line("tls-key", &tls.key.display())?;
        }
        line("data-dir", &self.storage.data_dir.display())?;
        line("database-url", &self.storage.database)?;
        line(
            "durability",
            &format!("{:?}", self.storage.durability).to_lowercase(),
        )?;
        line("jwt-secret", &self.jwt_secret)?;
        line(
            "registration",
            &format!("{:?}", self.registration).to_lowercase(),
        )?;
        if let Some(host) = &self.host_tokens {
            line("host-jwt-alg", &algorithm_name(host.algorithm))?;
            line("host-jwt-issuer", &host.issuer)?;
            line("host-jwt-audience", &host.audience)?;
        }
        for (name, value) in self.limits.lines() {
            line(name, &value)?;
        }
        for (name, value) in self.sessions.lines() {
            line(name, &value)?;
        }
        line("trusted-proxies", &self.trusted_proxies)?;
        for (name, value) in self.metrics.lines() {
            line(name, &value)?;
        }
        for (name, value) in admin_ui::lines(self.admin_ui.as_ref()) {
            line(name, &value)?;
        }
        line("drain-delay", &self.drain.delay.as_secs())?;
        line("drain-time", &self.drain.spread.as_secs())?;
        line(
            "log-format",
            &format!("{:?}", self.log_format).to_lowercase(),
        )?;
        line("log", &self.log)
    }
}

impl fmt::Display for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own => f.write_str("(own pages only)"),
            Self::Any => f.write_str("*"),
            Self::Listed(origins) => f.write_str(&origins.join(",")),
        }
    }
}

impl fmt::Display for JwtSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(_) => f.write_str("********"),
            Self::Kept(path) => write!(f, "(generated, kept in {})", path.display()),
        }
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;

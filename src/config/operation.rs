//! How the server runs, is watched, and ends.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::limits::number;
use super::listen::Listen;
use super::options::{MetricsOptions, OperationOptions, TlsOptions};
use super::problem::Problems;
use super::settings::choose;
use crate::http::{Tls, TlsError, TlsFiles};

const TLS_CERT: &str = "--tls-cert (PARLANCE_TLS_CERT)";
const TLS_KEY: &str = "--tls-key (PARLANCE_TLS_KEY)";
const LOG_FORMAT: &str = "--log-format (PARLANCE_LOG_FORMAT)";
const METRICS: &str = "--metrics (PARLANCE_METRICS)";
const METRICS_TOKEN: &str = "--metrics-token (PARLANCE_METRICS_TOKEN)";
pub(crate) const METRICS_LISTEN: &str = "--metrics-listen (PARLANCE_METRICS_LISTEN)";
const DRAIN_DELAY: &str = "--drain-delay (PARLANCE_DRAIN_DELAY)";
const DRAIN_TIME: &str = "--drain-time (PARLANCE_DRAIN_TIME)";

/// A shorter token can be guessed.
const TOKEN_BYTES: usize = 16;

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// How long a planned end may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// For load balancers to notice that the server is not ready any more.
    pub delay: Duration,
    /// For the connections to be closed by and by.
    pub spread: Duration,
}

/// Where the metrics can be read.
#[derive(Debug, Clone)]
pub struct MetricsSettings {
    /// At the main port.
    pub access: MetricsAccess,
    /// At an address of their own, by whoever reaches it.
    pub listen: Option<Listen>,
}

/// Who may read the metrics at the main port.
#[derive(Debug, Clone)]
pub enum MetricsAccess {
    /// Nobody.
    Off,
    /// Programs on this machine that come without a proxy.
    Local,
    /// Whoever has this token.
    Token(SecretString),
}

impl TlsOptions {
    /// `None` when there is to be no TLS, or something is wrong, which is then in `problems`.
    pub(super) fn read(&self, problems: &mut Problems) -> Option<TlsFiles> {
        let missing = |of: &str| format!("is missing: {of} needs it");
        match (&self.tls_cert, &self.tls_key) {
            (None, None) => None,
            (Some(_), None) => {
                problems.add(TLS_KEY, missing("--tls-cert"));
                None
            }
            (None, Some(_)) => {
                problems.add(TLS_CERT, missing("--tls-key"));
                None
            }
            (Some(certificates), Some(key)) => {
                let files = TlsFiles {
                    certificates: certificates.clone(),
                    key: key.clone(),
                };
                // Read once now, so that a wrong file is a wrong setting.
                match Tls::open(files.clone()) {
                    Ok(_) => Some(files),
                    Err(error) => {
                        let of_key =
                            matches!(&error, TlsError::File { path, .. } if *path == files.key);
                        let setting = if of_key { TLS_KEY } else { TLS_CERT };
                        problems.add(setting, error.to_string());
                        None
                    }
                }
            }
        }
    }
}

impl OperationOptions {
    pub(super) fn log_format(&self, problems: &mut Problems) -> Option<LogFormat> {
        let choices = [("human", LogFormat::Human), ("json", LogFormat::Json)];
        choose(LOG_FORMAT, &self.log_format, choices, problems)
    }

    pub(super) fn drain(&self, problems: &mut Problems) -> Option<Drain> {
        let mut seconds = |setting: &'static str, text: &str| {
            let read = number(text, 0..=600).map(u64::from);
            problems.take(setting, read).map(Duration::from_secs)
        };
        let delay = seconds(DRAIN_DELAY, &self.drain_delay);
        let spread = seconds(DRAIN_TIME, &self.drain_time);
        Some(Drain {
            delay: delay?,
            spread: spread?,
        })
    }
}

impl MetricsOptions {
    pub(super) fn read(&self, problems: &mut Problems) -> Option<MetricsSettings> {
        let local = choose(
            METRICS,
            &self.metrics,
            [("local", true), ("off", false)],
            problems,
        );
        let token = self.metrics_token.as_ref().map(long_enough);
        let token = token.map(|token| problems.take(METRICS_TOKEN, token));
        let listen = self.metrics_listen.as_deref().map(Listen::parse);
        let listen = listen.map(|listen| problems.take(METRICS_LISTEN, listen));
        // Only now: one wrong setting must not hide the next.
        let access = match (local?, token) {
            (_, Some(token)) => MetricsAccess::Token(token?),
            (true, None) => MetricsAccess::Local,
            (false, None) => MetricsAccess::Off,
        };
        let listen = match listen {
            Some(listen) => Some(listen?),
            None => None,
        };
        Some(MetricsSettings { access, listen })
    }
}

impl MetricsSettings {
    /// The settings by the names of their options.
    pub(super) fn lines(&self) -> [(&'static str, String); 3] {
        let (metrics, token) = match self.access {
            MetricsAccess::Off => ("off", "(none)"),
            MetricsAccess::Local => ("local", "(none)"),
            MetricsAccess::Token(_) => ("by token", "********"),
        };
        let listen = self.listen.as_ref();
        let listen = listen.map_or_else(|| "(nowhere)".to_owned(), ToString::to_string);
        [
            ("metrics", metrics.to_owned()),
            ("metrics-token", token.to_owned()),
            ("metrics-listen", listen),
        ]
    }
}

fn long_enough(token: &SecretString) -> Result<SecretString, String> {
    match token.expose_secret().len() {
        length if length >= TOKEN_BYTES => Ok(token.clone()),
        length => Err(format!(
            "is {length} bytes long and needs at least {TOKEN_BYTES}"
        )),
    }
}

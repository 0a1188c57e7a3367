//! The chat application: people, chats, messages.
//!
//! ```text
//! rest, events  →  service  →  storage
//!                     ↓
//!                    live  →  socketio
//! ```
//! REST and events decode, call a use case of `service`, and encode; `service`
//! authorises, is the only caller of `storage`, and tells `live` what to say.

pub mod api;
pub(crate) mod auth;
mod config;
pub mod domain;
mod error;
pub mod events;
mod limits;
mod live;
mod metrics;
pub mod rest;
mod service;
mod storage;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use auth::{Backoff, Passwords, Tokens};
pub use config::{
    ChatConfig, Durability, HostAlgorithm, HostKey, HostTokens, RateLimits, Registration,
};
use domain::{Email, Password, PersonName, Role, Timestamp};
pub use error::Error;
use limits::Limits;
use live::Live;
pub use metrics::ChatMetrics;
use service::{Publishing, Recent};
pub use storage::{Copied, StoreError, TransferError, backup, migrate, postgres_address};
use storage::{Store, Writer};

use crate::socketio::Io;

/// Why the application could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key of our own tokens, or of the host application's.
    #[error("{0}")]
    Key(String),
    /// The machine lacks what is needed; the log says what.
    #[error(transparent)]
    Other(#[from] Error),
}

/// An account to be made by the command line.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// As they call themselves.
    pub name: PersonName,
    /// What they log in with.
    pub email: Email,
    /// What they log in with.
    pub password: Password,
    /// In the whole system.
    pub role: Role,
}

/// The application.
pub struct Chat {
    config: ChatConfig,
    store: Box<dyn Store>,
    writer: Writer,
    tokens: Tokens,
    passwords: Passwords,
    backoff: Backoff,
    limits: Limits,
    live: Live,
    publishing: Publishing,
    events: metrics::Events,
    recent: Recent,
}

impl Chat {
    /// Opens the storage, brings its schema up to date, and starts the writer.
    ///
    /// # Errors
    /// [`OpenError`] when the database cannot be opened or a key is unfit.
    pub async fn open(config: ChatConfig) -> Result<Arc<Self>, OpenError> {
        let tokens = Tokens::new(&config.token_secret, config.host_tokens.as_ref());
        let tokens = tokens.map_err(OpenError::Key)?;
        let passwords = Passwords::new()?;
        let (store, connection) = storage::open(&config).await?;
        let durability = config.durability.as_str();
        tracing::info!(durability, "storage is open");
        let chat = Arc::new(Self {
            limits: Limits::new(
                config.rate_limits,
                config.logins_per_address,
                config.connections_per_person,
            ),
            config,
            store,
            writer: Writer::start(connection),
            tokens,
            passwords,
            backoff: Backoff::default(),
            live: Live::default(),
            publishing: Publishing::default(),
            events: metrics::Events::default(),
            recent: Recent::default(),
        });
        tokio::spawn(service::keep_time(Arc::downgrade(&chat)));
        Ok(chat)
    }

    /// What an acknowledgement promises.
    pub fn durability(&self) -> Durability {
        self.config.durability
    }

    /// Answers whether storage does; for readiness.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it does not.
    pub async fn check_ready(&self) -> Result<(), Error> {
        Ok(self.store.read().await?.ping().await?)
    }

    /// Lets what is being written finish, then closes the storage. Nothing that
    /// is asked for afterwards succeeds.
    pub async fn close(&self) {
        self.writer.close().await;
        self.store.close().await;
    }

    /// Connects the socket server that [`events::namespace`] was registered on.
    /// What was said before went nowhere.
    pub fn attach(&self, io: &Io) {
        self.live.attach(events::port(io));
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

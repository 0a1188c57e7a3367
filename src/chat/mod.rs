//! The chat application: people, chats, messages.
//!
//! ```text
//! rest, events  →  service  →  storage
//!                     ↓
//!                    live  →  socketio
//! ```
//! REST and events decode, call a use case of `service`, and encode; `service`
//! authorises, is the only caller of `storage`, and tells `live` what to say.

mod config;
pub mod domain;
mod error;
pub mod rest;
mod storage;

use std::sync::Arc;

pub use config::{
    ChatConfig, Durability, HostAlgorithm, HostKey, HostTokens, RateLimits, Registration,
};
use domain::{Email, Password, PersonName, Role, User};
pub use error::Error;
pub use storage::StoreError;

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
pub struct Chat {}

impl Chat {
    /// Opens the storage, brings its schema up to date, and starts the writer.
    ///
    /// # Errors
    /// [`OpenError`] when the database cannot be opened or a key is unfit.
    pub async fn open(_config: ChatConfig) -> Result<Arc<Self>, OpenError> {
        Ok(Arc::new(Self {}))
    }

    /// Makes an account, of any role.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the e-mail address is taken.
    pub async fn create_user(&self, new: NewUser) -> Result<User, Error> {
        let _ = new;
        Err(Error::Unavailable)
    }

    /// Answers whether storage does; for readiness.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it does not.
    pub async fn check_ready(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Lets what is being written and published finish. Nothing that is asked
    /// for afterwards succeeds.
    pub async fn close(&self) {}
}

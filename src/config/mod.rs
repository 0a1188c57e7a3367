//! What can be set: the command line and the environment, checked as a whole
//! before anything opens.
//!
//! [`Cli`] is what clap reads, as text, over the settings file; [`Settings`] is
//! what the program runs on. Between them stands [`ServeOptions::validate`],
//! which reports every problem at once. The libraries below know nothing of
//! this module.

mod admin_ui;
mod database;
mod file;
mod host_tokens;
mod limits;
mod listen;
mod operation;
mod options;
mod problem;
mod reference;
mod secret;
mod sessions;
mod settings;

pub use admin_ui::AdminUi;
pub use database::Database;
pub use host_tokens::bytes;
pub use limits::Limits;
pub use listen::{Host, Listen};
pub(crate) use operation::METRICS_LISTEN;
pub use operation::{Drain, LogFormat, MetricsAccess, MetricsSettings};
pub use options::{
    BackupOptions, Cli, Command, CreateUser, MigrateOptions, ServeOptions, StorageOptions,
    UserCommand,
};
pub use problem::{Problem, Problems};
pub use reference::reference;
pub(crate) use secret::generate;
pub use secret::{JwtSecret, SECRET_BYTES, SecretError};
pub use sessions::SessionLimits;
pub(crate) use settings::{DATA_DIR, LISTEN};
pub use settings::{Origins, Settings, StorageSettings};

//! What tests speak with.

mod app;
mod database;
mod live;
mod person;
#[cfg(target_os = "linux")]
mod postgres;
mod process;
mod raw;
mod rest;
mod wire;

pub(crate) use app::TestApp;
pub(crate) use database::database_url;
pub(crate) use live::Live;
pub(crate) use person::{PASSWORD, Person};
#[cfg(target_os = "linux")]
pub(crate) use postgres::PostgresServer;
pub(crate) use process::Program;
pub(crate) use raw::raw;
pub(crate) use rest::{Answer, request, send};
pub(crate) use wire::{End, Heard, Wire, frame, upgrade_head};

use std::time::Duration;

/// No single step of a test takes longer, unless something is wrong.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for `future`, but not for ever; `what` names it when it does not come.
pub(crate) async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what} did not happen within {PATIENCE:?}"),
    }
}

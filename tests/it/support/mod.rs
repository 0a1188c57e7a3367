//! What tests speak with.

mod app;
mod live;
mod process;
mod raw;
mod rest;

pub use app::{PASSWORD, Person, TestApp};
pub use live::Live;
pub use process::Program;
pub use raw::raw;
pub use rest::{Answer, request};

use std::time::Duration;

/// No single step of a test takes longer, unless something is wrong.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for `future`, but not for ever; `what` names it when it does not come.
pub async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what} did not happen within {PATIENCE:?}"),
    }
}

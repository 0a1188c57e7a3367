//! Places where tests make the program fail: only with the feature
//! `failpoints`, which no release has.
//!
//! `PARLANCE_FAILPOINTS` names a folder. A file in it that is called like a
//! place makes the program end there at once (`crash`), or the place fail
//! (`error`).

#[cfg(feature = "failpoints")]
use std::io;

use super::StoreError;

/// Before a batch of jobs has stored anything.
pub(super) const BEFORE_INSERT: &str = "before-insert";
/// Before what it stored is committed.
pub(super) const BEFORE_COMMIT: &str = "before-commit";
/// When it is durable, and nobody knows.
pub(in crate::chat) const BEFORE_PUBLISH: &str = "before-publish";
/// When the rooms are told, and the senders are not.
pub(in crate::chat) const BEFORE_ACK: &str = "before-ack";

/// Passes a place.
///
/// # Errors
/// When a test wants it to fail.
#[cfg(feature = "failpoints")]
pub(super) fn pass(place: &str) -> Result<(), StoreError> {
    crash(place);
    match wanted(place).as_deref() {
        Some("error") => Err(StoreError::Unavailable(io::Error::other("a test").into())),
        _ => Ok(()),
    }
}

/// Passes a place that cannot fail, but at which the program can end.
#[cfg(feature = "failpoints")]
pub(in crate::chat) fn crash(place: &str) {
    if wanted(place).as_deref() == Some("crash") {
        std::process::abort();
    }
}

#[cfg(feature = "failpoints")]
fn wanted(place: &str) -> Option<String> {
    let folder = std::env::var_os("PARLANCE_FAILPOINTS")?;
    std::fs::read_to_string(std::path::Path::new(&folder).join(place)).ok()
}

/// Passes a place; nothing is there.
#[cfg(not(feature = "failpoints"))]
#[expect(clippy::unnecessary_wraps, reason = "with the feature it can fail")]
pub(super) fn pass(_: &str) -> Result<(), StoreError> {
    Ok(())
}

/// Passes a place; nothing is there.
#[cfg(not(feature = "failpoints"))]
pub(in crate::chat) fn crash(_: &str) {}

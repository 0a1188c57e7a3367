//! The one task that watches the clock for everything connected.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::ledger::{Command, Ledger};
use crate::chat::Chat;
use crate::chat::error::Error;

/// How often ended sessions are swept out of storage.
const SWEEP_EVERY: Duration = Duration::from_secs(60 * 60);

/// Spent and ended things stay this long, so that their misuse is seen.
const KEPT_AFTER_END: Duration = Duration::from_secs(24 * 60 * 60);

/// What is old can wait until those who come back after a start have been served.
const FORGET_AFTER_START: Duration = Duration::from_secs(60);

struct Sweep;

impl Command for Sweep {
    type Output = ();

    async fn apply(&self, ledger: &mut Ledger<'_>) -> Result<(), Error> {
        let before = ledger.now.before(KEPT_AFTER_END);
        Ok(ledger.db.prune_sessions(before).await?)
    }
}

/// Runs until the application is gone.
pub(in crate::chat) async fn keep_time(chat: Weak<Chat>) {
    let mut sweep_at = Instant::now();
    let mut forget_at = sweep_at + FORGET_AFTER_START;
    while let Some(chat) = chat.upgrade() {
        let now = Instant::now();
        chat.live.handle_timeout(now);
        chat.end_presence(now);
        if now >= sweep_at {
            sweep_at = now + SWEEP_EVERY;
            chat.enqueue(Sweep).await;
        }
        if now >= forget_at {
            forget_at = now + SWEEP_EVERY;
            tokio::spawn(Arc::clone(&chat).forget_old());
        }
        wait(chat, sweep_at.min(forget_at)).await;
    }
}

/// Until something is due; the application is not kept alive meanwhile.
async fn wait(chat: Arc<Chat>, sweep_at: Instant) {
    let due = chat
        .live
        .poll_timeout()
        .map_or(sweep_at, |due| due.min(sweep_at));
    let rescheduled = Arc::clone(&chat.live.rescheduled);
    drop(chat);
    let _ = tokio::time::timeout_at(due.into(), rescheduled.notified()).await;
}

//! How long the log of changes and the notifications are kept.
//!
//! CONTRACT section 9: the log reaches back at least 30 days or 10,000 changes.
//! Here it is both, so no reading of that is broken. Whoever comes back after
//! longer gets `reset`. The messages themselves are kept for ever.

use std::sync::Arc;
use std::time::Duration;

use super::ledger::{Command, Ledger};
use crate::chat::Chat;
use crate::chat::domain::NotificationId;
use crate::chat::error::Error;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long changes and notifications are kept, and how many changes of each chat.
#[derive(Debug, Clone, Copy)]
pub(in crate::chat) struct Retention {
    pub(in crate::chat) changes_for: Duration,
    pub(in crate::chat) changes: u64,
    pub(in crate::chat) notifications_for: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            changes_for: 30 * DAY,
            changes: 10_000,
            notifications_for: 90 * DAY,
        }
    }
}

/// Forgets a part of what is too old; whether there may be more.
struct Forget(Retention);

impl Command for Forget {
    type Output = bool;

    async fn apply(&self, ledger: &mut Ledger<'_>) -> Result<bool, Error> {
        let Self(kept) = self;
        // What was made in this very millisecond is as old as any.
        let end = ledger.now.after(Duration::from_millis(1));
        let before = end.before(kept.changes_for);
        let changes = ledger.db.prune_log(before, kept.changes).await?;
        let first = NotificationId::first_at(end.before(kept.notifications_for));
        let notifications = ledger.db.prune_notifications(&first).await?;
        Ok(changes + notifications > 0)
    }
}

impl Chat {
    /// Forgets what is too old, in portions, between which others write.
    pub(super) async fn forget_old(self: Arc<Self>) {
        if let Err(error) = self.forget(Retention::default()).await {
            tracing::warn!(%error, "what is too old was not forgotten");
        }
    }

    /// The same for some other time.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when storage is away.
    pub(in crate::chat) async fn forget(self: &Arc<Self>, kept: Retention) -> Result<(), Error> {
        while self.commit(Forget(kept)).await? {}
        // What is forgotten on disk is not told from memory either.
        self.recent.clear();
        Ok(())
    }
}

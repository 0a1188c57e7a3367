//! What the application counts.

use engineio::metrics::Histogram;

use super::Chat;
use crate::metrics::Family;

/// Counters of the application's events.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// By name; `other` for those that nobody knows.
    pub(super) received: Family,
    /// By the code of the answer.
    pub(super) failed: Family,
    /// Sockets that were not let in, by the code.
    pub(super) refused: Family,
}

/// What the application has counted, and what waits in it.
#[derive(Debug)]
pub struct ChatMetrics<'a> {
    /// Events by name.
    pub events: &'a Family,
    /// Events that failed, by code.
    pub failures: &'a Family,
    /// Sockets that were not let in, by code.
    pub refused: &'a Family,
    /// Changes that wait for the writer.
    pub waiting: usize,
    /// Changes that shared a commit.
    pub commit_size: &'a Histogram,
    /// Batches that could not be committed.
    pub commits_failed: u64,
    /// How long commits took.
    pub commit_time: &'a Histogram,
}

impl Chat {
    /// What it has counted.
    pub fn metrics(&self) -> ChatMetrics<'_> {
        let commits = self.writer.metrics();
        ChatMetrics {
            events: &self.events.received,
            failures: &self.events.failed,
            refused: &self.events.refused,
            waiting: self.writer.waiting(),
            commit_size: &commits.size,
            commits_failed: commits.failed.get(),
            commit_time: &commits.time,
        }
    }
}

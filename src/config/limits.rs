//! What one client, or one address, may have.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::options::LimitOptions;
use super::problem::Problems;
use super::settings::choose;
use crate::chat::RateLimits;
use crate::descriptors;
use crate::http::TrustedProxies;

const RATE_LIMITS: &str = "--rate-limits (PARLANCE_RATE_LIMITS)";
const CONNECTIONS: &str = "--max-connections (PARLANCE_MAX_CONNECTIONS)";
const PER_ADDRESS: &str = "--max-connections-per-address (PARLANCE_MAX_CONNECTIONS_PER_ADDRESS)";
const PENDING: &str = "--max-pending-per-address (PARLANCE_MAX_PENDING_PER_ADDRESS)";
const NEW: &str = "--new-connections-per-address (PARLANCE_NEW_CONNECTIONS_PER_ADDRESS)";
const UNKNOWN: &str = "--unknown-sessions-per-address (PARLANCE_UNKNOWN_SESSIONS_PER_ADDRESS)";
const PER_PERSON: &str = "--max-connections-per-person (PARLANCE_MAX_CONNECTIONS_PER_PERSON)";
const LOGINS: &str = "--logins-per-address (PARLANCE_LOGINS_PER_ADDRESS)";
const EDIT_WINDOW: &str = "--edit-window (PARLANCE_EDIT_WINDOW)";
const PROXIES: &str = "--trusted-proxies (PARLANCE_TRUSTED_PROXIES)";

/// Descriptors when the system does not say how many there may be: the usual limit.
const USUAL_DESCRIPTORS: u64 = 1024;
/// Larger numbers are typing errors.
const MOST: u32 = 10_000_000;

/// Limits of connections, of logins and of edits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Whether rates and limits per address hold.
    pub rates: RateLimits,
    /// Connections and sessions at a time.
    pub connections: u32,
    /// Connections, and sessions, of one address at a time.
    pub per_address: u32,
    /// Those of them that have not said yet who they are.
    pub pending_per_address: u32,
    /// New connections of one address in a second.
    pub new_connections_per_address: u32,
    /// Requests of one address in a minute for sessions that are not there.
    pub unknown_sessions_per_address: u32,
    /// Logins and registrations of one address in a minute.
    pub logins_per_address: u32,
    /// Connections of one person at a time.
    pub connections_per_person: u32,
    /// How long a message can be edited.
    pub edit_window: Duration,
}

impl LimitOptions {
    pub(super) fn read(&self, problems: &mut Problems) -> Option<Limits> {
        let rates = [("default", RateLimits::Default), ("off", RateLimits::Off)];
        let rates = choose(RATE_LIMITS, &self.rate_limits, rates, problems);
        let mut count =
            |setting: &'static str, text: &str| problems.take(setting, number(text, 1..=MOST));
        let connections = match &self.max_connections {
            Some(text) => count(CONNECTIONS, text),
            None => Some(default_connections()),
        };
        let per_address = count(PER_ADDRESS, &self.max_connections_per_address);
        let pending_per_address = count(PENDING, &self.max_pending_per_address);
        let new_connections_per_address = count(NEW, &self.new_connections_per_address);
        let unknown_sessions_per_address = count(UNKNOWN, &self.unknown_sessions_per_address);
        let logins_per_address = count(LOGINS, &self.logins_per_address);
        let connections_per_person = count(PER_PERSON, &self.max_connections_per_person);
        let edit_window = problems.take(EDIT_WINDOW, number(&self.edit_window, 0..=u32::MAX));
        Some(Limits {
            rates: rates?,
            connections: connections?,
            per_address: per_address?,
            pending_per_address: pending_per_address?,
            new_connections_per_address: new_connections_per_address?,
            unknown_sessions_per_address: unknown_sessions_per_address?,
            logins_per_address: logins_per_address?,
            connections_per_person: connections_per_person?,
            edit_window: Duration::from_secs(edit_window?.into()),
        })
    }

    pub(super) fn proxies(&self, problems: &mut Problems) -> Option<TrustedProxies> {
        let text = self.trusted_proxies.as_deref().unwrap_or_default();
        problems.take(PROXIES, TrustedProxies::parse(text))
    }
}

impl Limits {
    /// The settings by the names of their options.
    pub(super) fn lines(&self) -> [(&'static str, String); 9] {
        [
            ("rate-limits", format!("{:?}", self.rates).to_lowercase()),
            ("max-connections", self.connections.to_string()),
            ("max-connections-per-address", self.per_address.to_string()),
            (
                "max-pending-per-address",
                self.pending_per_address.to_string(),
            ),
            (
                "new-connections-per-address",
                self.new_connections_per_address.to_string(),
            ),
            (
                "unknown-sessions-per-address",
                self.unknown_sessions_per_address.to_string(),
            ),
            ("logins-per-address", self.logins_per_address.to_string()),
            (
                "max-connections-per-person",
                self.connections_per_person.to_string(),
            ),
            ("edit-window", self.edit_window.as_secs().to_string()),
        ]
    }
}

/// A fifth of the descriptors is left for the database and for answering that there is no room.
fn default_connections() -> u32 {
    let descriptors = descriptors::limit().unwrap_or(USUAL_DESCRIPTORS);
    u32::try_from(descriptors / 5 * 4).map_or(MOST, |most| most.clamp(1, MOST))
}

/// A whole number in a range.
pub(super) fn number(text: &str, range: RangeInclusive<u32>) -> Result<u32, String> {
    let read = text.trim().parse().ok();
    read.filter(|number| range.contains(number)).ok_or_else(|| {
        let (least, most) = (range.start(), range.end());
        format!("`{text}` is not a whole number from {least} to {most}")
    })
}

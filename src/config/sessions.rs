//! What one connection may hold, and how long it may make the server wait.

use std::time::Duration;

use engineio::PaceLimits;

use super::limits::number;
use super::options::SessionOptions;
use super::problem::Problems;

const MAX_PAYLOAD: &str = "--max-payload (PARLANCE_MAX_PAYLOAD)";
const MAX_PACKETS: &str = "--max-packets (PARLANCE_MAX_PACKETS)";
const PACKETS: &str = "--packets-per-second (PARLANCE_PACKETS_PER_SECOND)";
const BYTES: &str = "--bytes-per-second (PARLANCE_BYTES_PER_SECOND)";
const PING_INTERVAL: &str = "--ping-interval (PARLANCE_PING_INTERVAL)";
const PING_TIMEOUT: &str = "--ping-timeout (PARLANCE_PING_TIMEOUT)";
const CONNECT_TIMEOUT: &str = "--connect-timeout (PARLANCE_CONNECT_TIMEOUT)";
const BODY_TIMEOUT: &str = "--body-timeout (PARLANCE_BODY_TIMEOUT)";
const WRITE_TIMEOUT: &str = "--write-timeout (PARLANCE_WRITE_TIMEOUT)";
const OUTBOX_LIMIT: &str = "--outbox-limit (PARLANCE_OUTBOX_LIMIT)";
const OUTBOX_TOTAL: &str = "--outbox-total (PARLANCE_OUTBOX_TOTAL)";

/// A client that is this part of its limit behind is told to catch up.
const SOFT_PART: usize = 4;
/// Seconds' worth of packets that may come at once: what a client says when it comes back.
const BURST: u32 = 4;
/// Longer times are typing errors.
const LONGEST: u32 = 3_600;

/// Limits of a connection of Socket.IO.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// Bytes of a packet, or of a polling body.
    pub max_payload: usize,
    /// Packets in a polling body.
    pub max_packets: usize,
    /// How fast one client may send, while rates are limited.
    pub pace: PaceLimits,
    /// From a pong to the next ping.
    pub ping_interval: Duration,
    /// From a ping to its pong, at most.
    pub ping_timeout: Duration,
    /// How long a client may stay connected without a token.
    pub connect_timeout: Duration,
    /// How long a polling body, or a fragmented message, may take.
    pub body_timeout: Duration,
    /// How long a client may take no byte of what waits for it.
    pub write_timeout: Duration,
    /// Bytes that may wait for one client.
    pub outbox: usize,
    /// Bytes that may wait for all clients together.
    pub outbox_total: usize,
}

impl SessionOptions {
    pub(super) fn read(&self, problems: &mut Problems) -> Option<SessionLimits> {
        let mut take = |setting, text: &str, range| problems.take(setting, number(text, range));
        let max_payload = take(MAX_PAYLOAD, &self.max_payload, 20_000..=16_000_000);
        let max_packets = take(MAX_PACKETS, &self.max_packets, 16..=1_000_000);
        let packets_per_second = take(PACKETS, &self.packets_per_second, 1..=1_000_000);
        let bytes_per_second = take(BYTES, &self.bytes_per_second, 20_000..=u32::MAX);
        let mut seconds = |setting, text| take(setting, text, 1..=LONGEST);
        let ping_interval = seconds(PING_INTERVAL, &self.ping_interval);
        let ping_timeout = seconds(PING_TIMEOUT, &self.ping_timeout);
        let connect_timeout = seconds(CONNECT_TIMEOUT, &self.connect_timeout);
        let body_timeout = seconds(BODY_TIMEOUT, &self.body_timeout);
        let write_timeout = seconds(WRITE_TIMEOUT, &self.write_timeout);
        let outbox = take(OUTBOX_LIMIT, &self.outbox_limit, 65_536..=1 << 30);
        // All together have at least what one may have.
        let least = outbox.unwrap_or(65_536);
        let outbox_total = take(OUTBOX_TOTAL, &self.outbox_total, least..=u32::MAX);
        let time =
            |seconds: Option<u32>| seconds.map(|seconds| Duration::from_secs(seconds.into()));
        Some(SessionLimits {
            max_payload: max_payload? as usize,
            max_packets: max_packets? as usize,
            pace: PaceLimits {
                packets_per_second: packets_per_second?,
                packet_burst: packets_per_second? * BURST,
                bytes_per_second: bytes_per_second?,
                byte_burst: bytes_per_second?.max(max_payload?),
            },
            ping_interval: time(ping_interval)?,
            ping_timeout: time(ping_timeout)?,
            connect_timeout: time(connect_timeout)?,
            body_timeout: time(body_timeout)?,
            write_timeout: time(write_timeout)?,
            outbox: outbox? as usize,
            outbox_total: outbox_total? as usize,
        })
    }
}

impl SessionLimits {
    /// From where on a client counts as behind.
    pub(crate) fn outbox_soft(&self) -> usize {
        self.outbox / SOFT_PART
    }

    /// The settings by the names of their options.
    pub(super) fn lines(&self) -> [(&'static str, String); 11] {
        let seconds = |time: Duration| time.as_secs().to_string();
        [
            ("max-payload", self.max_payload.to_string()),
            ("max-packets", self.max_packets.to_string()),
            (
                "packets-per-second",
                self.pace.packets_per_second.to_string(),
            ),
            ("bytes-per-second", self.pace.bytes_per_second.to_string()),
            ("ping-interval", seconds(self.ping_interval)),
            ("ping-timeout", seconds(self.ping_timeout)),
            ("connect-timeout", seconds(self.connect_timeout)),
            ("body-timeout", seconds(self.body_timeout)),
            ("write-timeout", seconds(self.write_timeout)),
            ("outbox-limit", self.outbox.to_string()),
            ("outbox-total", self.outbox_total.to_string()),
        ]
    }
}

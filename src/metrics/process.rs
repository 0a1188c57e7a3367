//! What the system says about this process, by the names that Prometheus' own libraries use.

use super::text::{Kind, Page};
use crate::descriptors;

/// Ticks of the processor times in /proc: the same on every Linux that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Adds what can be found; other systems than Linux say nothing.
pub(super) fn write(page: &mut Page) {
    if let Some(seconds) = stat().as_deref().and_then(processor_seconds) {
        page.one(
            Kind::Counter,
            "process_cpu_seconds_total",
            "Processor time used, in seconds.",
            seconds,
        );
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    for (name, help, key, unit) in [
        (
            "process_resident_memory_bytes",
            "Resident memory.",
            "VmRSS:",
            1024,
        ),
        (
            "process_virtual_memory_bytes",
            "Virtual memory.",
            "VmSize:",
            1024,
        ),
        ("process_threads", "Threads.", "Threads:", 1),
    ] {
        if let Some(value) = first_number(&status, key) {
            page.one(Kind::Gauge, name, help, value * unit);
        }
    }
    if let Ok(entries) = std::fs::read_dir("/proc/self/fd") {
        let help = "Open file descriptors.";
        page.one(Kind::Gauge, "process_open_fds", help, entries.count());
    }
    if let Some(most) = descriptors::limit() {
        let help = "The most file descriptors that may be open.";
        page.one(Kind::Gauge, "process_max_fds", help, most);
    }
}

fn stat() -> Option<String> {
    std::fs::read_to_string("/proc/self/stat").ok()
}

/// Fields 14 and 15, counted after the name, which may hold blanks and brackets itself.
fn processor_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut times = fields.split(' ').skip(11).take(2).map(str::parse::<u64>);
    let ticks = times.next()?.ok()? + times.next()?.ok()?;
    Some(ticks as f64 / TICKS_PER_SECOND)
}

fn first_number(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_found_behind_any_name() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20";
        assert_eq!(processor_seconds(stat), Some(3.0));
        assert_eq!(processor_seconds("7 (a"), None);
    }

    #[test]
    fn a_line_of_status_gives_its_number() {
        assert_eq!(first_number("VmRSS:\t  12 kB\n", "VmRSS:"), Some(12));
        assert_eq!(first_number("VmRSS:\t  12 kB\n", "Threads:"), None);
    }
}

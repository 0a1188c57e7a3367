//! The text format of Prometheus, version 0.0.4.

use std::fmt::{Display, Write as _};

use engineio::metrics::Histogram;

/// What histograms of times are kept in, per second.
const MICROSECONDS: f64 = 1e6;

/// A page of metrics.
#[derive(Debug, Default)]
pub(super) struct Page(String);

/// What kind of number a metric is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// It only rises.
    Counter,
    /// It goes up and down.
    Gauge,
}

impl Page {
    /// One number.
    pub(super) fn one(&mut self, kind: Kind, name: &str, help: &str, value: impl Display) {
        self.head(kind.as_str(), name, help);
        self.line(name, "", value);
    }

    /// One number for each value of a label.
    pub(super) fn each<V: Display>(
        &mut self,
        kind: Kind,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'static str, V)>,
    ) {
        self.head(kind.as_str(), name, help);
        for (of, value) in values {
            self.line(name, &format!("{{{label}=\"{of}\"}}"), value);
        }
    }

    /// A histogram of durations, in seconds.
    pub(super) fn times(&mut self, name: &str, help: &str, times: &Histogram) {
        self.histogram(name, help, times, MICROSECONDS);
    }

    /// A histogram of sizes.
    pub(super) fn sizes(&mut self, name: &str, help: &str, sizes: &Histogram) {
        self.histogram(name, help, sizes, 1.0);
    }

    fn histogram(&mut self, name: &str, help: &str, values: &Histogram, unit: f64) {
        self.head("histogram", name, help);
        let mut most = 0;
        for (bound, count) in values.cumulative() {
            let le = format!("{{le=\"{}\"}}", bound as f64 / unit);
            self.line(&format!("{name}_bucket"), &le, count);
            most = count;
        }
        // Counted while the buckets were read, a value must not make the sum of them smaller.
        let total = values.total().max(most);
        self.line(&format!("{name}_bucket"), "{le=\"+Inf\"}", total);
        self.line(&format!("{name}_sum"), "", values.sum() as f64 / unit);
        self.line(&format!("{name}_count"), "", total);
    }

    /// The finished page.
    pub(super) fn finish(self) -> String {
        self.0
    }

    fn head(&mut self, kind: &str, name: &str, help: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_ends_with_infinity_sum_and_count() {
        let times = Histogram::of_times();
        times.observe(70);
        times.observe(30_000_000);
        let mut page = Page::default();
        page.times("t_seconds", "Times.", &times);
        let page = page.finish();
        assert!(
            page.starts_with("# HELP t_seconds Times.\n# TYPE t_seconds histogram\n"),
            "{page}"
        );
        for line in [
            "t_seconds_bucket{le=\"0.00005\"} 0",
            "t_seconds_bucket{le=\"0.0001\"} 1",
            "t_seconds_bucket{le=\"20\"} 1",
            "t_seconds_bucket{le=\"+Inf\"} 2",
            "t_seconds_sum 30.00007",
            "t_seconds_count 2",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}: {page}");
        }
    }

    #[test]
    fn labels_stand_in_braces() {
        let mut page = Page::default();
        page.each(Kind::Gauge, "n", "Numbers.", "of", [("a", 1), ("b", 2)]);
        assert_eq!(
            page.finish(),
            "# HELP n Numbers.\n# TYPE n gauge\nn{of=\"a\"} 1\nn{of=\"b\"} 2\n"
        );
    }
}

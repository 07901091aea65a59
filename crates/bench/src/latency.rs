//! Latency histograms, and the percentiles that a report gives.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Latencies from 1 ns to one hour, with three significant digits.
#[derive(Debug)]
pub(crate) struct LatencyHistogram(Histogram<u64>);

impl LatencyHistogram {
    pub(crate) fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, 3_600_000_000_000, 3);
        Self(histogram.unwrap_or_else(|_| unreachable!("the bounds are valid")))
    }

    /// Records `count` samples of the same latency.
    pub(crate) fn record(&mut self, latency: Duration, count: u64) {
        // Recording zero samples would still raise the histogram's maximum.
        if count > 0 {
            self.0.saturating_record_n(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX), count);
        }
    }

    pub(crate) fn reset(&mut self) {
        self.0.reset();
    }

    /// Number of samples.
    pub(crate) fn len(&self) -> u64 {
        self.0.len()
    }

    /// The sum of all samples, in seconds.
    #[expect(clippy::cast_precision_loss, reason = "rates are shown to a few digits")]
    pub(crate) fn sum_seconds(&self) -> f64 {
        self.0.mean() * self.0.len() as f64 / 1e9
    }

    /// The longest latency, in nanoseconds.
    pub(crate) fn max(&self) -> u64 {
        self.0.max()
    }
}

/// Percentiles of latencies, in microseconds. A percentile above the 50th is `None` if fewer than ten samples lie
/// beyond it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    /// The median.
    pub p50_us: f64,
    /// The 90th percentile.
    pub p90_us: Option<f64>,
    /// The 99th percentile.
    pub p99_us: Option<f64>,
    /// The 99.9th percentile.
    pub p999_us: Option<f64>,
    /// The longest latency.
    pub max_us: f64,
}

impl Latency {
    #[expect(clippy::cast_precision_loss, reason = "microseconds are shown to three digits")]
    /// The percentiles of `histogram`. `None` if it is empty.
    pub(crate) fn from_histogram(histogram: &LatencyHistogram) -> Option<Self> {
        let to_us = |nanoseconds: u64| nanoseconds as f64 / 1e3;
        let percentile = |quantile: f64, samples_min: u64| {
            (histogram.len() >= samples_min).then(|| to_us(histogram.0.value_at_quantile(quantile)))
        };
        Some(Self {
            p50_us: percentile(0.5, 1)?,
            p90_us: percentile(0.9, 100),
            p99_us: percentile(0.99, 1_000),
            p999_us: percentile(0.999, 10_000),
            max_us: to_us(histogram.max()),
        })
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p50 {}", format_us(self.p50_us))?;
        for (name, value) in [("p90", self.p90_us), ("p99", self.p99_us), ("p99.9", self.p999_us)] {
            if let Some(value) = value {
                write!(f, ", {name} {}", format_us(value))?;
            }
        }
        write!(f, ", max {}", format_us(self.max_us))
    }
}

/// Formats a time in microseconds. From 10 ms on, the text is in milliseconds.
pub(crate) fn format_us(value: f64) -> String {
    if value >= 1e4 { format!("{:.2} ms", value / 1e3) } else { format!("{value:.1} µs") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentile_needs_ten_samples_beyond_it() {
        let mut histogram = LatencyHistogram::new();
        assert!(Latency::from_histogram(&histogram).is_none());
        histogram.record(Duration::from_millis(1), 999);
        let latency = Latency::from_histogram(&histogram).expect("the histogram is not empty");
        assert_eq!((latency.p90_us.is_some(), latency.p99_us, latency.p999_us), (true, None, None));
        histogram.record(Duration::from_millis(3), 9_001);
        let latency = Latency::from_histogram(&histogram).expect("the histogram is not empty");
        assert!((latency.p999_us.expect("ten samples lie beyond it") / 3_000.0 - 1.0).abs() < 0.001, "{latency:?}");
    }
}

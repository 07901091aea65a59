//! Latencies of the messages that are due in one span of time, no matter when they arrive.
//!
//! A server that stalls near the end of the span delays messages past that end. The run therefore waits for every
//! message that was due in the span, and does not time those due after it.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::latency::LatencyHistogram;

/// Latencies of one span, from all streams.
#[derive(Debug)]
pub(crate) struct LatencyRecorder {
    span: Range<Instant>,
    /// Messages of the span that were sent and have neither arrived nor been given up.
    in_flight: u64,
    latencies: LatencyHistogram,
    lateness: LatencyHistogram,
}

impl LatencyRecorder {
    /// An empty span: records nothing.
    pub(crate) fn new(now: Instant) -> Self {
        Self { span: now..now, in_flight: 0, latencies: LatencyHistogram::new(), lateness: LatencyHistogram::new() }
    }

    /// Drops all records and starts to record messages that are due in `span`.
    pub(crate) fn begin(&mut self, span: Range<Instant>) {
        self.span = span;
        self.in_flight = 0;
        self.latencies.reset();
        self.lateness.reset();
    }

    /// The time by which each message arrived after its due time.
    pub(crate) fn latencies(&self) -> &LatencyHistogram {
        &self.latencies
    }

    /// The time by which each message of an open loop was sent after its due time.
    pub(crate) fn lateness(&self) -> &LatencyHistogram {
        &self.lateness
    }

    pub(crate) fn span_end(&self) -> Instant {
        self.span.end
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// Counts messages that are sent now and had the due time `at`.
    pub(crate) fn sent(&mut self, at: Instant, count: u64) {
        if self.span.contains(&at) {
            self.in_flight += count;
        }
    }

    /// Counts a message of an open loop that is sent `late` after it was due.
    pub(crate) fn sent_late(&mut self, at: Instant, late: Duration) {
        if self.span.contains(&at) {
            self.lateness.record(late, 1);
        }
        self.sent(at, 1);
    }

    /// Settles `count` messages that were due at `at`: they arrived at `now`, except for `skipped` ones, which were
    /// given up and get no latency.
    pub(crate) fn resolve(&mut self, at: Instant, now: Instant, count: u64, skipped: u64) {
        if self.span.contains(&at) {
            self.in_flight = self.in_flight.saturating_sub(count);
            self.latencies.record(now.saturating_duration_since(at), count - skipped);
        }
    }
}

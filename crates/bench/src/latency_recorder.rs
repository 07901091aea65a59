//! Latencies of the messages that are due in one span of time. They may arrive after the span.
//!
//! A server that stalls near the end of the span delays messages past that end. The run therefore waits for every
//! message that was due in the span, and does not time the messages that are due after it.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::latency::LatencyHistogram;

/// Latencies of one span, from all streams.
#[derive(Debug)]
pub(crate) struct LatencyRecorder {
    span: Range<Instant>,
    /// Messages of the span that were sent, and have neither arrived nor been given up as lost.
    in_flight: u64,
    latencies: LatencyHistogram,
    lateness: LatencyHistogram,
}

impl LatencyRecorder {
    /// A recorder that records nothing until [`Self::begin`], because its span is empty.
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

    /// The time from due time to arrival, of each message.
    pub(crate) fn latencies(&self) -> &LatencyHistogram {
        &self.latencies
    }

    /// The time from due time to sending, of each message of an open loop.
    pub(crate) fn lateness(&self) -> &LatencyHistogram {
        &self.lateness
    }

    pub(crate) fn span_end(&self) -> Instant {
        self.span.end
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// Counts `count` messages that are sent now and were due at `due_at`.
    pub(crate) fn record_sent(&mut self, due_at: Instant, count: u64) {
        if self.span.contains(&due_at) {
            self.in_flight += count;
        }
    }

    /// Counts a message of an open loop that was due at `due_at` and is sent now, `lateness` after that time, to
    /// `receivers` sessions.
    pub(crate) fn record_sent_late(&mut self, due_at: Instant, lateness: Duration, receivers: u64) {
        if self.span.contains(&due_at) {
            self.lateness.record(lateness, 1);
        }
        self.record_sent(due_at, receivers);
    }

    /// Records that `count` messages that were due at `due_at` are no longer in flight. Of these, `lost` messages were
    /// given up and get no latency. The others arrived at `now`.
    pub(crate) fn resolve(&mut self, due_at: Instant, now: Instant, count: u64, lost: u64) {
        if self.span.contains(&due_at) {
            self.in_flight = self.in_flight.saturating_sub(count);
            self.latencies.record(now.saturating_duration_since(due_at), count - lost);
        }
    }
}

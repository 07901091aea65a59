//! How long messages took: those that are due in a span of time, whenever they arrive.
//!
//! A server that stands still just before the end of the span delays what was due in it beyond that end. So what is
//! due in the span is waited for, and what is due after it is not timed.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::latency::LatencyHistogram;

/// LatencyRecorder of the messages of one span, from all streams together.
#[derive(Debug)]
pub(crate) struct LatencyRecorder {
    span: Range<Instant>,
    /// Messages of the span that were sent, and of which nothing is known yet.
    in_flight: u64,
    latencies: LatencyHistogram,
    lateness: LatencyHistogram,
}

impl LatencyRecorder {
    /// LatencyRecorder nothing yet.
    pub(crate) fn new(now: Instant) -> Self {
        Self { span: now..now, in_flight: 0, latencies: LatencyHistogram::new(), lateness: LatencyHistogram::new() }
    }

    /// From now on times what is due in `span`, which begins now.
    pub(crate) fn begin(&mut self, span: Range<Instant>) {
        self.span = span;
        self.in_flight = 0;
        self.latencies.reset();
        self.lateness.reset();
    }

    /// How long messages took.
    pub(crate) fn latencies(&self) -> &LatencyHistogram {
        &self.latencies
    }

    /// How long after they were due messages were sent.
    pub(crate) fn lateness(&self) -> &LatencyHistogram {
        &self.lateness
    }

    /// When the span ends.
    pub(crate) fn span_end(&self) -> Instant {
        self.span.end
    }

    /// How many messages of the span were sent, and have neither come nor been given up.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// So many messages that are due at `at` are sent.
    pub(crate) fn sent(&mut self, at: Instant, count: u64) {
        if self.span.contains(&at) {
            self.in_flight += count;
        }
    }

    /// One message of a schedule is sent, so long after it was due.
    pub(crate) fn sent_late(&mut self, at: Instant, late: Duration) {
        if self.span.contains(&at) {
            self.lateness.record(late, 1);
        }
        self.sent(at, 1);
    }

    /// Of so many messages that were due at `at` it is known now what became of them: they came, but for those that
    /// were skipped. These have not taken any time.
    pub(crate) fn resolve(&mut self, at: Instant, now: Instant, count: u64, skipped: u64) {
        if self.span.contains(&at) {
            self.in_flight = self.in_flight.saturating_sub(count);
            self.latencies.record(now.saturating_duration_since(at), count - skipped);
        }
    }
}

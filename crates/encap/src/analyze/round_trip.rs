//! Round-trip times: the capture time from a segment to its acknowledgment.
//!
//! A segment is timed only if an acknowledgment ends exactly at its last byte, as in Wireshark's
//! `tcp.analysis.ack_rtt`. A repeated segment is not timed, because its acknowledgment may answer either copy (Karn's
//! algorithm, RFC 6298 §3).

use std::collections::VecDeque;

use super::limits::{SAMPLES_MAX, TIMED_MAX};
use crate::wire::SeqNumber;

/// Times the segments of one direction until they are acknowledged.
#[derive(Debug, Default)]
pub(super) struct AckTimer {
    /// Unacknowledged segments: the number after the last byte, and the time of capture in nanoseconds.
    awaited: VecDeque<(SeqNumber, i64)>,
}

/// The range of one direction's round-trip times, and a bounded sample of them. All times are in nanoseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct RoundTrips {
    min: u64,
    max: u64,
    count: u64,
    /// All times, or every 2nd, every 4th and so on, so that memory stays bounded.
    samples: Vec<u64>,
    /// Of every `1 << stride_log2` times, `samples` has one.
    stride_log2: u32,
}

/// Minimum, median and maximum of round-trip times.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
pub struct RoundTripTimes {
    /// Minimum, in nanoseconds.
    pub min_nanos: u64,
    /// Median, in nanoseconds. For an even count, it is the lower of the two middle times. For more than 128 times, it
    /// is the median of an evenly spaced sample.
    pub median_nanos: u64,
    /// Maximum, in nanoseconds.
    pub max_nanos: u64,
    /// Number of times.
    pub count: u64,
}

impl AckTimer {
    /// Heap memory, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        self.awaited.capacity() * size_of::<(SeqNumber, i64)>()
    }

    /// Starts timing a segment with new data. `end` is the number after its last byte.
    pub(super) fn start(&mut self, end: SeqNumber, now: i64) {
        if self.awaited.len() < TIMED_MAX {
            self.awaited.push_back((end, now));
        }
    }

    /// Stops timing the segments that end at or before `end`, because they were sent again.
    pub(super) fn cancel(&mut self, end: SeqNumber) {
        self.awaited.retain(|(awaited_end, _)| awaited_end.is_after(end));
    }

    /// Removes the segments that `ack` acknowledges. Returns the round-trip time, in nanoseconds, of the segment that
    /// ends at `ack`.
    pub(super) fn acknowledge(&mut self, ack: SeqNumber, now: i64) -> Option<u64> {
        let mut round_trip = None;
        while let Some(&(end, sent_at)) = self.awaited.front() {
            if end.is_after(ack) {
                break;
            }
            self.awaited.pop_front();
            // If the clock was set back, there is no valid time.
            if end == ack && now >= sent_at {
                round_trip = Some(now.abs_diff(sent_at));
            }
        }
        round_trip
    }
}

impl RoundTrips {
    /// Heap memory, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        self.samples.capacity() * size_of::<u64>()
    }

    pub(crate) fn add(&mut self, nanos: u64) {
        self.min = if self.count == 0 { nanos } else { self.min.min(nanos) };
        self.max = self.max.max(nanos);
        if self.count.is_multiple_of(1 << self.stride_log2) {
            if self.samples.len() == SAMPLES_MAX {
                // Drop every second time, and keep half as many from now on.
                let mut keep = false;
                self.samples.retain(|_| {
                    keep = !keep;
                    keep
                });
                self.stride_log2 += 1;
            }
            if self.count.is_multiple_of(1 << self.stride_log2) {
                self.samples.push(nanos);
            }
        }
        self.count += 1;
    }

    /// Minimum, median and maximum so far; `None` without a time.
    pub(crate) fn times(&mut self) -> Option<RoundTripTimes> {
        if self.samples.is_empty() {
            return None;
        }
        let middle = (self.samples.len() - 1) / 2;
        let (_, &mut median_nanos, _) = self.samples.select_nth_unstable(middle);
        Some(RoundTripTimes { min_nanos: self.min, median_nanos, max_nanos: self.max, count: self.count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_minimum_median_and_maximum() {
        let (mut timer, mut trips) = (AckTimer::default(), RoundTrips::default());
        assert_eq!(trips.times(), None);
        for (end, sent, acked) in [(10, 0, 30), (20, 100, 110), (30, 200, 220), (40, 300, 700)] {
            timer.start(SeqNumber(end), sent);
            trips.add(timer.acknowledge(SeqNumber(end), acked).expect("it was sent once"));
        }
        let expected = RoundTripTimes { min_nanos: 10, median_nanos: 20, max_nanos: 400, count: 4 };
        assert_eq!(trips.times(), Some(expected));
    }

    #[test]
    fn repeated_or_jointly_acknowledged_segments_are_not_timed() {
        let mut timer = AckTimer::default();
        timer.start(SeqNumber(10), 0);
        timer.cancel(SeqNumber(10));
        assert_eq!(timer.acknowledge(SeqNumber(10), 5), None);
        timer.start(SeqNumber(20), 10);
        timer.start(SeqNumber(30), 20);
        assert_eq!(timer.acknowledge(SeqNumber(30), 50), Some(30));
        assert_eq!(timer.acknowledge(SeqNumber(30), 60), None);
    }

    #[test]
    fn memory_is_bounded_with_a_million_samples() {
        let mut trips = RoundTrips::default();
        for nanos in 0..1_000_000 {
            trips.add(nanos);
        }
        assert!(trips.samples.len() <= SAMPLES_MAX);
        let times = trips.times().expect("times were added");
        assert_eq!((times.min_nanos, times.max_nanos, times.count), (0, 999_999, 1_000_000));
        assert!(times.median_nanos.abs_diff(500_000) < 20_000, "{times:?}");
    }
}

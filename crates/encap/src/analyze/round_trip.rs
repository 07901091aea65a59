//! Round-trip times: from a segment to its acknowledgment, by the capture's stamps.
//!
//! A segment is timed by the acknowledgment of exactly its last byte, as in Wireshark's `tcp.analysis.ack_rtt`. What was sent
//! twice is not timed, because nobody can tell which of the two was acknowledged (Karn's algorithm, RFC 6298 §3).

use std::collections::VecDeque;

use super::limits::{SAMPLES_MAX, TIMED_MAX};
use crate::wire::SeqNumber;

/// Times the segments of one direction until they are acknowledged.
#[derive(Debug, Default)]
pub(super) struct AckTimer {
    /// The number after the last byte of each segment that is not acknowledged yet, and when it was captured.
    awaited: VecDeque<(SeqNumber, i64)>,
}

/// Round-trip times of one direction's segments, and a bounded sample of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct RoundTrips {
    min: u64,
    max: u64,
    count: u64,
    /// Each of the times, or every second, every fourth and so on, so that they stay few.
    samples: Vec<u64>,
    /// `1 << stride` times are passed for each that is kept.
    stride: u32,
}

/// The least, the middle and the most of some round-trip times, in nanoseconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
pub struct RoundTripTimes {
    /// The least.
    pub min_nanos: u64,
    /// The middle one; of an even number, the earlier of the two. Beyond 128 times, of an even sample of them.
    pub median_nanos: u64,
    /// The most.
    pub max_nanos: u64,
    /// How many there were.
    pub count: u64,
}

impl AckTimer {
    /// Heap memory, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.awaited.capacity() * size_of::<(SeqNumber, i64)>()
    }

    /// A segment with new data that ends before `end`.
    pub(super) fn sent(&mut self, end: SeqNumber, now: i64) {
        if self.awaited.len() < TIMED_MAX {
            self.awaited.push_back((end, now));
        }
    }

    /// What ends at or before `end` was sent again: whose acknowledgment comes is not to be known.
    pub(super) fn sent_again(&mut self, end: SeqNumber) {
        self.awaited.retain(|(awaited, _)| awaited.is_after(end));
    }

    /// An acknowledgment of all before `ack`. Gives the round-trip time in nanoseconds, if it can be told.
    pub(super) fn acknowledged(&mut self, ack: SeqNumber, now: i64) -> Option<u64> {
        let mut took = None;
        while let Some(&(end, then)) = self.awaited.front() {
            if end.is_after(ack) {
                break;
            }
            self.awaited.pop_front();
            // A clock that was set back gives no time.
            if end == ack && now >= then {
                took = Some(now.abs_diff(then));
            }
        }
        took
    }
}

impl RoundTrips {
    /// Heap memory, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.samples.capacity() * size_of::<u64>()
    }

    pub(crate) fn add(&mut self, nanos: u64) {
        self.min = if self.count == 0 { nanos } else { self.min.min(nanos) };
        self.max = self.max.max(nanos);
        if self.count.is_multiple_of(1 << self.stride) {
            if self.samples.len() == SAMPLES_MAX {
                // Every second one goes, and from now on half as many come.
                let mut keep = false;
                self.samples.retain(|_| {
                    keep = !keep;
                    keep
                });
                self.stride += 1;
            }
            if self.count.is_multiple_of(1 << self.stride) {
                self.samples.push(nanos);
            }
        }
        self.count += 1;
    }

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
    fn least_middle_and_most() {
        let (mut timer, mut trips) = (AckTimer::default(), RoundTrips::default());
        assert_eq!(trips.times(), None);
        for (end, sent, acked) in [(10, 0, 30), (20, 100, 110), (30, 200, 220), (40, 300, 700)] {
            timer.sent(SeqNumber(end), sent);
            timer.acknowledged(SeqNumber(end), acked).into_iter().for_each(|nanos| trips.add(nanos));
        }
        let expected = RoundTripTimes { min_nanos: 10, median_nanos: 20, max_nanos: 400, count: 4 };
        assert_eq!(trips.times(), Some(expected));
    }

    #[test]
    fn what_was_sent_twice_or_acknowledged_with_more_is_not_timed() {
        let mut timer = AckTimer::default();
        timer.sent(SeqNumber(10), 0);
        timer.sent_again(SeqNumber(10));
        assert_eq!(timer.acknowledged(SeqNumber(10), 5), None);
        timer.sent(SeqNumber(20), 10);
        timer.sent(SeqNumber(30), 20);
        assert_eq!(timer.acknowledged(SeqNumber(30), 50), Some(30));
        assert_eq!(timer.acknowledged(SeqNumber(30), 60), None);
    }

    #[test]
    fn a_million_times_take_no_more_room() {
        let mut trips = RoundTrips::default();
        for nanos in 0..1_000_000 {
            trips.add(nanos);
        }
        assert!(trips.samples.len() <= SAMPLES_MAX);
        let times = trips.times().expect("there are some");
        assert_eq!((times.min_nanos, times.max_nanos, times.count), (0, 999_999, 1_000_000));
        assert!(times.median_nanos.abs_diff(500_000) < 20_000, "{times:?}");
    }
}

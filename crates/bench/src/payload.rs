//! Checkable payloads: a stream number, a message number, and a fill that is unique to the stream.
//!
//! ```text
//! 00000012.000000000345.kX3vQ…
//! stream   number       fill
//! ```
//!
//! Sender and receiver generate the same sequence. The receiver has the next expected payload ready, so an intact
//! payload costs one memory comparison. Only a payload that differs is parsed.

use std::ops::Range;
use std::rc::Rc;

use crate::faults::Faults;

const STREAM_DIGITS: usize = 8;
const NUMBER: Range<usize> = STREAM_DIGITS + 1..STREAM_DIGITS + 1 + 12;
const HEADER_BYTES: usize = NUMBER.end + 1;

/// Shortest payload, in bytes: the header alone.
pub(crate) const PAYLOAD_MIN_BYTES: usize = HEADER_BYTES;

/// Longest payload, in bytes: a message with its protocol overhead must fit in one read.
pub(crate) const PAYLOAD_MAX_BYTES: usize = 65_536;

/// Missing message numbers remembered for each stream, to tell a late message from a duplicate. Further ones are only
/// counted.
const MISSING_MAX: usize = 4096;

/// The payloads of one stream, in order.
#[derive(Clone, Debug)]
pub(crate) struct PayloadSequence {
    /// The header of the current payload, then the longest fill.
    bytes: Vec<u8>,
    number: u64,
    sizes: Rc<[usize]>,
    /// Index into `sizes` of the current payload.
    turn: usize,
}

impl PayloadSequence {
    /// The payloads of `stream`, starting at number 0. The sizes are used in turn. `sizes` is not empty and holds no
    /// size below [`PAYLOAD_MIN_BYTES`].
    pub(crate) fn new(stream: usize, sizes: &Rc<[usize]>) -> Self {
        let longest = sizes.iter().copied().max().unwrap_or(HEADER_BYTES);
        let mut bytes = format!("{stream:0STREAM_DIGITS$}.{:012}.", 0).into_bytes();
        let mut random = fastrand::Rng::with_seed(stream as u64);
        bytes.resize_with(longest, || u8::try_from(random.alphanumeric()).unwrap_or(b'x'));
        Self { bytes, number: 0, sizes: Rc::clone(sizes), turn: 0 }
    }

    pub(crate) fn current(&self) -> &[u8] {
        &self.bytes[..self.sizes[self.turn]]
    }

    /// The number of the current payload.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn advance(&mut self) {
        self.number += 1;
        for digit in self.bytes[NUMBER].iter_mut().rev() {
            if *digit < b'9' {
                *digit += 1;
                break;
            }
            *digit = b'0';
        }
        self.turn += 1;
        if self.turn == self.sizes.len() {
            self.turn = 0;
        }
    }

    fn seek(&mut self, number: u64) {
        self.number = number;
        self.bytes[NUMBER].copy_from_slice(format!("{number:012}").as_bytes());
        self.turn = usize::try_from(number % self.sizes.len() as u64).unwrap_or(0);
    }

    /// The message number in the header of `payload`, if the payload belongs to this stream.
    fn number_of(&self, payload: &[u8]) -> Option<u64> {
        let is_ours = payload.get(..NUMBER.start)? == &self.bytes[..NUMBER.start];
        let digits = payload.get(NUMBER).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
        let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
        is_ours.then_some(number)
    }
}

/// The receiving end of a stream: the next expected payload, and the faults so far.
#[derive(Debug)]
pub(crate) struct PayloadChecker {
    next: PayloadSequence,
    missing: Vec<u64>,
    /// Numbers given up since [`Self::clear_skipped`].
    skipped: Vec<Range<u64>>,
    faults: Faults,
}

impl PayloadChecker {
    pub(crate) fn new(payloads: PayloadSequence) -> Self {
        Self { next: payloads, missing: Vec::new(), skipped: Vec::new(), faults: Faults::default() }
    }

    /// The number of the next expected message: the count of messages that have arrived or been given up.
    pub(crate) fn next_number(&self) -> u64 {
        self.next.number
    }

    /// Messages that have arrived, each counted once.
    pub(crate) fn delivered(&self) -> u64 {
        self.next.number - self.faults.lost
    }

    /// Faults so far. A message counted as lost may still arrive late.
    pub(crate) fn faults(&self) -> Faults {
        self.faults
    }

    /// Compares an arrived payload with the next expected one.
    #[inline]
    pub(crate) fn check(&mut self, payload: &[u8]) {
        if payload == self.next.current() {
            self.next.advance();
        } else {
            self.check_mismatch(payload);
        }
    }

    #[cold]
    fn check_mismatch(&mut self, payload: &[u8]) {
        let Some(number) = self.next.number_of(payload) else {
            self.faults.corrupt += 1;
            return;
        };
        let next_number = self.next.number;
        self.next.seek(number);
        let is_whole = payload == self.next.current();
        if number < next_number {
            // Either it was given up before, or it is a duplicate.
            self.next.seek(next_number);
            match self.missing.iter().position(|&missing| missing == number) {
                _ if !is_whole => self.faults.corrupt += 1,
                Some(at) => {
                    self.missing.swap_remove(at);
                    self.faults.lost -= 1;
                    self.faults.reordered += 1;
                }
                None => self.faults.duplicated += 1,
            }
            return;
        }
        if !is_whole {
            self.faults.corrupt += 1;
        }
        self.give_up(next_number..number);
        self.next.advance();
    }

    /// Ends the stream after `sent` messages. Messages that have not arrived are lost.
    pub(crate) fn finish(&mut self, sent: u64) -> Faults {
        self.give_up(self.next.number..sent);
        self.next.seek(self.next.number.max(sent));
        self.faults
    }

    fn give_up(&mut self, numbers: Range<u64>) {
        if numbers.is_empty() {
            return;
        }
        let room = MISSING_MAX - self.missing.len();
        self.missing.extend(numbers.clone().take(room));
        self.faults.lost += numbers.end - numbers.start;
        self.skipped.push(numbers);
    }

    /// Numbers in `numbers` that were given up since [`Self::clear_skipped`], even if they arrived later.
    pub(crate) fn skipped_in(&self, numbers: Range<u64>) -> u64 {
        let both = |skipped: &Range<u64>| numbers.start.max(skipped.start)..numbers.end.min(skipped.end);
        self.skipped.iter().map(both).map(|both| both.end.saturating_sub(both.start)).sum()
    }

    pub(crate) fn clear_skipped(&mut self) {
        self.skipped.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payloads(count: usize) -> (PayloadChecker, Vec<Vec<u8>>) {
        let sizes: Rc<[usize]> = Rc::from([64, 22, 100]);
        let mut payloads = PayloadSequence::new(12, &sizes);
        let checker = PayloadChecker::new(payloads.clone());
        let all = (0..count).map(|_| {
            let payload = payloads.current().to_vec();
            payloads.advance();
            payload
        });
        (checker, all.collect())
    }

    #[test]
    fn a_payload_holds_its_stream_and_number() {
        let (_, all) = payloads(1003);
        assert!(all[0].starts_with(b"00000012.000000000000."), "{}", all[0].escape_ascii());
        assert!(all[1002].starts_with(b"00000012.000000001002."), "{}", all[1002].escape_ascii());
        assert_eq!([all[0].len(), all[1].len(), all[2].len(), all[3].len()], [64, 22, 100, 64]);
        assert!(all[2].iter().all(u8::is_ascii_graphic));
    }

    #[test]
    fn each_kind_of_fault_is_counted() {
        let good = Faults::default();
        let cases: [(&str, &[usize], Faults); 7] = [
            ("in order", &[0, 1, 2, 3, 4], good),
            ("one lost", &[0, 1, 3, 4], Faults { lost: 1, ..good }),
            ("the first lost", &[1, 2, 3, 4], Faults { lost: 1, ..good }),
            ("the last lost", &[0, 1, 2], Faults { lost: 2, ..good }),
            ("two swapped", &[0, 2, 1, 3, 4], Faults { reordered: 1, ..good }),
            ("one twice", &[0, 1, 1, 2, 3, 4], Faults { duplicated: 1, ..good }),
            ("none came", &[], Faults { lost: 5, ..good }),
        ];
        for (case, order, expected) in cases {
            let (mut checker, all) = payloads(5);
            for &at in order {
                checker.check(&all[at]);
            }
            assert_eq!(checker.finish(5), expected, "{case}");
        }
    }

    #[test]
    fn changed_payloads_are_corrupt() {
        let other_stream = PayloadSequence::new(13, &Rc::from([64])).current().to_vec();
        for (case, at, change) in [("the fill", 30, 1), ("the stream", 3, 1), ("the number", 15, 0x40)] {
            let (mut checker, all) = payloads(3);
            let mut changed = all[0].clone();
            changed[at] ^= change;
            checker.check(&changed);
            for payload in &all[1..] {
                checker.check(payload);
            }
            assert_eq!(checker.finish(3).corrupt, 1, "{case}");
        }
        for (case, wrong) in [("another's", &other_stream[..]), ("cut", b"00000012.0000"), ("empty", b"")] {
            let (mut checker, all) = payloads(3);
            checker.check(wrong);
            for payload in &all {
                checker.check(payload);
            }
            assert_eq!(checker.finish(3), Faults { corrupt: 1, ..Faults::default() }, "{case}");
        }
    }

    #[test]
    fn a_gap_of_any_length_is_counted() {
        let (mut checker, all) = payloads(10_001);
        checker.check(&all[10_000]);
        checker.check(&all[5]);
        assert_eq!(checker.finish(10_001), Faults { lost: 9_999, reordered: 1, ..Faults::default() });
    }
}

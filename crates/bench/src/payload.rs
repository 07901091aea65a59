//! Checkable payloads: a stream number, a message number, and a fill that is unique to the stream.
//!
//! ```text
//! 00000012.000000000345.kX3vQ…
//! stream   number       fill
//! ```
//!
//! Sender and receiver generate the same sequence. The receiver has the next expected payload ready, so an intact
//! payload costs one memory comparison. Only a payload that differs from it is parsed.

use std::ops::Range;
use std::rc::Rc;

use crate::faults::Faults;

const STREAM_DIGITS: usize = 8;
/// Position of the message number: 12 digits after the stream number and a dot.
const NUMBER: Range<usize> = STREAM_DIGITS + 1..STREAM_DIGITS + 1 + 12;
const HEADER_BYTES: usize = NUMBER.end + 1;

/// Shortest payload, in bytes: the header alone.
pub(crate) const PAYLOAD_MIN_BYTES: usize = HEADER_BYTES;

/// Longest payload, in bytes. A message with its protocol overhead must fit in one read.
pub(crate) const PAYLOAD_MAX_BYTES: usize = 65_536;

/// Maximum numbers of missing messages that a stream stores. They tell a late message from a duplicate. Further missing
/// messages are only counted.
const MISSING_MAX: usize = 4096;

/// The stream number in the header of `payload`, if there is one.
pub(crate) fn stream_of(payload: &[u8]) -> Option<usize> {
    let digits = payload.get(..STREAM_DIGITS)?;
    digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| 10 * number + usize::from(digit - b'0')))
}

/// The payloads of one stream, in order.
#[derive(Clone, Debug)]
pub(crate) struct PayloadSequence {
    /// The header of the current payload, then a fill for the largest size.
    bytes: Vec<u8>,
    number: u64,
    sizes: Rc<[usize]>,
    /// Index of the current payload's size in `sizes`.
    size_index: usize,
}

impl PayloadSequence {
    /// The payloads of `stream`, starting at number 0. The payloads use the sizes in turn. `sizes` must not be empty,
    /// and must not hold a size below [`PAYLOAD_MIN_BYTES`].
    pub(crate) fn new(stream: usize, sizes: &Rc<[usize]>) -> Self {
        let longest = sizes.iter().copied().max().unwrap_or(HEADER_BYTES);
        let mut bytes = format!("{stream:0STREAM_DIGITS$}.{:012}.", 0).into_bytes();
        let mut random = fastrand::Rng::with_seed(stream as u64);
        bytes.resize_with(longest, || u8::try_from(random.alphanumeric()).unwrap_or(b'x'));
        Self { bytes, number: 0, sizes: Rc::clone(sizes), size_index: 0 }
    }

    /// The current payload.
    pub(crate) fn current(&self) -> &[u8] {
        &self.bytes[..self.sizes[self.size_index]]
    }

    /// The number of the current payload.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Moves to the next payload.
    pub(crate) fn advance(&mut self) {
        self.number += 1;
        for digit in self.bytes[NUMBER].iter_mut().rev() {
            if *digit < b'9' {
                *digit += 1;
                break;
            }
            *digit = b'0';
        }
        self.size_index += 1;
        if self.size_index == self.sizes.len() {
            self.size_index = 0;
        }
    }

    /// Moves to the payload with this number.
    pub(crate) fn seek(&mut self, number: u64) {
        self.number = number;
        self.bytes[NUMBER].copy_from_slice(format!("{number:012}").as_bytes());
        self.size_index = usize::try_from(number % self.sizes.len() as u64).unwrap_or(0);
    }

    /// The message number in the header of `payload`, if the payload belongs to this stream.
    fn number_of(&self, payload: &[u8]) -> Option<u64> {
        let is_of_this_stream = payload.get(..NUMBER.start)? == &self.bytes[..NUMBER.start];
        let digits = payload.get(NUMBER).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
        let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
        is_of_this_stream.then_some(number)
    }
}

/// The receiving end of a stream: the next expected payload, and the faults so far.
#[derive(Debug)]
pub(crate) struct PayloadChecker {
    next: PayloadSequence,
    /// Numbers of lost messages that may still arrive late, at most [`MISSING_MAX`].
    missing: Vec<u64>,
    /// Numbers counted as lost since the last call of [`Self::clear_skipped`].
    skipped: Vec<Range<u64>>,
    faults: Faults,
}

impl PayloadChecker {
    pub(crate) fn new(payloads: PayloadSequence) -> Self {
        Self { next: payloads, missing: Vec::new(), skipped: Vec::new(), faults: Faults::default() }
    }

    /// The number of the next expected message. All messages before it have arrived, or are counted as lost.
    pub(crate) fn next_number(&self) -> u64 {
        self.next.number
    }

    /// Number of messages that have arrived. A duplicate does not count.
    pub(crate) fn delivered(&self) -> u64 {
        self.next.number - self.faults.lost
    }

    /// Faults so far. A message counted as lost may still arrive late.
    pub(crate) fn faults(&self) -> Faults {
        self.faults
    }

    /// Compares an arrived payload with the next expected payload, and counts a fault if they differ.
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
        let is_intact = payload == self.next.current();
        if number < next_number {
            // The message is late if its number is in `missing`. Otherwise it is a duplicate.
            self.next.seek(next_number);
            match self.missing.iter().position(|&missing| missing == number) {
                _ if !is_intact => self.faults.corrupt += 1,
                Some(index) => {
                    self.missing.swap_remove(index);
                    self.faults.lost -= 1;
                    self.faults.reordered += 1;
                }
                None => self.faults.duplicated += 1,
            }
            return;
        }
        if !is_intact {
            self.faults.corrupt += 1;
        }
        self.give_up(next_number..number);
        self.next.advance();
    }

    /// Ends the stream after `sent` messages, and counts those that have not arrived as lost. Returns the faults so
    /// far.
    pub(crate) fn finish(&mut self, sent: u64) -> Faults {
        self.give_up(self.next.number..sent);
        self.next.seek(self.next.number.max(sent));
        self.faults
    }

    /// Counts these messages as lost.
    fn give_up(&mut self, numbers: Range<u64>) {
        if numbers.is_empty() {
            return;
        }
        let room = MISSING_MAX - self.missing.len();
        self.missing.extend(numbers.clone().take(room));
        self.faults.lost += numbers.end - numbers.start;
        self.skipped.push(numbers);
    }

    /// How many of `numbers` were counted as lost since the last call of [`Self::clear_skipped`], even if they arrived
    /// later.
    pub(crate) fn skipped_in(&self, numbers: Range<u64>) -> u64 {
        let overlap =
            |skipped: &Range<u64>| numbers.end.min(skipped.end).saturating_sub(numbers.start.max(skipped.start));
        self.skipped.iter().map(overlap).sum()
    }

    pub(crate) fn clear_skipped(&mut self) {
        self.skipped.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The checker of a stream, and the first `count` payloads of the stream.
    fn checker_and_payloads(count: usize) -> (PayloadChecker, Vec<Vec<u8>>) {
        let sizes: Rc<[usize]> = Rc::from([64, 22, 100]);
        let mut sequence = PayloadSequence::new(12, &sizes);
        let checker = PayloadChecker::new(sequence.clone());
        let payloads = (0..count).map(|_| {
            let payload = sequence.current().to_vec();
            sequence.advance();
            payload
        });
        (checker, payloads.collect())
    }

    #[test]
    fn a_payload_holds_its_stream_and_number() {
        let (_, payloads) = checker_and_payloads(1003);
        assert!(payloads[0].starts_with(b"00000012.000000000000."), "{}", payloads[0].escape_ascii());
        assert!(payloads[1002].starts_with(b"00000012.000000001002."), "{}", payloads[1002].escape_ascii());
        assert_eq!([payloads[0].len(), payloads[1].len(), payloads[2].len(), payloads[3].len()], [64, 22, 100, 64]);
        assert!(payloads[2].iter().all(u8::is_ascii_graphic));
    }

    #[test]
    fn each_kind_of_fault_is_counted() {
        let no_faults = Faults::default();
        let cases: [(&str, &[usize], Faults); 7] = [
            ("in order", &[0, 1, 2, 3, 4], no_faults),
            ("one lost", &[0, 1, 3, 4], Faults { lost: 1, ..no_faults }),
            ("the first lost", &[1, 2, 3, 4], Faults { lost: 1, ..no_faults }),
            ("the last two lost", &[0, 1, 2], Faults { lost: 2, ..no_faults }),
            ("two swapped", &[0, 2, 1, 3, 4], Faults { reordered: 1, ..no_faults }),
            ("one twice", &[0, 1, 1, 2, 3, 4], Faults { duplicated: 1, ..no_faults }),
            ("all lost", &[], Faults { lost: 5, ..no_faults }),
        ];
        for (case, order, expected) in cases {
            let (mut checker, payloads) = checker_and_payloads(5);
            for &number in order {
                checker.check(&payloads[number]);
            }
            assert_eq!(checker.finish(5), expected, "{case}");
        }
    }

    #[test]
    fn changed_payloads_are_corrupt() {
        let other_stream = PayloadSequence::new(13, &Rc::from([64])).current().to_vec();
        // The changed part, the position of the changed byte, and the bits that change.
        for (case, position, bits) in [("the fill", 30, 1), ("the stream", 3, 1), ("the number", 15, 0x40)] {
            let (mut checker, payloads) = checker_and_payloads(3);
            let mut changed = payloads[0].clone();
            changed[position] ^= bits;
            checker.check(&changed);
            for payload in &payloads[1..] {
                checker.check(payload);
            }
            assert_eq!(checker.finish(3).corrupt, 1, "{case}");
        }
        for (case, wrong) in [("of another stream", &other_stream[..]), ("cut short", b"00000012.0000"), ("empty", b"")]
        {
            let (mut checker, payloads) = checker_and_payloads(3);
            checker.check(wrong);
            for payload in &payloads {
                checker.check(payload);
            }
            assert_eq!(checker.finish(3), Faults { corrupt: 1, ..Faults::default() }, "{case}");
        }
    }

    #[test]
    fn a_gap_longer_than_missing_max_is_counted_in_full() {
        // Number 5 is stored as missing. Most later numbers of the gap are not.
        let (mut checker, payloads) = checker_and_payloads(10_001);
        checker.check(&payloads[10_000]);
        checker.check(&payloads[5]);
        assert_eq!(checker.finish(10_001), Faults { lost: 9_999, reordered: 1, ..Faults::default() });
    }
}

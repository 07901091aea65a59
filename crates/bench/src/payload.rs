//! PayloadSequence that can be checked: which stream, which message of it, and a fill that only this stream has.
//!
//! ```text
//! 00000012.000000000345.kX3vQ…
//! stream   number       fill
//! ```
//!
//! Both ends make the same sequence. The receiving end has the payload that must come next ready, so that a good one
//! costs one comparison of memory; only one that differs is taken apart.

use std::ops::Range;
use std::rc::Rc;

use crate::faults::Faults;

const STREAM_DIGITS: usize = 8;
const NUMBER: Range<usize> = STREAM_DIGITS + 1..STREAM_DIGITS + 1 + 12;
const HEADER_BYTES: usize = NUMBER.end + 1;

/// The shortest payload, in bytes: its header.
pub const PAYLOAD_MIN_BYTES: usize = HEADER_BYTES;

/// The longest payload, in bytes: with what a protocol puts around it, a message has to fit in what is read at once.
pub const PAYLOAD_MAX_BYTES: usize = 65_536;

/// How many numbers of missing messages are remembered for each stream, to tell one that is late from one that came
/// twice. Beyond it they are only counted.
const MISSING_MAX: usize = 4096;

/// The payloads of one stream, one after the other.
#[derive(Clone, Debug)]
pub(crate) struct PayloadSequence {
    /// The header of the current one, and the longest fill.
    bytes: Vec<u8>,
    number: u64,
    sizes: Rc<[usize]>,
    /// Which of the sizes the current one has.
    turn: usize,
}

impl PayloadSequence {
    /// The payloads of `stream`, from number 0 on. Their sizes take turns; there is at least one, none shorter than
    /// [`PAYLOAD_MIN_BYTES`].
    pub(crate) fn new(stream: usize, sizes: &Rc<[usize]>) -> Self {
        let longest = sizes.iter().copied().max().unwrap_or(HEADER_BYTES);
        let mut bytes = format!("{stream:0STREAM_DIGITS$}.{:012}.", 0).into_bytes();
        let mut random = fastrand::Rng::with_seed(stream as u64);
        bytes.resize_with(longest, || u8::try_from(random.alphanumeric()).unwrap_or(b'x'));
        Self { bytes, number: 0, sizes: Rc::clone(sizes), turn: 0 }
    }

    /// The current one.
    pub(crate) fn current(&self) -> &[u8] {
        &self.bytes[..self.sizes[self.turn]]
    }

    /// Its number.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Goes on to the next.
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

    /// The number that `payload` claims, if it is one of this stream.
    fn number_of(&self, payload: &[u8]) -> Option<u64> {
        let is_ours = payload.get(..NUMBER.start)? == &self.bytes[..NUMBER.start];
        let digits = payload.get(NUMBER).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
        let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
        is_ours.then_some(number)
    }
}

/// The receiving end of a stream: what must come next, and what went wrong so far.
#[derive(Debug)]
pub(crate) struct PayloadChecker {
    next: PayloadSequence,
    missing: Vec<u64>,
    /// Which numbers were given up since it was last asked.
    skipped: Vec<Range<u64>>,
    faults: Faults,
}

impl PayloadChecker {
    pub(crate) fn new(payloads: PayloadSequence) -> Self {
        Self { next: payloads, missing: Vec::new(), skipped: Vec::new(), faults: Faults::default() }
    }

    /// How many messages have come or are given up: the number of the one that must come next.
    pub(crate) fn next_number(&self) -> u64 {
        self.next.number
    }

    /// How many have come: without those that are given up, and each one once.
    pub(crate) fn delivered(&self) -> u64 {
        self.next.number - self.faults.lost
    }

    /// What went wrong so far. A message that is missing may still come late.
    pub(crate) fn faults(&self) -> Faults {
        self.faults
    }

    /// Takes the next payload that came.
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
            // It was given up, or it is here for the second time.
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

    /// Ends the stream after `sent` messages: those that have not come are lost.
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

    /// How many of `numbers` were given up since [`Self::clear_skipped`], whether they came later or not.
    pub(crate) fn skipped_in(&self, numbers: Range<u64>) -> u64 {
        let both = |skipped: &Range<u64>| numbers.start.max(skipped.start)..numbers.end.min(skipped.end);
        self.skipped.iter().map(both).map(|both| both.end.saturating_sub(both.start)).sum()
    }

    /// Forgets which were given up, once that has been asked.
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
        for (what, order, expected) in cases {
            let (mut checker, all) = payloads(5);
            for &at in order {
                checker.check(&all[at]);
            }
            assert_eq!(checker.finish(5), expected, "{what}");
        }
    }

    #[test]
    fn changed_payloads_are_corrupt() {
        let other_stream = PayloadSequence::new(13, &Rc::from([64])).current().to_vec();
        for (what, at, change) in [("the fill", 30, 1), ("the stream", 3, 1), ("the number", 15, 0x40)] {
            let (mut checker, all) = payloads(3);
            let mut changed = all[0].clone();
            changed[at] ^= change;
            checker.check(&changed);
            for payload in &all[1..] {
                checker.check(payload);
            }
            assert_eq!(checker.finish(3).corrupt, 1, "{what}");
        }
        for (what, wrong) in [("another's", &other_stream[..]), ("cut", b"00000012.0000"), ("empty", b"")] {
            let (mut checker, all) = payloads(3);
            checker.check(wrong);
            for payload in &all {
                checker.check(payload);
            }
            assert_eq!(checker.finish(3), Faults { corrupt: 1, ..Faults::default() }, "{what}");
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

//! Tracks the captured bytes of a direction, so that each is counted once.

use super::direction::distance;
use super::limits::HOLES_MAX;
use crate::wire::SeqNumber;

/// The captured bytes of a direction: a range with holes.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    /// The number of the first byte, and the number after the last captured byte. The first byte is that of the stream
    /// if the SYN was captured, otherwise the lowest captured one.
    seen: Option<(SeqNumber, SeqNumber)>,
    /// Whether the range begins with the first byte of the stream.
    has_start: bool,
    /// Missing ranges, in order. Each is the first missing number, and the number after the last missing one.
    holes: Vec<(SeqNumber, SeqNumber)>,
}

impl Coverage {
    /// Begins the range at `first`, the number after the SYN.
    pub(super) fn start(&mut self, first: SeqNumber) {
        if self.seen.is_none() {
            self.seen = Some((first, first));
            self.has_start = true;
        }
    }

    /// Adds `len` bytes from `seq` on. Returns how many of them are new.
    pub(super) fn add(&mut self, seq: SeqNumber, len: u32) -> u32 {
        let end = seq + len;
        let Some((first, next)) = self.seen else {
            self.seen = Some((seq, end));
            return len;
        };
        if seq == next {
            self.seen = Some((first, end));
            return len;
        }
        let mut fresh = 0;
        if seq.is_before(first) && !self.has_start {
            let until = if end.is_before(first) { end } else { first };
            fresh += distance(seq, until);
            if until != first {
                self.add_hole(0, (until, first));
            }
            self.seen = Some((seq, next));
        }
        fresh += self.fill(seq, end);
        if end.is_after(next) {
            let from = if seq.is_after(next) { seq } else { next };
            if seq.is_after(next) {
                self.add_hole(self.holes.len(), (next, seq));
            }
            fresh += distance(from, end);
            self.seen = self.seen.map(|(first, _)| (first, end));
        }
        // After a jump of 2³¹ or more, a number is both before the first byte and after the last one, and its bytes
        // would count twice.
        fresh.min(len)
    }

    /// Number of bytes in the holes. They were sent, because later bytes were captured.
    pub(super) fn missing(&self) -> u64 {
        self.holes.iter().map(|&(start, stop)| u64::from(distance(start, stop))).sum()
    }

    /// Heap memory, in bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        self.holes.capacity() * size_of::<(SeqNumber, SeqNumber)>()
    }

    /// Number of missing bytes before `end`: those in holes, and those after the last captured byte.
    pub(super) fn missing_before(&self, end: SeqNumber) -> u32 {
        let Some((_, next)) = self.seen else { return 0 };
        let after_last = if end.is_after(next) { distance(next, end) } else { 0 };
        let holes = self.holes.iter().filter(|(start, _)| start.is_before(end));
        holes.fold(after_last, |sum, &(start, stop)| {
            sum.saturating_add(distance(start, if stop.is_after(end) { end } else { stop }))
        })
    }

    /// Fills the holes between `seq` and `end`. Returns the number of filled bytes.
    fn fill(&mut self, seq: SeqNumber, end: SeqNumber) -> u32 {
        let mut filled = 0;
        let mut index = 0;
        while let Some(&(start, stop)) = self.holes.get(index) {
            if !(seq.is_before(stop) && end.is_after(start)) {
                index += 1;
                continue;
            }
            let from = if seq.is_after(start) { seq } else { start };
            let to = if end.is_before(stop) { end } else { stop };
            filled += distance(from, to);
            match (from == start, to == stop) {
                (true, true) => {
                    self.holes.remove(index);
                }
                (true, false) => self.holes[index].0 = to,
                (false, true) => self.holes[index].1 = from,
                (false, false) => {
                    self.holes[index].1 = from;
                    self.add_hole(index + 1, (to, stop));
                    index += 1;
                }
            }
        }
        filled
    }

    /// Inserts a hole at an index of `holes`. If there are too many, the first hole is forgotten, because it is the
    /// least likely to be filled.
    fn add_hole(&mut self, index: usize, hole: (SeqNumber, SeqNumber)) {
        self.holes.insert(index, hole);
        if self.holes.len() > HOLES_MAX {
            self.holes.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_are_counted_once_after_jumps_of_sequence_numbers() {
        let mut coverage = Coverage::default();
        for seq in [0, 0x7fff_0000, 0xfffe_0000, 0xffff_0000] {
            assert_eq!(coverage.add(SeqNumber(seq), 10), 10, "given {seq:#x}");
        }
    }

    proptest! {
        #[test]
        fn each_byte_counts_once_in_any_order(
            first in any::<u32>(),
            from_start in any::<bool>(),
            pieces in prop::collection::vec((0_u32..300, 1_u32..40), 1..40),
        ) {
            let mut coverage = Coverage::default();
            if from_start {
                coverage.start(SeqNumber(first));
            }
            let mut seen = [false; 340];
            for (offset, len) in pieces {
                let seq = SeqNumber(first) + offset;
                let range = offset as usize..(offset + len) as usize;
                let expected = seen[range.clone()].iter().filter(|seen| !**seen).count();
                prop_assert_eq!(coverage.add(seq, len) as usize, expected);
                seen[range].fill(true);
            }
            let from = if from_start { 0 } else { seen.iter().position(|seen| *seen).unwrap_or_default() };
            let to = seen.iter().rposition(|seen| *seen).unwrap_or_default();
            let missing = seen[from..to].iter().filter(|seen| !**seen).count();
            prop_assert_eq!(coverage.missing(), missing as u64);
        }
    }
}

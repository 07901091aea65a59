//! Draws a bit field as packet analysers do: `0101 ....` is 5 in the upper half of a byte.

use std::ops::Range;

/// The bits of `bytes` in groups of four. Bits outside `bits` are dots. Bit 0 is the most significant bit of the first
/// byte.
pub(super) fn diagram(bytes: &[u8], bits: &Range<u8>) -> String {
    let mut text = String::with_capacity(bytes.len() * 10);
    let all_bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |shift| byte >> shift & 1));
    for (i, bit) in all_bits.enumerate() {
        if i > 0 && i % 4 == 0 {
            text.push(' ');
        }
        let is_inside = (usize::from(bits.start)..usize::from(bits.end)).contains(&i);
        text.push(match (is_inside, bit) {
            (false, _) => '.',
            (true, 0) => '0',
            (true, _) => '1',
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_drawn_in_wire_order() {
        let table = [
            (&[0x45][..], 0..4, "0100 ...."),
            (&[0x45], 4..8, ".... 0101"),
            (&[0x40, 0x00], 1..2, ".1.. .... .... ...."),
            (&[0x40, 0x03], 3..16, "...0 0000 0000 0011"),
            (&[0x18], 3..4, "...1 ...."),
            (&[], 0..4, ""),
        ];
        for (bytes, bits, expected) in table {
            assert_eq!(diagram(bytes, &bits), expected, "{bytes:02x?} {bits:?}");
        }
    }
}

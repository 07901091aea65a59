//! Numbers in lines: sequence numbers, counts and account ids, in decimal digits.

use crate::limits::NUMBER_MAX_DIGITS;

/// The highest number in a line: the highest signed integer of 64 bits, which every database has.
pub const NUMBER_MAX: u64 = i64::MAX.cast_unsigned();

/// Parses 1 to 19 digits as a number of at most [`NUMBER_MAX`].
pub(super) fn parse_number(word: &str) -> Option<u64> {
    if word.is_empty() || word.len() > NUMBER_MAX_DIGITS {
        return None;
    }
    let mut number = 0;
    for byte in word.bytes() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // 19 digits are below 2^64.
        number = number * 10 + u64::from(digit);
    }
    (number <= NUMBER_MAX).then_some(number)
}

/// Appends `number` in decimal digits.
pub(super) fn push_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_digits_up_to_the_maximum_are_a_number() {
        let cases = [
            ("0", Some(0)),
            ("41", Some(41)),
            ("007", Some(7)),
            ("9223372036854775807", Some(NUMBER_MAX)),
            ("9223372036854775808", None),
            ("9999999999999999999", None),
            ("00000000000000000001", None),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1_000", None),
            ("٣", None),
            (" 1", None),
        ];
        for (given, expected) in cases {
            assert_eq!(parse_number(given), expected, "given {given:?}");
        }
    }

    proptest! {
        #[test]
        fn numbers_are_written_as_the_library_does(number in any::<u64>(), shift in 0_u32..64) {
            let number = number >> shift;
            let mut out = Vec::new();
            push_number(&mut out, number);
            let written = String::from_utf8(out).expect("digits");
            prop_assert_eq!(&written, &number.to_string());
            prop_assert_eq!(parse_number(&written), Some(number).filter(|&number| number <= NUMBER_MAX));
        }
    }
}

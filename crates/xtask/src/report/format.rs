//! Formats numbers for print. The data files hold the formatted text, so the report prints it unchanged.

use switchboard_encap::report::axis::Unit;

/// A time with three significant digits and a unit.
pub(super) fn time(nanos: u64) -> String {
    Unit::Time.format(nanos)
}

/// A count with commas between thousands.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of bytes with its unit.
pub(super) fn bytes(n: u64) -> String {
    format!("{} {}", count(n), if n == 1 { "byte" } else { "bytes" })
}

/// Seconds with six decimals.
pub(super) fn seconds(nanos: u64) -> String {
    format!("{}.{:06}", nanos / 1_000_000_000, nanos % 1_000_000_000 / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_formatted_for_print() {
        for (given, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(given), expected);
        }
        assert_eq!((bytes(1), bytes(2_000)), ("1 byte".to_owned(), "2,000 bytes".to_owned()));
        assert_eq!(seconds(1_002_003_999), "1.002003");
    }
}

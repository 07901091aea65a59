//! Numbers as people read them. The report takes them as they are, so each is in its data file as it is in print.

use switchboard_encap::report::axis::Unit;

/// A time, to three digits.
pub(super) fn time(nanos: u64) -> String {
    Unit::Time.say(nanos)
}

/// A count, its thousands parted.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count of bytes.
pub(super) fn bytes(n: u64) -> String {
    format!("{} {}", count(n), if n == 1 { "byte" } else { "bytes" })
}

/// Seconds and microseconds.
pub(super) fn seconds(nanos: u64) -> String {
    format!("{}.{:06}", nanos / 1_000_000_000, nanos % 1_000_000_000 / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_parted() {
        for (given, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(given), expected);
        }
        assert_eq!((bytes(1), bytes(2_000)), ("1 byte".to_owned(), "2,000 bytes".to_owned()));
        assert_eq!(seconds(1_002_003_999), "1.002003");
    }
}

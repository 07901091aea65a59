//! Byte counts in sentences.

use super::axis::Unit;
use crate::show::count;

/// A count from here on is rounded to three digits.
const ROUNDED_MIN_BYTES: u64 = 1_000_000;

/// `61 bytes`, or `1.25 MB` for a large count.
pub(super) fn format_bytes(n: u64) -> String {
    if n < ROUNDED_MIN_BYTES { count(n, "byte") } else { Unit::Bytes.format(n) }
}

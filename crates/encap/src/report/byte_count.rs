//! Byte counts in sentences.

use super::axis::Unit;
use crate::show::count;

/// From here on, a count is rounded to three digits.
const EXACT_MAX_BYTES: u64 = 1_000_000;

pub(super) fn format_bytes(n: u64) -> String {
    if n < EXACT_MAX_BYTES { count(n, "byte") } else { Unit::Bytes.say(n) }
}

//! TCP sequence numbers. They wrap around, so their order follows from their distance (RFC 9293 §3.4, RFC 1982).

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

/// A TCP sequence number, modulo 2³².
///
/// `a` is before `b` if 1 to 2³¹ steps forward lead from `a` to `b`. This relation is not transitive, so the type does
/// not implement `Ord`.
///
/// ```
/// use switchboard_encap::wire::SeqNumber;
///
/// let last = SeqNumber(u32::MAX);
/// assert_eq!(last + 3, SeqNumber(2));
/// assert!(last.is_before(SeqNumber(2)));
/// assert_eq!(SeqNumber(2) - last, 3);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct SeqNumber(pub u32);

impl SeqNumber {
    /// Whether `self` precedes `other`. At a distance of exactly 2³¹, which RFC 1982 §3.2 leaves undefined, each
    /// precedes the other.
    #[must_use]
    #[inline]
    pub const fn is_before(self, other: Self) -> bool {
        self.distance_from(other) < 0
    }

    /// Whether `self` follows `other`.
    #[inline]
    pub(crate) const fn is_after(self, other: Self) -> bool {
        other.is_before(self)
    }

    /// Number of steps from `other` to `self`; negative if `self` precedes `other`.
    #[inline]
    const fn distance_from(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0).cast_signed()
    }
}

impl Add<u32> for SeqNumber {
    type Output = Self;

    #[inline]
    fn add(self, bytes: u32) -> Self {
        Self(self.0.wrapping_add(bytes))
    }
}

impl AddAssign<u32> for SeqNumber {
    #[inline]
    fn add_assign(&mut self, bytes: u32) {
        *self = *self + bytes;
    }
}

impl Sub<u32> for SeqNumber {
    type Output = Self;

    #[inline]
    fn sub(self, bytes: u32) -> Self {
        Self(self.0.wrapping_sub(bytes))
    }
}

impl Sub for SeqNumber {
    type Output = i32;

    /// Number of steps from `other` to `self`; negative if `self` precedes `other`.
    #[inline]
    fn sub(self, other: Self) -> i32 {
        self.distance_from(other)
    }
}

impl fmt::Display for SeqNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_follows_distance_across_the_wrap() {
        let table = [
            (0, 1, true),
            (1, 0, false),
            (7, 7, false),
            (u32::MAX, 0, true),
            (0xffff_ff00, 0x100, true),
            (0x100, 0xffff_ff00, false),
            (0, 0x7fff_ffff, true),
            (0, 0x8000_0001, false),
        ];
        for (a, b, is_before) in table {
            let (a, b) = (SeqNumber(a), SeqNumber(b));
            assert_eq!(a.is_before(b), is_before, "{a} {b}");
            assert_eq!(b.is_after(a), is_before, "{a} {b}");
            assert_eq!(a + (b - a).cast_unsigned(), b, "{a} {b}");
        }
    }
}

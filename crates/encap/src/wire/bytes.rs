//! Reads and writes header fields at their offsets, in network byte order.

use std::ops::Range;

#[inline]
pub(super) fn u16_at(bytes: &[u8], field: Range<usize>) -> u16 {
    u16::from_be_bytes([bytes[field.start], bytes[field.start + 1]])
}

#[inline]
pub(super) fn u32_at(bytes: &[u8], field: Range<usize>) -> u32 {
    let start = field.start;
    u32::from_be_bytes([bytes[start], bytes[start + 1], bytes[start + 2], bytes[start + 3]])
}

#[inline]
pub(super) fn array_at<const N: usize>(bytes: &[u8], field: Range<usize>) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[field.start..field.start + N]);
    array
}

#[inline]
pub(super) fn put(bytes: &mut [u8], field: Range<usize>, value: &[u8]) {
    bytes[field].copy_from_slice(value);
}

/// Returns a closure that writes one 32-bit word per call, each after the previous one. It ignores words past the end
/// of `bytes`.
#[inline]
pub(super) fn word_writer(bytes: &mut [u8]) -> impl FnMut(u32) {
    let (fields, _) = bytes.as_chunks_mut::<4>();
    let mut fields = fields.iter_mut();
    move |word| {
        if let Some(field) = fields.next() {
            *field = word.to_be_bytes();
        }
    }
}

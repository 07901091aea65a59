//! BSD loopback (`NULL` and `LOOP`): the header is a 4-byte address family and has no addresses.
//!
//! `NULL` uses the byte order of the capturing machine. The decoder has to guess this order: family numbers fit 16
//! bits, so two of the four bytes are zero, and their position shows the order. `LOOP` uses network byte order.

use super::{ByteOrder, EtherType, Field, HeaderError, fields::Fields};

pub(crate) const HEADER_LEN: usize = 4;

/// `AF_INET`, the same on all systems.
pub(crate) const AF_INET: u32 = 2;
/// `AF_INET6`: 10 on Linux, 24 on NetBSD and OpenBSD, 28 on FreeBSD, 30 on macOS.
pub(crate) const AF_INET6: [u32; 4] = [10, 24, 28, 30];
/// `AF_INET6` on macOS.
pub(crate) const AF_INET6_APPLE: u32 = 30;
/// `AF_INET6` on OpenBSD, the system that writes `LOOP`.
pub(crate) const AF_INET6_OPENBSD: u32 = 24;

/// A view of a loopback header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header<'a> {
    bytes: &'a [u8; HEADER_LEN],
    order: ByteOrder,
}

impl<'a> Header<'a> {
    /// Reads a `NULL` header, in the byte order that gives a 16-bit family.
    #[inline]
    pub(crate) fn new_checked(bytes: &'a [u8]) -> Result<Self, HeaderError> {
        let bytes = header_bytes(bytes)?;
        let order = if u32::from_le_bytes(*bytes) <= 0xffff { ByteOrder::Little } else { ByteOrder::Big };
        Ok(Self { bytes, order })
    }

    /// Reads a `LOOP` header.
    #[inline]
    pub(crate) fn new_checked_loop(bytes: &'a [u8]) -> Result<Self, HeaderError> {
        Ok(Self { bytes: header_bytes(bytes)?, order: ByteOrder::Big })
    }

    #[cfg(test)]
    pub(crate) fn order(&self) -> ByteOrder {
        self.order
    }

    /// Address family, in the capturing system's numbering.
    #[inline]
    pub(crate) fn family(&self) -> u32 {
        self.order.u32(self.bytes)
    }

    /// The family as an `EtherType`, if it is an IP family.
    #[inline]
    pub(crate) fn ether_type(&self) -> Option<EtherType> {
        match self.family() {
            AF_INET => Some(EtherType::IPV4),
            family if AF_INET6.contains(&family) => Some(EtherType::IPV6),
            _ => None,
        }
    }

    pub(crate) fn fields(&self) -> Vec<Field> {
        let system = match self.family() {
            AF_INET => "AF_INET: IPv4",
            10 => "AF_INET6 of Linux: IPv6",
            24 => "AF_INET6 of NetBSD and OpenBSD, or of a capture made on Windows: IPv6",
            28 => "AF_INET6 of FreeBSD: IPv6",
            30 => "AF_INET6 of macOS: IPv6",
            _ => "not an IP family",
        };
        let order = match self.order {
            ByteOrder::Little => "lowest byte first, the order of the capturing machine",
            ByteOrder::Big => "highest byte first",
        };
        let mut f = Fields::default();
        f.add("family", 0..HEADER_LEN, self.family(), format_args!("{system}; {order}"));
        f.into_vec()
    }
}

#[inline]
fn header_bytes(bytes: &[u8]) -> Result<&[u8; HEADER_LEN], HeaderError> {
    bytes.first_chunk().ok_or_else(|| HeaderError::too_short(HEADER_LEN, bytes))
}

/// A `NULL` or `LOOP` header to encode.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Repr {
    /// Address family: [`AF_INET`], or one of [`AF_INET6`].
    pub(crate) family: u32,
    /// Byte order: [`ByteOrder::Big`] for `LOOP`.
    pub(crate) order: ByteOrder,
}

impl Repr {
    #[cfg(test)]
    pub(crate) fn parse(header: Header<'_>) -> Self {
        Self { family: header.family(), order: header.order() }
    }

    /// Encodes the header at the start of `buf`.
    ///
    /// # Panics
    ///
    /// If `buf` is shorter than [`HEADER_LEN`].
    #[inline]
    pub(crate) fn emit(self, buf: &mut [u8]) {
        buf[..HEADER_LEN].copy_from_slice(&match self.order {
            ByteOrder::Little => self.family.to_le_bytes(),
            ByteOrder::Big => self.family.to_be_bytes(),
        });
    }
}

//! BSD loopback: four bytes of address family, and no addresses at all.
//!
//! NULL has them in the byte order of the machine that captured, which a file from elsewhere does not tell; no family
//! passes 16 bits, so the order shows itself. LOOP has them in network byte order.

use super::{EtherType, Field, HeaderError, fields::Fields};

/// Bytes of the header.
pub const HEADER_LEN: usize = 4;

/// `AF_INET`: the same everywhere.
pub const AF_INET: u32 = 2;
/// `AF_INET6` has one number for each family of systems: Linux, NetBSD and OpenBSD, FreeBSD, Apple.
pub const AF_INET6: [u32; 4] = [10, 24, 28, 30];
/// `AF_INET6` as macOS has it.
pub const AF_INET6_APPLE: u32 = 30;

/// `AF_INET6` as OpenBSD has it, where LOOP comes from.
pub const AF_INET6_OPENBSD: u32 = 24;

/// The order of the header's bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ByteOrder {
    /// The lowest byte first, as most machines have it.
    Little,
    /// The highest byte first: network byte order.
    Big,
}

/// A view of a loopback header.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    bytes: &'a [u8; HEADER_LEN],
    order: ByteOrder,
}

impl<'a> Header<'a> {
    /// The NULL header at the front of `bytes`, in the order that gives a family of 16 bits.
    #[inline]
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, HeaderError> {
        let bytes = first(bytes)?;
        let order = if u32::from_le_bytes(*bytes) <= 0xffff { ByteOrder::Little } else { ByteOrder::Big };
        Ok(Self { bytes, order })
    }

    /// The LOOP header at the front of `bytes`.
    #[inline]
    pub fn new_checked_loop(bytes: &'a [u8]) -> Result<Self, HeaderError> {
        Ok(Self { bytes: first(bytes)?, order: ByteOrder::Big })
    }

    /// The byte order it is in.
    #[must_use]
    pub fn order(&self) -> ByteOrder {
        self.order
    }

    /// The address family, as the system that captured numbers it.
    #[must_use]
    #[inline]
    pub fn family(&self) -> u32 {
        match self.order {
            ByteOrder::Little => u32::from_le_bytes(*self.bytes),
            ByteOrder::Big => u32::from_be_bytes(*self.bytes),
        }
    }

    /// What follows, as an `EtherType`, if the family is one of IP.
    #[must_use]
    #[inline]
    pub fn ether_type(&self) -> Option<EtherType> {
        match self.family() {
            AF_INET => Some(EtherType::IPV4),
            family if AF_INET6.contains(&family) => Some(EtherType::IPV6),
            _ => None,
        }
    }

    /// The fields, for a person to read.
    #[must_use]
    pub fn fields(&self) -> Vec<Field> {
        let system = match self.family() {
            AF_INET => "AF_INET: IPv4",
            10 => "AF_INET6 of Linux: IPv6",
            24 => "AF_INET6 of NetBSD and OpenBSD, or of a capture made on Windows: IPv6",
            28 => "AF_INET6 of FreeBSD: IPv6",
            30 => "AF_INET6 of macOS: IPv6",
            _ => "not a family of IP",
        };
        let order = match self.order {
            ByteOrder::Little => "lowest byte first, as on the machine that captured",
            ByteOrder::Big => "highest byte first",
        };
        let mut f = Fields::default();
        f.whole("family", 0..HEADER_LEN, self.family(), format_args!("{system}; {order}"));
        f.done()
    }
}

#[inline]
fn first(bytes: &[u8]) -> Result<&[u8; HEADER_LEN], HeaderError> {
    bytes.first_chunk().ok_or_else(|| HeaderError::too_short(HEADER_LEN, bytes))
}

/// A NULL or LOOP header to be written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Repr {
    /// The address family: [`AF_INET`], or one of [`AF_INET6`].
    pub family: u32,
    /// The order to write it in: [`ByteOrder::Big`] for LOOP.
    pub order: ByteOrder,
}

impl Repr {
    /// The value of a header.
    #[must_use]
    pub fn parse(header: &Header<'_>) -> Self {
        Self { family: header.family(), order: header.order() }
    }

    /// Bytes that [`Repr::emit`] writes.
    #[must_use]
    pub const fn buffer_len(&self) -> usize {
        HEADER_LEN
    }

    /// Writes the header to the front of `buf`.
    ///
    /// # Panics
    ///
    /// If `buf` is shorter than [`Repr::buffer_len`].
    #[inline]
    pub fn emit(&self, buf: &mut [u8]) {
        buf[..HEADER_LEN].copy_from_slice(&match self.order {
            ByteOrder::Little => self.family.to_le_bytes(),
            ByteOrder::Big => self.family.to_be_bytes(),
        });
    }
}

//! ICMP (RFC 792) and `ICMPv6` (RFC 4443): delivery errors and diagnostics.

use std::ops::Range;

use super::bytes::u16_at;
use super::fields::{Fields, hex};
use super::{Field, HeaderError};

pub(crate) const HEADER_LEN: usize = 8;
/// Offset of the checksum, for [`super::checksum::verify`].
pub(crate) const CHECKSUM_AT: usize = CHECKSUM.start;

const TYPE: Range<usize> = 0..1;
const CODE: Range<usize> = 1..2;
const CHECKSUM: Range<usize> = 2..4;
const REST_OF_HEADER: Range<usize> = 4..8;

/// The version of ICMP. Each version has its own numbers for message types.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Version {
    /// ICMP, over IPv4.
    V4,
    /// `ICMPv6`, over IPv6.
    V6,
}

/// A view of the header of a message.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    version: Version,
    fixed: &'a [u8; HEADER_LEN],
}

impl<'a> Message<'a> {
    /// Checks that `bytes` holds a whole header.
    #[inline]
    pub(crate) fn new_checked(version: Version, bytes: &'a [u8]) -> Result<Self, HeaderError> {
        let fixed = bytes.first_chunk().ok_or_else(|| HeaderError::too_short(HEADER_LEN, bytes))?;
        Ok(Self { version, fixed })
    }

    pub(crate) fn message_type(&self) -> u8 {
        self.fixed[TYPE.start]
    }

    /// Code: a subtype of the message type.
    pub(crate) fn code(&self) -> u8 {
        self.fixed[CODE.start]
    }

    pub(crate) fn checksum(&self) -> u16 {
        u16_at(self.fixed, CHECKSUM)
    }

    /// Whether the message reports a problem with another packet, which the message quotes.
    #[must_use]
    pub fn is_error(&self) -> bool {
        match self.version {
            // Destination unreachable, source quench, redirect, time exceeded, parameter problem.
            Version::V4 => matches!(self.message_type(), 3 | 4 | 5 | 11 | 12),
            // RFC 4443 §2.1: types from 128 on are not errors.
            Version::V6 => self.message_type() < 128,
        }
    }

    /// Type and code in words.
    pub(crate) fn meaning(&self) -> &'static str {
        match (self.version, self.message_type(), self.code()) {
            (Version::V4, 0, _) | (Version::V6, 129, _) => "echo reply",
            (Version::V4, 8, _) | (Version::V6, 128, _) => "echo request",
            (Version::V4, 3, 0) => "network unreachable",
            (Version::V4, 3, 1) => "host unreachable",
            (Version::V4, 3, 2) => "protocol unreachable",
            (Version::V4, 3, 3) | (Version::V6, 1, 4) => "port unreachable: no program listens there",
            (Version::V4, 3, 4) | (Version::V6, 2, _) => "packet too big, and routers may not fragment it",
            (Version::V4, 3, 9 | 10 | 13) | (Version::V6, 1, 1) => "administratively prohibited",
            (Version::V4, 3, _) | (Version::V6, 1, _) => "destination unreachable",
            (Version::V4, 5, _) | (Version::V6, 137, _) => "redirect: there is a better first hop",
            (Version::V4, 11, 0) | (Version::V6, 3, 0) => "time to live expired on the way",
            (Version::V4, 11, _) | (Version::V6, 3, _) => "a fragment was missing for too long",
            (Version::V4, 12, _) | (Version::V6, 4, _) => "invalid header field",
            (Version::V6, 133, _) => "router solicitation",
            (Version::V6, 134, _) => "router advertisement",
            (Version::V6, 135, _) => "neighbour solicitation",
            (Version::V6, 136, _) => "neighbour advertisement",
            _ => "unknown",
        }
    }

    pub(crate) fn fields(&self) -> Vec<Field> {
        let mut f = Fields::default();
        f.add("Type", TYPE, self.message_type(), self.meaning());
        f.add("Code", CODE, self.code(), "");
        let coverage = match self.version {
            Version::V4 => "covers the message without a pseudo header",
            Version::V6 => "covers pseudo header and message",
        };
        f.add("Checksum", CHECKSUM, format_args!("{:#06x}", self.checksum()), coverage);
        let rest = if self.is_error() { "the packet that caused the error follows" } else { "depends on the type" };
        f.add("Rest of Header", REST_OF_HEADER, hex(&self.fixed[REST_OF_HEADER]), rest);
        f.into_vec()
    }
}

//! The checks that decide, in both readings alike, whether and on which flow a row is carried.

use std::borrow::Cow;

use super::address::is_group;
use super::matcher::{FLOWS_MAX, FlowMatch, Matcher};
use super::{IpVersion, Mtu, RefusalKind, Settings, complete, tcp};
use crate::capture::Format;
use crate::rows::{App, RowRef, Transport};
use crate::wire::udp;

/// Classifies the rows of a file in their order.
#[derive(Debug)]
pub(super) struct RowClassifier {
    pub(super) settings: Settings,
    pub(super) matcher: Matcher,
    /// The nanoseconds that are added to the time of each row; `None` before the first row.
    pub(super) shift: Option<i64>,
}

/// A row that can be carried.
pub(super) struct ClassifiedRow<'a> {
    /// The message as it is sent: that of the row, or a completed one.
    pub(super) payload: Cow<'a, [u8]>,
    pub(super) transport: Transport,
    pub(super) matched: FlowMatch,
}

impl RowClassifier {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, matcher: Matcher::default(), shift: None }
    }

    /// Classifies the next row, or says why it cannot be carried.
    pub(super) fn classify<'a>(&mut self, row: &RowRef<'a>) -> Result<ClassifiedRow<'a>, RefusalKind> {
        let settings = &self.settings;
        let payload = complete::payload(row, settings.content);
        let transport = settings.transport.of(row.protocol);
        let version = ip_version(row, settings);
        if version == IpVersion::V6 && settings.mtu.bytes() < Mtu::MIN_V6 {
            return Err(RefusalKind::MtuBelowV6);
        }
        match (transport, row.destination) {
            (Transport::Tcp, App::Address(address)) if is_group(*address) => {
                return Err(RefusalKind::GroupOverTcp(*address));
            }
            (Transport::Tcp, _) => {}
            (Transport::Udp, _) => {
                let max = usize::from(settings.mtu.bytes()) - version.header_len() - udp::HEADER_LEN;
                if payload.len() > max {
                    return Err(RefusalKind::DatagramTooLong { bytes: payload.len(), max });
                }
            }
        }
        let shift = self.shift.unwrap_or_else(|| shift(row, transport, settings));
        let (end, kind) = end_of_time(settings.format);
        if row.time.as_nanos() > end.saturating_sub(shift) {
            return Err(kind);
        }
        let Some(matched) = self.matcher.match_row(row, transport) else {
            return Err(RefusalKind::TooManyConnections { max: FLOWS_MAX });
        };
        self.shift = Some(shift);
        Ok(ClassifiedRow { payload, transport, matched })
    }
}

/// The IP version of a row: that of its addresses, else that of the settings.
pub(super) fn ip_version(row: &RowRef<'_>, settings: &Settings) -> IpVersion {
    match (row.source, row.destination) {
        (App::Name(_), App::Name(_)) => settings.ip,
        (App::Address(address), _) | (_, App::Address(address)) => IpVersion::of(*address),
    }
}

/// The shift of all times by the first row. It is sent at the requested start, or at its own time, but never so early
/// that the handshake would be before 1970.
fn shift(first: &RowRef<'_>, transport: Transport, settings: &Settings) -> i64 {
    let earliest = if transport == Transport::Tcp { tcp::LEAD } else { 0 };
    settings.start.unwrap_or(first.time).as_nanos().max(earliest).saturating_sub(first.time.as_nanos())
}

/// The last time of a row for which the format can hold the times of all later frames, and the refusal of later rows.
fn end_of_time(format: Format) -> (i64, RefusalKind) {
    const ONE_DAY: i64 = 86_400_000_000_000;
    /// Seconds have 32 bits in pcap.
    const PCAP_END: i64 = (1 << 32) * 1_000_000_000;
    match format {
        Format::Pcap => (PCAP_END - ONE_DAY, RefusalKind::BeyondPcap),
        Format::Pcapng => (i64::MAX - ONE_DAY, RefusalKind::TooLate),
    }
}

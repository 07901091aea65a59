//! Decides whether a row can be built, and on which flow. Both readings of the rows decide with this code, so they
//! agree.

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
    /// The nanoseconds to add to the time of each row; `None` before the first row.
    pub(super) shift: Option<i64>,
}

/// The results for a row that can be built.
pub(super) struct ClassifiedRow<'a> {
    /// The bytes to send: the message of the row, completed if the settings ask for that.
    pub(super) payload: Cow<'a, [u8]>,
    pub(super) transport: Transport,
    pub(super) flow_match: FlowMatch,
}

impl RowClassifier {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, matcher: Matcher::default(), shift: None }
    }

    /// Classifies the next row, or returns the reason that it cannot be built.
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
        let shift = self.shift.unwrap_or_else(|| time_shift(row, transport, settings));
        let (latest, too_late) = latest_row_time(settings.format);
        if row.time.as_nanos() > latest.saturating_sub(shift) {
            return Err(too_late);
        }
        let Some(flow_match) = self.matcher.match_row(row, transport) else {
            return Err(RefusalKind::TooManyConnections { max: FLOWS_MAX });
        };
        self.shift = Some(shift);
        Ok(ClassifiedRow { payload, transport, flow_match })
    }
}

/// The IP version of a row: the version of its addresses, or the version in the settings if both apps are names.
pub(super) fn ip_version(row: &RowRef<'_>, settings: &Settings) -> IpVersion {
    match (row.source, row.destination) {
        (App::Name(_), App::Name(_)) => settings.ip,
        (App::Address(address), _) | (_, App::Address(address)) => IpVersion::of(*address),
    }
}

/// The nanoseconds to add to all times, so that the first row is sent at the requested start. Without a requested
/// start, it is 0. In both cases it is larger if a handshake before the first row would otherwise be before 1970.
fn time_shift(first_row: &RowRef<'_>, transport: Transport, settings: &Settings) -> i64 {
    let earliest = if transport == Transport::Tcp { tcp::LEAD } else { 0 };
    settings.start.unwrap_or(first_row.time).as_nanos().max(earliest).saturating_sub(first_row.time.as_nanos())
}

/// The latest time at which a row may be sent, and the refusal of a later row. The format must also hold the times of
/// the frames after the row: one day is left for them.
fn latest_row_time(format: Format) -> (i64, RefusalKind) {
    const ONE_DAY: i64 = 86_400_000_000_000;
    /// Pcap stores seconds in 32 bits.
    const PCAP_END: i64 = (1 << 32) * 1_000_000_000;
    match format {
        Format::Pcap => (PCAP_END - ONE_DAY, RefusalKind::BeyondPcap),
        Format::Pcapng => (i64::MAX - ONE_DAY, RefusalKind::TooLate),
    }
}

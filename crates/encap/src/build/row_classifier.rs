//! Which rows are carried, and where: what both readings ask of each row, and are answered alike.

use std::borrow::Cow;

use super::address::is_group;
use super::matcher::{FLOWS_MAX, FlowMatch, Matcher};
use super::{IpVersion, Mtu, RefusalKind, Settings, complete, tcp};
use crate::capture::Format;
use crate::rows::{App, RowRef, Transport};
use crate::wire::udp;

/// What is known of rows, one after the other.
#[derive(Debug)]
pub(super) struct RowClassifier {
    pub(super) settings: Settings,
    pub(super) matcher: Matcher,
    /// What is added to the times of rows: known from the first on.
    pub(super) shift: Option<i64>,
}

/// A row that is carried.
pub(super) struct ClassifiedRow<'a> {
    /// What is sent for it.
    pub(super) payload: Cow<'a, [u8]>,
    pub(super) transport: Transport,
    pub(super) place: FlowMatch,
}

impl RowClassifier {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, matcher: Matcher::default(), shift: None }
    }

    /// Whether a row is carried, and where.
    pub(super) fn take<'a>(&mut self, row: RowRef<'a>) -> Result<ClassifiedRow<'a>, RefusalKind> {
        let payload = complete::payload(&row, self.settings.content);
        let transport = self.settings.transport.of(row.protocol);
        let settings = &self.settings;
        let version = version(&row, settings);
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
        let shift = self.shift.unwrap_or_else(|| shift(&row, transport, settings));
        let (end, kind) = end_of_time(settings.format);
        if row.time.as_nanos() > end.saturating_sub(shift) {
            return Err(kind);
        }
        let Some(place) = self.matcher.place(&row, transport) else {
            return Err(RefusalKind::TooManyConnections { max: FLOWS_MAX });
        };
        self.shift = Some(shift);
        Ok(ClassifiedRow { payload, transport, place })
    }
}

/// The version of IP that a row is carried over.
pub(super) fn version(row: &RowRef<'_>, settings: &Settings) -> IpVersion {
    match (row.source, row.destination) {
        (App::Name(_), App::Name(_)) => settings.ip,
        (App::Address(address), _) | (_, App::Address(address)) => IpVersion::of(*address),
    }
}

/// What is added to the times of all rows if this is the first: it is sent at the start that is asked for, or at its own
/// time, but not before a handshake fits in after 1970.
fn shift(first: &RowRef<'_>, transport: Transport, settings: &Settings) -> i64 {
    let earliest = if transport == Transport::Tcp { tcp::LEAD } else { 0 };
    settings.start.unwrap_or(first.time).as_nanos().max(earliest).saturating_sub(first.time.as_nanos())
}

/// The last time of which what follows a row on the wire can be written, too, and what is said of one that is later.
fn end_of_time(format: Format) -> (i64, RefusalKind) {
    const ONE_DAY: i64 = 86_400_000_000_000;
    /// Seconds are 32 bits there.
    const PCAP_END: i64 = (1 << 32) * 1_000_000_000;
    match format {
        Format::Pcap => (PCAP_END - ONE_DAY, RefusalKind::BeyondPcap),
        Format::Pcapng => (i64::MAX - ONE_DAY, RefusalKind::TooLate),
    }
}

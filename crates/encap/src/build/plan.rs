//! The first reading: what there will be to build.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::Duration;

use switchboard_protocol::show;

use super::address::{Addresses, is_group, mac};
use super::fit::{Shape, is_misnamed, read_by_first_bytes};
use super::flow::{End, Flow};
use super::matcher::{FLOWS_MAX, Matcher, Pair};
use super::remark::Remarks;
use super::roles::{Clues, Roles};
use super::{Content, IpVersion, Mtu, Refusal, RefusalKind, RemarkKind, Settings, complete, port, tcp};
use crate::capture::Format;
use crate::rows::{App, AppProtocol, RowRef, Transport};
use crate::wire::udp;

/// What the first reading of the rows has found.
#[derive(Debug)]
pub struct Plan {
    pub(super) settings: Settings,
    /// Apps that are named as servers.
    servers: Vec<App>,
    matcher: Matcher,
    drafts: Vec<Draft>,
    remarks: Remarks,
    /// What is added to the times of rows: known from the first on.
    shift: Option<i64>,
    latest: i64,
}

/// What is known of a flow so far.
#[derive(Debug)]
struct Draft {
    pair: Pair,
    version: IpVersion,
    clues: Clues,
    /// The line of its first row.
    line: u64,
    rows: u64,
    first: i64,
    /// Each message is what the protocol's dissector expects.
    fits: bool,
}

/// What is left when all rows were seen once.
pub(super) struct Planned {
    pub(super) settings: Settings,
    pub(super) flows: Vec<Flow>,
    /// What is added to the times of rows.
    pub(super) shift: i64,
    pub(super) remarks: Remarks,
}

impl Plan {
    /// Begins.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            servers: Vec::new(),
            matcher: Matcher::default(),
            drafts: Vec::new(),
            remarks: Remarks::default(),
            shift: None,
            latest: i64::MIN,
        }
    }

    /// Names apps that serve, whatever else may tell who does.
    #[must_use]
    pub fn served_by(self, servers: Vec<App>) -> Self {
        Self { servers, ..self }
    }

    /// Takes account of a row. One that is refused is passed over by [`Builder::row`](super::Builder::row), too.
    pub fn admit<'a>(&mut self, row: impl Into<RowRef<'a>>) -> Result<(), Refusal> {
        let row = &row.into();
        let refused = |kind| Refusal { line: row.line, kind };
        let payload = complete::payload(row, self.settings.content);
        let (transport, version) = carried(row, payload.len(), &self.settings).map_err(refused)?;
        let shift = self.shift.unwrap_or_else(|| shift(row, transport, &self.settings));
        if let Some(kind) = is_too_late(row, shift, &self.settings) {
            return Err(refused(kind));
        }
        let Some(place) = self.matcher.place(row, transport) else {
            return Err(refused(RefusalKind::TooManyConnections { max: FLOWS_MAX }));
        };

        // Rows are sent in the order of the file.
        self.latest = self.latest.max(row.time.as_nanos());
        if self.shift.is_none() {
            self.shift = Some(shift);
            let asked = self.settings.start.unwrap_or(row.time).as_nanos() - row.time.as_nanos();
            if shift > asked {
                let by = Duration::from_nanos((shift - asked).unsigned_abs());
                self.remarks.add(row.line, RemarkKind::Moved { by });
            }
        }
        if place.is_new {
            self.drafts.push(Draft {
                pair: self.matcher.pair(place.flow),
                version,
                clues: Clues::new(row, &place),
                line: row.line,
                rows: 0,
                first: self.latest,
                fits: transport == row.protocol.transport() || matches!(row.protocol, AppProtocol::Chat),
            });
        }
        let draft = &mut self.drafts[place.flow as usize];
        draft.rows += 1;
        draft.clues.see(row, &place);
        let shape = Shape::of(row.protocol);
        let is_whole = payload.is_empty() || shape.fits(&payload);
        if *row.protocol == draft.clues.protocol {
            // Chat without line ends stays where it is: nothing else is read there.
            draft.fits &= is_whole || shape == Shape::Chat;
        } else {
            let shape = Shape::of(&draft.clues.protocol);
            draft.fits &= payload.is_empty() || shape == Shape::Chat || shape.fits(&payload);
            let [protocol, other] =
                [&draft.clues.protocol, row.protocol].map(|name| show::safe(name.name()).into_owned());
            self.remarks.add(row.line, RemarkKind::Mixed { protocol, other });
        }
        if payload.is_empty() && transport == Transport::Udp {
            self.remarks.add(row.line, RemarkKind::EmptyDatagram);
        }
        let is_endless = shape == Shape::Chat && !is_whole && transport == Transport::Tcp;
        if is_endless && !self.remarks.again(row.line, |kind| matches!(kind, RemarkKind::Endless)) {
            self.remarks.add(row.line, RemarkKind::Endless);
        }
        if let Some(reads) = read_by_first_bytes(&payload, transport) {
            self.remarks.add(row.line, RemarkKind::FirstBytes { reads });
        }
        if shape == Shape::Http && is_misnamed(&payload) {
            self.remarks.add(row.line, RemarkKind::BodyMisnamed);
        }
        if self.settings.content == Content::Complete && shape.is_completable() && !is_whole {
            let protocol = show::safe(row.protocol.name()).into_owned();
            self.remarks.add(row.line, RemarkKind::NotCompleted { protocol });
        }
        if let Cow::Owned(_) = payload {
            let protocol = show::safe(row.protocol.name()).into_owned();
            self.remarks.add(row.line, RemarkKind::Completed { protocol });
        }
        Ok(())
    }

    /// Decides what the rows left open: who serves, addresses, ports, and when the first row is sent.
    pub(super) fn finish(mut self) -> Planned {
        let (apps, ports) = std::mem::take(&mut self.matcher).into_parts();
        let addresses = Addresses::assign(&apps);
        let mut rng = fastrand::Rng::with_seed(self.settings.seed);
        let mut taken = HashSet::new();
        for (draft, ports) in self.drafts.iter().zip(&ports) {
            if let [Some(a), Some(b)] = *ports {
                taken.insert((draft.pair, [a, b]));
            }
        }
        let mut roles = Roles::new(self.servers);
        let mut flows = Vec::with_capacity(self.drafts.len());
        for (draft, ports) in self.drafts.iter().zip(ports) {
            let server = roles.server(&draft.clues, draft.pair.0.map(|app| &apps[app as usize]), ports);
            let client = 1 - server;
            remark_port(draft, server, ports, self.settings.content, &mut self.remarks);
            let mut chosen = ports.map(Option::unwrap_or_default);
            chosen[server] = ports[server].unwrap_or_else(|| port::of_server(&draft.clues.protocol, draft.fits));
            if ports.contains(&None) {
                loop {
                    if ports[client].is_none() {
                        chosen[client] = rng.u16(port::CLIENT_PORTS);
                    } else if taken.contains(&(draft.pair, chosen)) {
                        chosen[server] = rng.u16(port::CLIENT_PORTS);
                    }
                    if taken.insert((draft.pair, chosen)) {
                        break;
                    }
                }
            }
            let names = draft.pair.0.map(|app| show::safe(&apps[app as usize].to_string()).into_owned());
            let end = |side: usize| {
                let app = draft.pair.0[side];
                let ip = addresses.ip(app, draft.version);
                End { ip, mac: mac(app, ip), port: chosen[side] }
            };
            flows.push(Flow {
                transport: draft.pair.1,
                version: draft.version,
                ends: [end(0), end(1)],
                client,
                ways: [way(&names[0], &names[1]), way(&names[1], &names[0])],
                client_name: names[client].as_str().into(),
                server_name: names[server].as_str().into(),
                rows: draft.rows,
                first: draft.first,
            });
        }
        let shift = self.shift.unwrap_or_default();
        Planned { settings: self.settings, flows, shift, remarks: self.remarks }
    }
}

/// What is added to the times of all rows if this is the first: it is sent at the start that is asked for, or at its own
/// time, but not before a handshake fits in after 1970.
fn shift(first: &RowRef<'_>, transport: Transport, settings: &Settings) -> i64 {
    let earliest = if transport == Transport::Tcp { tcp::LEAD } else { 0 };
    settings.start.unwrap_or(first.time).as_nanos().max(earliest) - first.time.as_nanos()
}

/// Why a row is too near to the end of time for what follows it, if it is.
#[inline]
pub(super) fn is_too_late(row: &RowRef<'_>, shift: i64, settings: &Settings) -> Option<RefusalKind> {
    const ONE_DAY: i64 = 86_400_000_000_000;
    /// Seconds are 32 bits there.
    const PCAP_END: i64 = (1 << 32) * 1_000_000_000;
    let (end, kind) = match settings.format {
        Format::Pcap => (PCAP_END, RefusalKind::BeyondPcap),
        Format::Pcapng => (i64::MAX, RefusalKind::TooLate),
    };
    row.time.as_nanos().checked_add(shift).is_none_or(|time| time > end - ONE_DAY).then_some(kind)
}

fn way(from: &str, to: &str) -> Box<str> {
    let mut way = String::with_capacity(from.len() + to.len() + 9);
    let _ = write!(way, "from {from} to {to}");
    way.into()
}

/// How a row is carried, if it can be.
#[inline]
pub(super) fn carried(
    row: &RowRef<'_>,
    len: usize,
    settings: &Settings,
) -> Result<(Transport, IpVersion), RefusalKind> {
    let transport = settings.transport.of(row.protocol);
    let version = match (row.source, row.destination) {
        (App::Name(_), App::Name(_)) => settings.ip,
        (App::Address(address), _) | (_, App::Address(address)) => IpVersion::of(*address),
    };
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
            if len > max {
                return Err(RefusalKind::DatagramTooLong { bytes: len, max });
            }
        }
    }
    Ok((transport, version))
}

/// Says so where a dissector would read what is not for it, or does not because the port is another.
fn remark_port(draft: &Draft, server: usize, ports: [Option<u16>; 2], content: Content, remarks: &mut Remarks) {
    let said = &draft.clues.protocol;
    let protocol = || show::safe(said.name()).into_owned();
    let completable = content == Content::Faithful && Shape::of(said).is_completable();
    if let Some((port, reads)) = port::misread(ports, draft.pair.1, said, draft.fits) {
        let reads = reads.to_uppercase();
        remarks.add(draft.line, RemarkKind::PortMisread { protocol: protocol(), reads, port, completable });
    } else if let (None, Some(usual), false) = (ports[server], said.port(), draft.fits) {
        let port = port::of_server(said, false);
        remarks.add(draft.line, RemarkKind::PortAvoided { protocol: protocol(), usual, port, completable });
    }
}

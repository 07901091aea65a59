//! The first reading: what there will be to build.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::Duration;

use switchboard_protocol::sanitize;

use super::address::{Addresses, mac};
use super::fit::{Shape, is_misnamed, read_by_first_bytes};
use super::flow::{End, Flow};
use super::matcher::{FlowMatch, Pair};
use super::roles::{Clues, Roles};
use super::row_classifier::{ClassifiedRow, RowClassifier, version};
use super::{BuildRemarkKind, BuildRemarks, Content, IpVersion, Refusal, RowLine, Settings, port};
use crate::rows::{App, AppProtocol, RowRef, Transport};

/// What the first reading of the rows has found.
#[derive(Debug)]
pub struct Plan {
    /// Apps that are named as servers.
    servers: Vec<App>,
    pub(super) classifier: RowClassifier,
    drafts: Vec<FlowDraft>,
    remarks: BuildRemarks,
    latest: i64,
}

/// What is known of a flow so far.
#[derive(Debug)]
struct FlowDraft {
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
pub(super) struct FinishedPlan {
    /// For the second reading.
    pub(super) classifier: RowClassifier,
    pub(super) flows: Vec<Flow>,
    pub(super) remarks: BuildRemarks,
}

impl Plan {
    /// Begins.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            servers: Vec::new(),
            classifier: RowClassifier::new(settings),
            drafts: Vec::new(),
            remarks: BuildRemarks::default(),
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
        let row = row.into();
        let ClassifiedRow { payload, transport, place } =
            self.classifier.take(row).map_err(|kind| Refusal::new(RowLine { line: row.line }, kind))?;
        if place.is_new {
            self.draft(row, transport, place);
        }
        self.see(&row, &payload, transport, place);
        if self.classifier.settings.content == Content::Complete {
            self.remark_completion(row, &payload, matches!(payload, Cow::Owned(_)));
        }
        Ok(())
    }

    /// Takes account of a row that is carried, and where.
    fn see(&mut self, row: &RowRef<'_>, payload: &[u8], transport: Transport, place: FlowMatch) {
        // Rows are sent in the order of the file.
        self.latest = self.latest.max(row.time.as_nanos());
        let draft = &mut self.drafts[place.flow as usize];
        draft.rows += 1;
        draft.clues.see(row, &place);
        let shape = Shape::of(row.protocol);
        let is_whole = payload.is_empty() || shape.fits(payload);
        if *row.protocol == draft.clues.protocol {
            // Chat without line ends stays where it is: nothing else is read there.
            draft.fits &= is_whole || shape == Shape::Chat;
        } else {
            self.mix(*row, payload, place.flow);
        }
        if payload.is_empty() && transport == Transport::Udp {
            self.remarks.add(RowLine { line: row.line }, BuildRemarkKind::EmptyDatagram);
        }
        let is_endless = shape == Shape::Chat && !is_whole && transport == Transport::Tcp;
        if is_endless {
            self.remarks.add(RowLine { line: row.line }, BuildRemarkKind::Endless);
        }
        if let Some(reads) = read_by_first_bytes(payload, transport) {
            self.remarks.add(RowLine { line: row.line }, BuildRemarkKind::FirstBytes { reads });
        }
        if shape == Shape::Http && is_misnamed(payload) {
            self.remarks.add(RowLine { line: row.line }, BuildRemarkKind::BodyMisnamed);
        }
    }

    /// Takes account of a row whose protocol is another than that of its flow.
    #[cold]
    fn mix(&mut self, row: RowRef<'_>, payload: &[u8], flow: u32) {
        let draft = &mut self.drafts[flow as usize];
        let shape = Shape::of(&draft.clues.protocol);
        draft.fits &= payload.is_empty() || shape == Shape::Chat || shape.fits(payload);
        let [protocol, other] = [&draft.clues.protocol, row.protocol].map(|name| sanitize(name.name()).into_owned());
        self.remarks.add(RowLine { line: row.line }, BuildRemarkKind::Mixed { protocol, other });
    }

    /// Says of a row that is to be completed whether it was, unless it was whole before.
    fn remark_completion(&mut self, row: RowRef<'_>, payload: &[u8], was_completed: bool) {
        let protocol = || sanitize(row.protocol.name()).into_owned();
        let shape = Shape::of(row.protocol);
        if shape.is_completable() && !payload.is_empty() && !shape.fits(payload) {
            self.remarks.add(RowLine { line: row.line }, BuildRemarkKind::NotCompleted { protocol: protocol() });
        }
        if was_completed {
            self.remarks.add(RowLine { line: row.line }, BuildRemarkKind::Completed { protocol: protocol() });
        }
    }

    /// Takes account of the first row of a flow.
    #[cold]
    fn draft(&mut self, row: RowRef<'_>, transport: Transport, place: FlowMatch) {
        let RowClassifier { settings, matcher, shift, .. } = &self.classifier;
        if let (true, Some(shift)) = (self.drafts.is_empty(), *shift) {
            let asked = settings.start.unwrap_or(row.time).as_nanos().saturating_sub(row.time.as_nanos());
            if shift > asked {
                let by = Duration::from_nanos(shift.abs_diff(asked));
                self.remarks.add(RowLine { line: row.line }, BuildRemarkKind::Moved { by });
            }
        }
        self.drafts.push(FlowDraft {
            pair: matcher.pair(place.flow),
            version: version(&row, settings),
            clues: Clues::new(&row, &place),
            line: row.line,
            rows: 0,
            first: self.latest.max(row.time.as_nanos()),
            fits: transport == row.protocol.transport() || matches!(row.protocol, AppProtocol::Chat),
        });
    }

    /// Decides what the rows left open: who serves, addresses, ports, and when the first row is sent.
    pub(super) fn finish(mut self) -> FinishedPlan {
        let settings = self.classifier.settings;
        let (apps, ports) = std::mem::take(&mut self.classifier.matcher).into_parts();
        let addresses = Addresses::assign(&apps);
        let mut rng = fastrand::Rng::with_seed(settings.seed);
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
            remark_port(draft, server, ports, settings.content, &mut self.remarks);
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
            let names = draft.pair.0.map(|app| sanitize(&apps[app as usize].to_string()).into_owned());
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
        FinishedPlan { classifier: self.classifier, flows, remarks: self.remarks }
    }
}

fn way(from: &str, to: &str) -> Box<str> {
    let mut way = String::with_capacity(from.len() + to.len() + 9);
    let _ = write!(way, "from {from} to {to}");
    way.into()
}

/// Says so where a dissector would read what is not for it, or does not because the port is another.
fn remark_port(
    draft: &FlowDraft,
    server: usize,
    ports: [Option<u16>; 2],
    content: Content,
    remarks: &mut BuildRemarks,
) {
    let said = &draft.clues.protocol;
    let protocol = || sanitize(said.name()).into_owned();
    let completable = content == Content::Faithful && Shape::of(said).is_completable();
    if let Some((port, reads)) = port::misread(ports, draft.pair.1, said, draft.fits) {
        let reads = reads.to_uppercase();
        remarks.add(
            RowLine { line: draft.line },
            BuildRemarkKind::PortMisread { protocol: protocol(), reads, port, completable },
        );
    } else if let (None, Some(usual), false) = (ports[server], said.port(), draft.fits) {
        let port = port::of_server(said, false);
        remarks.add(
            RowLine { line: draft.line },
            BuildRemarkKind::PortAvoided { protocol: protocol(), usual, port, completable },
        );
    }
}

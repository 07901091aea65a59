//! The first reading: finds the flows of the rows, and decides addresses, ports and servers.

use std::borrow::Cow;
use std::collections::HashSet;
use std::time::Duration;

use switchboard_protocol::sanitize;

use super::address::{Addresses, mac};
use super::flow::{End, Flow};
use super::matcher::{FlowMatch, Pair};
use super::roles::{Clues, Roles};
use super::row_classifier::{ClassifiedRow, RowClassifier, ip_version};
use super::shape::{Shape, is_misnamed, read_by_first_bytes};
use super::{BuildRemarkKind, BuildRemarks, Content, IpVersion, Refusal, RowLine, Settings, port};
use crate::rows::{App, AppProtocol, RowRef, Transport};

/// The flows of a file, found in the first reading of its rows.
#[derive(Debug)]
pub struct Plan {
    /// Apps named as servers.
    servers: Vec<App>,
    classifier: RowClassifier,
    drafts: Vec<FlowDraft>,
    remarks: BuildRemarks,
    /// The latest time of a row so far.
    latest: i64,
}

/// A flow while rows are read.
#[derive(Debug)]
struct FlowDraft {
    pair: Pair,
    version: IpVersion,
    clues: Clues,
    /// The line of the first row.
    line: u64,
    n_rows: u64,
    /// The time of the first row.
    first: i64,
    /// Whether the dissector of the protocol can read all messages.
    fits: bool,
}

/// The decisions of a plan, for the second reading.
pub(super) struct FinishedPlan {
    /// It has not seen a row of the second reading yet.
    pub(super) classifier: RowClassifier,
    pub(super) flows: Vec<Flow>,
    pub(super) remarks: BuildRemarks,
}

impl Plan {
    /// A plan without rows.
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

    /// Makes these apps servers, regardless of other clues.
    #[must_use]
    pub fn served_by(self, servers: Vec<App>) -> Self {
        Self { servers, ..self }
    }

    /// Adds the next row.
    ///
    /// # Errors
    ///
    /// If the row cannot be carried. [`Builder::row`](super::Builder::row) leaves out the same rows.
    pub fn admit<'a>(&mut self, row: impl Into<RowRef<'a>>) -> Result<(), Refusal> {
        let row = row.into();
        let ClassifiedRow { payload, transport, matched } =
            self.classifier.classify(&row).map_err(|kind| Refusal::new(RowLine { line: row.line }, kind))?;
        if matched.is_new {
            self.add_flow(&row, transport, matched);
        }
        self.add_row(&row, &payload, transport, matched);
        if self.classifier.settings.content == Content::Complete {
            self.remark_completion(&row, &payload, matches!(payload, Cow::Owned(_)));
        }
        Ok(())
    }

    /// Adds the flow of its first row.
    fn add_flow(&mut self, row: &RowRef<'_>, transport: Transport, matched: FlowMatch) {
        let RowClassifier { settings, matcher, shift } = &self.classifier;
        if let (true, Some(shift)) = (self.drafts.is_empty(), *shift) {
            let asked = settings.start.unwrap_or(row.time).as_nanos().saturating_sub(row.time.as_nanos());
            if shift > asked {
                let by = Duration::from_nanos(shift.abs_diff(asked));
                self.remarks.add(RowLine { line: row.line }, BuildRemarkKind::Moved { by });
            }
        }
        self.drafts.push(FlowDraft {
            pair: matcher.pair(matched.flow),
            version: ip_version(row, settings),
            clues: Clues::new(row, matched),
            line: row.line,
            n_rows: 0,
            first: self.latest.max(row.time.as_nanos()),
            fits: transport == row.protocol.transport() || matches!(row.protocol, AppProtocol::Chat),
        });
    }

    /// Adds a row to its flow.
    fn add_row(&mut self, row: &RowRef<'_>, payload: &[u8], transport: Transport, matched: FlowMatch) {
        let at = RowLine { line: row.line };
        self.latest = self.latest.max(row.time.as_nanos());
        let draft = &mut self.drafts[matched.flow as usize];
        draft.n_rows += 1;
        draft.clues.see(row, matched);
        let fits = |shape: Shape| payload.is_empty() || shape.fits(payload);
        let shape = Shape::of(row.protocol);
        let is_whole = fits(shape);
        if *row.protocol == draft.clues.protocol {
            // No dissector reads the port of CHAT, so CHAT without line ends may stay there.
            draft.fits &= is_whole || shape == Shape::Chat;
        } else {
            let shape = Shape::of(&draft.clues.protocol);
            draft.fits &= shape == Shape::Chat || fits(shape);
            let [protocol, other] = [&draft.clues.protocol, row.protocol].map(safe_name);
            self.remarks.add(at, BuildRemarkKind::Mixed { protocol, other });
        }
        if payload.is_empty() && transport == Transport::Udp {
            self.remarks.add(at, BuildRemarkKind::EmptyDatagram);
        }
        if shape == Shape::Chat && !is_whole && transport == Transport::Tcp {
            self.remarks.add(at, BuildRemarkKind::Endless);
        }
        if let Some(reads) = read_by_first_bytes(payload, transport) {
            self.remarks.add(at, BuildRemarkKind::FirstBytes { reads });
        }
        if shape == Shape::Http && is_misnamed(payload) {
            self.remarks.add(at, BuildRemarkKind::BodyMisnamed);
        }
    }

    /// Remarks on a row that was completed, or could not be.
    fn remark_completion(&mut self, row: &RowRef<'_>, payload: &[u8], was_completed: bool) {
        let at = RowLine { line: row.line };
        let shape = Shape::of(row.protocol);
        if shape.is_completable() && !payload.is_empty() && !shape.fits(payload) {
            self.remarks.add(at, BuildRemarkKind::NotCompleted { protocol: safe_name(row.protocol) });
        }
        if was_completed {
            self.remarks.add(at, BuildRemarkKind::Completed { protocol: safe_name(row.protocol) });
        }
    }

    /// Decides the server, the addresses and the ports of each flow.
    pub(super) fn finish(&self) -> FinishedPlan {
        let RowClassifier { settings, matcher, shift } = &self.classifier;
        let apps = matcher.apps();
        let addresses = Addresses::assign(apps);
        let mut remarks = self.remarks.clone();
        let mut rng = fastrand::Rng::with_seed(settings.seed);
        let mut taken = HashSet::new();
        for (draft, ports) in self.drafts.iter().zip(matcher.ports()) {
            if let [Some(a), Some(b)] = ports {
                taken.insert((draft.pair, [a, b]));
            }
        }
        let mut roles = Roles::new(self.servers.clone());
        let mut flows = Vec::with_capacity(self.drafts.len());
        for (draft, ports) in self.drafts.iter().zip(matcher.ports()) {
            let server = roles.server(&draft.clues, draft.pair.0.map(|app| &apps[app as usize]), ports);
            let client = 1 - server;
            remark_port(draft, server, ports, settings.content, &mut remarks);
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
            let [a, b] = draft.pair.0.map(|app| sanitize(&apps[app as usize].to_string()).into_owned());
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
                routes: [format!("from {a} to {b}").into(), format!("from {b} to {a}").into()],
                names: [a.into(), b.into()],
                n_rows: draft.n_rows,
                first: draft.first,
            });
        }
        let classifier = RowClassifier { shift: *shift, ..RowClassifier::new(*settings) };
        FinishedPlan { classifier, flows, remarks }
    }
}

fn safe_name(protocol: &AppProtocol) -> String {
    sanitize(protocol.name()).into_owned()
}

/// Remarks on a given port that has the dissector of another protocol, and on a server that avoids its usual port.
fn remark_port(
    draft: &FlowDraft,
    server: usize,
    ports: [Option<u16>; 2],
    content: Content,
    remarks: &mut BuildRemarks,
) {
    let at = RowLine { line: draft.line };
    let protocol = &draft.clues.protocol;
    let completable = content == Content::Faithful && Shape::of(protocol).is_completable();
    if let Some((port, reads)) = port::misread(ports, draft.pair.1, protocol, draft.fits) {
        let (protocol, reads) = (safe_name(protocol), reads.to_uppercase());
        remarks.add(at, BuildRemarkKind::PortMisread { protocol, reads, port, completable });
    } else if let (None, Some(usual), false) = (ports[server], protocol.port(), draft.fits) {
        let port = port::of_server(protocol, false);
        remarks.add(at, BuildRemarkKind::PortAvoided { protocol: safe_name(protocol), usual, port, completable });
    }
}

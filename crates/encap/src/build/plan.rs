//! The first reading of the rows: finds their flows, and decides the addresses, ports and servers of the flows.

use std::borrow::Cow;
use std::collections::HashSet;
use std::time::Duration;

use switchboard_protocol::sanitize;

use super::address::{Addresses, mac};
use super::flow::{End, Flow};
use super::matcher::{FlowMatch, Pair};
use super::roles::{Clues, Roles};
use super::row_classifier::{ClassifiedRow, RowClassifier, ip_version};
use super::shape::{Shape, has_misnamed_body, heuristic_dissector};
use super::{BuildRemarkKind, BuildRemarks, Content, IpVersion, Refusal, RowLine, Settings, port};
use crate::rows::{App, AppProtocol, RowRef, Transport};

/// The flows of a file, found in the first reading of its rows.
#[derive(Debug)]
pub struct Plan {
    /// The apps that the user named as servers.
    servers: Vec<App>,
    classifier: RowClassifier,
    drafts: Vec<FlowDraft>,
    remarks: BuildRemarks,
    /// The latest time of the rows so far, in nanoseconds.
    latest: i64,
}

/// A flow that the first reading has found. Its values are those of the rows so far.
#[derive(Debug)]
struct FlowDraft {
    pair: Pair,
    version: IpVersion,
    clues: Clues,
    /// The line of the first row.
    first_line: u64,
    n_rows: u64,
    /// The time of the first row, in nanoseconds.
    first_row_at: i64,
    /// Whether the dissector of the flow's protocol can read all messages.
    is_dissectable: bool,
}

/// The results of the first reading, for the second reading.
pub(super) struct FinishedPlan {
    /// A new classifier, which has not seen a row, for the second reading.
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

    /// Names apps that are servers. This overrides all clues in the rows.
    #[must_use]
    pub fn served_by(self, servers: Vec<App>) -> Self {
        Self { servers, ..self }
    }

    /// Adds the next row.
    ///
    /// # Errors
    ///
    /// If no frame can carry the row. [`Builder::row`](super::Builder::row) skips the same rows.
    pub fn admit<'a>(&mut self, row: impl Into<RowRef<'a>>) -> Result<(), Refusal> {
        let row = row.into();
        let ClassifiedRow { payload, transport, flow_match } =
            self.classifier.classify(&row).map_err(|kind| Refusal::new(RowLine { line: row.line }, kind))?;
        if flow_match.is_new {
            self.add_flow(&row, transport, flow_match);
        }
        self.add_row(&row, &payload, transport, flow_match);
        if self.classifier.settings.content == Content::Complete {
            let was_completed = matches!(payload, Cow::Owned(_));
            self.remark_completion(&row, &payload, was_completed);
        }
        Ok(())
    }

    /// Adds the flow that begins with `row`. [`add_row`](Self::add_row) then adds the row itself.
    fn add_flow(&mut self, row: &RowRef<'_>, transport: Transport, flow_match: FlowMatch) {
        let RowClassifier { settings, matcher, shift } = &self.classifier;
        let is_first_row = self.drafts.is_empty();
        if let (true, Some(shift)) = (is_first_row, *shift) {
            let requested_shift = settings.start.unwrap_or(row.time).as_nanos().saturating_sub(row.time.as_nanos());
            if shift > requested_shift {
                let by = Duration::from_nanos(shift.abs_diff(requested_shift));
                self.remarks.add(RowLine { line: row.line }, BuildRemarkKind::Moved { by });
            }
        }
        self.drafts.push(FlowDraft {
            pair: matcher.pair(flow_match.flow),
            version: ip_version(row, settings),
            clues: Clues::new(row, flow_match),
            first_line: row.line,
            n_rows: 0,
            first_row_at: self.latest.max(row.time.as_nanos()),
            is_dissectable: transport == row.protocol.transport() || matches!(row.protocol, AppProtocol::Chat),
        });
    }

    /// Adds a row to its flow.
    fn add_row(&mut self, row: &RowRef<'_>, payload: &[u8], transport: Transport, flow_match: FlowMatch) {
        let place = RowLine { line: row.line };
        self.latest = self.latest.max(row.time.as_nanos());
        let draft = &mut self.drafts[flow_match.flow as usize];
        draft.n_rows += 1;
        draft.clues.add_row(row, flow_match);
        let has_shape = |shape: Shape| payload.is_empty() || shape.matches(payload);
        let shape = Shape::of(row.protocol);
        let is_valid = has_shape(shape);
        // Wireshark has no dissector for the port of CHAT. So a CHAT flow keeps this port, even if its messages are not
        // valid.
        if *row.protocol == draft.clues.protocol {
            draft.is_dissectable &= is_valid || shape == Shape::Chat;
        } else {
            let flow_shape = Shape::of(&draft.clues.protocol);
            draft.is_dissectable &= flow_shape == Shape::Chat || has_shape(flow_shape);
            let [protocol, other] = [&draft.clues.protocol, row.protocol].map(safe_name);
            self.remarks.add(place, BuildRemarkKind::Mixed { protocol, other });
        }
        if payload.is_empty() && transport == Transport::Udp {
            self.remarks.add(place, BuildRemarkKind::EmptyDatagram);
        }
        if shape == Shape::Chat && !is_valid && transport == Transport::Tcp {
            self.remarks.add(place, BuildRemarkKind::Endless);
        }
        if let Some(reads) = heuristic_dissector(payload, transport) {
            self.remarks.add(place, BuildRemarkKind::FirstBytes { reads });
        }
        if shape == Shape::Http && has_misnamed_body(payload) {
            self.remarks.add(place, BuildRemarkKind::BodyMisnamed);
        }
    }

    /// Adds a remark if the row was completed, and another if its message is still not valid.
    fn remark_completion(&mut self, row: &RowRef<'_>, payload: &[u8], was_completed: bool) {
        let place = RowLine { line: row.line };
        let shape = Shape::of(row.protocol);
        if shape.is_completable() && !payload.is_empty() && !shape.matches(payload) {
            self.remarks.add(place, BuildRemarkKind::NotCompleted { protocol: safe_name(row.protocol) });
        }
        if was_completed {
            self.remarks.add(place, BuildRemarkKind::Completed { protocol: safe_name(row.protocol) });
        }
    }

    /// Decides the server, the addresses and the ports of each flow.
    pub(super) fn finish(&self) -> FinishedPlan {
        let RowClassifier { settings, matcher, shift } = &self.classifier;
        let apps = matcher.apps();
        let addresses = Addresses::assign(apps);
        let mut remarks = self.remarks.clone();
        let mut rng = fastrand::Rng::with_seed(settings.seed);
        let mut used_ports = HashSet::new();
        for (draft, ports) in self.drafts.iter().zip(matcher.ports()) {
            if let [Some(a), Some(b)] = ports {
                used_ports.insert((draft.pair, [a, b]));
            }
        }
        let mut roles = Roles::new(self.servers.clone());
        let mut flows = Vec::with_capacity(self.drafts.len());
        for (draft, ports) in self.drafts.iter().zip(matcher.ports()) {
            let server = roles.decide_server(&draft.clues, draft.pair.0.map(|app| &apps[app as usize]), ports);
            let client = 1 - server;
            add_port_remarks(draft, server, ports, settings.content, &mut remarks);
            let mut chosen = ports.map(Option::unwrap_or_default);
            chosen[server] =
                ports[server].unwrap_or_else(|| port::server_port(&draft.clues.protocol, draft.is_dissectable));
            if ports.contains(&None) {
                // Each flow of a pair needs ports of its own. If the file gives the client's port, and another flow has
                // the same ports, the server gets a random port.
                loop {
                    if ports[client].is_none() {
                        chosen[client] = rng.u16(port::CLIENT_PORTS);
                    } else if used_ports.contains(&(draft.pair, chosen)) {
                        chosen[server] = rng.u16(port::CLIENT_PORTS);
                    }
                    if used_ports.insert((draft.pair, chosen)) {
                        break;
                    }
                }
            }
            let [name_a, name_b] = draft.pair.0.map(|app| sanitize(&apps[app as usize].to_string()).into_owned());
            let end = |index: usize| {
                let app = draft.pair.0[index];
                let ip = addresses.ip(app, draft.version);
                End { ip, mac: mac(app, ip), port: chosen[index] }
            };
            flows.push(Flow {
                transport: draft.pair.1,
                version: draft.version,
                ends: [end(0), end(1)],
                client,
                routes: [format!("from {name_a} to {name_b}").into(), format!("from {name_b} to {name_a}").into()],
                names: [name_a.into(), name_b.into()],
                n_rows: draft.n_rows,
                first_row_at: draft.first_row_at,
            });
        }
        let classifier = RowClassifier { shift: *shift, ..RowClassifier::new(*settings) };
        FinishedPlan { classifier, flows, remarks }
    }
}

/// The name of a protocol, sanitized for display.
fn safe_name(protocol: &AppProtocol) -> String {
    sanitize(protocol.name()).into_owned()
}

/// Adds a remark if Wireshark misreads a given port, or if the server avoids the usual port of its protocol.
fn add_port_remarks(
    draft: &FlowDraft,
    server: usize,
    ports: [Option<u16>; 2],
    content: Content,
    remarks: &mut BuildRemarks,
) {
    let place = RowLine { line: draft.first_line };
    let protocol = &draft.clues.protocol;
    let completable = content == Content::Faithful && Shape::of(protocol).is_completable();
    if let Some((port, dissector)) = port::misread_port(ports, draft.pair.1, protocol, draft.is_dissectable) {
        let (protocol, reads) = (safe_name(protocol), dissector.to_uppercase());
        remarks.add(place, BuildRemarkKind::PortMisread { protocol, reads, port, completable });
    } else if let (None, Some(usual), false) = (ports[server], protocol.port(), draft.is_dissectable) {
        let port = port::server_port(protocol, false);
        remarks.add(place, BuildRemarkKind::PortAvoided { protocol: safe_name(protocol), usual, port, completable });
    }
}

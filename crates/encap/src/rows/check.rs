//! Checks a row against the rows before it.
//!
//! Memory does not grow with the number of rows, only with the numbers of apps, pairs and ids, which are bounded.

use std::sync::Arc;

// hashbrown's default hasher is several times faster than the standard one, and each row needs three lookups.
use hashbrown::HashMap;

use super::app::{App, AppError, may_send};
use super::column::Column;
use super::fault::{Excerpt, RowFaultKind};
use super::ids::{IDS_REMEMBERED, IdStatus, SeenIds};
use super::{AppProtocol, MessageId, RowRef};
use crate::time::Timestamp;

/// Maximum number of distinct spellings of apps.
pub(crate) const APPS_MAX: usize = 1 << 16;

/// Maximum number of pairs of apps.
pub(crate) const PAIRS_MAX: usize = 1 << 18;

/// Size above which a message gets a note, in bytes.
const LARGE_MESSAGE_BYTES: usize = 1024 * 1024;

/// Index of an app, in order of first appearance.
pub(super) type AppIndex = usize;

/// Checks rows in their order, and remembers them for the checks of later rows.
#[derive(Debug, Default)]
pub(super) struct RowChecker {
    /// The app of each spelling: `::1` and `0::1` are two spellings of one app.
    by_spelling: HashMap<Arc<str>, AppIndex>,
    apps: Vec<KnownApp>,
    /// The history of each pair, by the indices of its apps, the lower index first.
    pairs: HashMap<(AppIndex, AppIndex), PairHistory>,
    ids: SeenIds,
    /// Whether the fault [`RowFaultKind::IdsForgotten`] was reported.
    has_reported_forgotten_ids: bool,
    /// Time and line of the previous row.
    previous: Option<(Timestamp, u64)>,
}

#[derive(Debug)]
struct KnownApp {
    app: App,
    /// IP version, 4 or 6: that of the app's address, or of the apps with which a name exchanged messages.
    version: Option<u8>,
}

#[derive(Debug, Default)]
struct PairHistory {
    /// Whether the app with the lower index has sent a row, and whether the other app has.
    has_sent: [bool; 2],
    /// The ports of the first row of the pair that gives both ports.
    ports: Option<FirstPorts>,
}

#[derive(Debug)]
struct FirstPorts {
    /// Port of the app with the lower index, then of the other app.
    ports: [u16; 2],
    line: u64,
    /// Whether a later row of the pair has other ports.
    has_other_ports: bool,
}

/// A row with its apps as indices.
#[derive(Debug)]
pub(super) struct IndexedRow<'a> {
    pub(super) number: &'a MessageId,
    pub(super) line: u64,
    pub(super) protocol: &'a AppProtocol,
    pub(super) source: AppIndex,
    pub(super) destination: AppIndex,
    pub(super) source_port: Option<u16>,
    pub(super) destination_port: Option<u16>,
    pub(super) message: &'a [u8],
    pub(super) time: Timestamp,
}

impl<'a> IndexedRow<'a> {
    pub(super) fn into_row_ref(self, checker: &'a RowChecker) -> RowRef<'a> {
        RowRef {
            number: self.number,
            line: self.line,
            protocol: self.protocol,
            source: checker.app(self.source),
            destination: checker.app(self.destination),
            source_port: self.source_port,
            destination_port: self.destination_port,
            message: self.message,
            time: self.time,
        }
    }
}

/// Receives a fault with its column.
pub(super) type FaultSink<'a> = dyn FnMut(Column, RowFaultKind) + 'a;

impl RowChecker {
    pub(super) fn n_apps(&self) -> usize {
        self.apps.len()
    }

    pub(super) fn n_pairs(&self) -> usize {
        self.pairs.len()
    }

    fn app(&self, index: AppIndex) -> &App {
        &self.apps[index].app
    }

    /// Returns the index of an app, adding the app if it is new.
    pub(super) fn intern_app(&mut self, text: &str) -> Result<AppIndex, RowFaultKind> {
        if let Some(&index) = self.by_spelling.get(text) {
            return Ok(index);
        }
        let app = text.parse().map_err(|error: AppError| RowFaultKind::App { found: Excerpt::new(text), error })?;
        let canonical: Arc<str> = match &app {
            App::Name(name) => Arc::clone(name),
            App::Address(address) => address.to_string().into(),
        };
        // The app may need two entries: for its canonical spelling and for this one.
        if self.by_spelling.len() + 2 > APPS_MAX {
            return Err(RowFaultKind::TooManyApps { max: APPS_MAX });
        }
        let version = app.address().map(|address| if address.is_ipv4() { 4 } else { 6 });
        let index = *self.by_spelling.entry(canonical).or_insert(self.apps.len());
        if index == self.apps.len() {
            self.apps.push(KnownApp { app, version });
        }
        self.by_spelling.entry(text.into()).or_insert(index);
        Ok(index)
    }

    /// The first unused number at or above `number`.
    pub(super) fn unused_id(&self, number: u64) -> u64 {
        self.ids.first_unused(number)
    }

    /// Whether no row has been checked so far.
    pub(super) fn is_before_first_row(&self) -> bool {
        self.previous.is_none()
    }

    /// Checks a row against the rows before it. Passes each fault to `report`.
    pub(super) fn check(&mut self, row: &IndexedRow<'_>, report: &mut FaultSink<'_>) {
        let source = self.app(row.source);
        if source.address().is_some_and(|address| !may_send(address)) {
            report(Column::SrcApp, RowFaultKind::SenderIsGroup { found: Excerpt::of_app(source) });
        }
        if row.source == row.destination {
            report(Column::DstApp, RowFaultKind::SelfTalk { app: Excerpt::of_app(source) });
        } else {
            self.check_versions(row.source, row.destination, report);
            self.check_pair(row, report);
        }
        self.check_id(row.number, report);
        if let Some((previous, previous_line)) = self.previous.replace((row.time, row.line))
            && row.time < previous
        {
            report(Column::Timestamp, RowFaultKind::TimeBackwards { previous, previous_line });
        }
        match row.message.len() {
            0 => report(Column::Message, RowFaultKind::EmptyMessage),
            bytes if bytes > LARGE_MESSAGE_BYTES => {
                report(Column::Message, RowFaultKind::LargeMessage { bytes });
            }
            _ => {}
        }
    }

    /// Checks that both apps have the same IP version. A name without a version takes the version of the other app.
    fn check_versions(&mut self, source: AppIndex, destination: AppIndex, report: &mut FaultSink<'_>) {
        match (self.apps[source].version, self.apps[destination].version) {
            (Some(version), Some(peer_version)) if version != peer_version => {
                let [app, peer] = [source, destination].map(|index| Excerpt::of_app(&self.apps[index].app));
                report(Column::DstApp, RowFaultKind::MixedVersions { app, version, peer });
            }
            (None, version @ Some(_)) => self.apps[source].version = version,
            (version @ Some(_), None) => self.apps[destination].version = version,
            _ => {}
        }
    }

    /// Checks that a response follows a request, and that the ports agree with the pair's first ports.
    fn check_pair(&mut self, row: &IndexedRow<'_>, report: &mut FaultSink<'_>) {
        let (source, destination) = (row.source, row.destination);
        let key = (source.min(destination), source.max(destination));
        if self.pairs.len() >= PAIRS_MAX && !self.pairs.contains_key(&key) {
            report(Column::DstApp, RowFaultKind::TooManyPairs { max: PAIRS_MAX });
            return;
        }
        let pair = self.pairs.entry(key).or_default();
        // 0 if the app with the lower index sends the row, else 1.
        let sender = usize::from(source > destination);
        let receiver = 1 - sender;
        if !pair.has_sent[receiver] && row.protocol.is_response(row.message, row.source_port, row.destination_port) {
            report(Column::Message, RowFaultKind::EarlyResponse { from: Excerpt::of_app(&self.apps[source].app) });
        }
        pair.has_sent[sender] = true;

        let Some(first) = &mut pair.ports else {
            if let (Some(from), Some(to)) = (row.source_port, row.destination_port) {
                let ports = if sender == 0 { [from, to] } else { [to, from] };
                pair.ports = Some(FirstPorts { ports, line: row.line, has_other_ports: false });
            }
            return;
        };
        let first_line = first.line;
        let (Some(source_port), Some(destination_port)) = (row.source_port, row.destination_port) else {
            if first.has_other_ports && row.source_port.is_none() && row.destination_port.is_none() {
                report(Column::Message, RowFaultKind::PortsMissing { first_line });
            }
            return;
        };
        let is_same = [first.ports[sender] == source_port, first.ports[receiver] == destination_port];
        if is_same == [true, true] {
            return;
        }
        if first.ports[sender] == destination_port && first.ports[receiver] == source_port {
            report(Column::SrcPort, RowFaultKind::PortsReversed { source_port, destination_port, first_line });
            return;
        }
        first.has_other_ports = true;
        if is_same == [false, false] {
            report(Column::SrcPort, RowFaultKind::PortsContradict { source_port, destination_port, first_line });
        }
    }

    fn check_id(&mut self, id: &MessageId, report: &mut FaultSink<'_>) {
        match self.ids.insert(id) {
            IdStatus::New => {}
            IdStatus::Repeated => {
                let id = Excerpt::new(&id.to_string());
                report(Column::MsgId, RowFaultKind::DuplicateId { id });
            }
            IdStatus::NotRemembered if self.has_reported_forgotten_ids => {}
            IdStatus::NotRemembered => {
                self.has_reported_forgotten_ids = true;
                report(Column::MsgId, RowFaultKind::IdsForgotten { max: IDS_REMEMBERED });
            }
        }
    }
}

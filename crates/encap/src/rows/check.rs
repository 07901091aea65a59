//! Checks across rows.
//!
//! Memory grows with the number of apps and pairs, both bounded, not with the number of rows.

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

/// The state of the checks across rows.
#[derive(Debug, Default)]
pub(super) struct RowChecker {
    /// Every spelling of an app: `::1` and `0::1` are two spellings of one app.
    by_spelling: HashMap<Arc<str>, AppIndex>,
    apps: Vec<KnownApp>,
    /// Keyed by both apps, the lower index first.
    pairs: HashMap<(AppIndex, AppIndex), PairHistory>,
    ids: SeenIds,
    ids_forgotten: bool,
    previous: Option<(Timestamp, u64)>,
}

#[derive(Debug)]
struct KnownApp {
    app: App,
    /// IP version, 4 or 6: of the app's address, or of the addresses that it exchanged messages with.
    version: Option<u8>,
}

#[derive(Debug, Default)]
struct PairHistory {
    /// Whether the lower-indexed app has sent, and whether the higher-indexed one has.
    sent: [bool; 2],
    /// The first ports of the pair.
    ports: Option<FirstPorts>,
}

#[derive(Debug)]
struct FirstPorts {
    /// Port of the lower-indexed app, then of the higher-indexed one.
    ports: [u16; 2],
    line: u64,
    /// Other ports were used since.
    varied: bool,
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
    pub(super) fn is_first(&self) -> bool {
        self.previous.is_none()
    }

    /// Checks a row against the rows before it. Passes each fault to `fault`.
    pub(super) fn check(&mut self, row: &IndexedRow<'_>, fault: &mut FaultSink<'_>) {
        let source = self.app(row.source);
        if source.address().is_some_and(|address| !may_send(address)) {
            fault(Column::SrcApp, RowFaultKind::SenderIsGroup { found: Excerpt::of_app(source) });
        }
        if row.source == row.destination {
            fault(Column::DstApp, RowFaultKind::SelfTalk { app: Excerpt::of_app(source) });
        } else {
            self.check_versions(row.source, row.destination, fault);
            self.check_pair(row, fault);
        }
        self.check_id(row.number, fault);
        if let Some((previous, previous_line)) = self.previous.replace((row.time, row.line))
            && row.time < previous
        {
            fault(Column::Timestamp, RowFaultKind::TimeBackwards { previous, previous_line });
        }
        match row.message.len() {
            0 => fault(Column::Message, RowFaultKind::EmptyMessage),
            bytes if bytes > LARGE_MESSAGE_BYTES => {
                fault(Column::Message, RowFaultKind::LargeMessage { bytes });
            }
            _ => {}
        }
    }

    /// Checks that an app uses one IP version. A name takes the version of its peers' addresses.
    fn check_versions(&mut self, source: AppIndex, destination: AppIndex, fault: &mut FaultSink<'_>) {
        match (self.apps[source].version, self.apps[destination].version) {
            (Some(version), Some(other)) if version != other => {
                let [app, peer] = [source, destination].map(|index| Excerpt::of_app(&self.apps[index].app));
                fault(Column::DstApp, RowFaultKind::MixedVersions { app, version, peer });
            }
            (None, version @ Some(_)) => self.apps[source].version = version,
            (version @ Some(_), None) => self.apps[destination].version = version,
            _ => {}
        }
    }

    fn check_pair(&mut self, row: &IndexedRow<'_>, fault: &mut FaultSink<'_>) {
        let (source, destination) = (row.source, row.destination);
        let key = (source.min(destination), source.max(destination));
        if self.pairs.len() >= PAIRS_MAX && !self.pairs.contains_key(&key) {
            fault(Column::DstApp, RowFaultKind::TooManyPairs { max: PAIRS_MAX });
            return;
        }
        let pair = self.pairs.entry(key).or_default();
        // 0 if the lower-indexed app sends, 1 if the higher-indexed one does.
        let sender = usize::from(source > destination);
        let receiver = 1 - sender;
        if !pair.sent[receiver] && row.protocol.is_response(row.message, row.source_port, row.destination_port) {
            fault(Column::Message, RowFaultKind::EarlyResponse { from: Excerpt::of_app(&self.apps[source].app) });
        }
        pair.sent[sender] = true;

        let Some(first) = &mut pair.ports else {
            if let (Some(from), Some(to)) = (row.source_port, row.destination_port) {
                let ports = if sender == 0 { [from, to] } else { [to, from] };
                pair.ports = Some(FirstPorts { ports, line: row.line, varied: false });
            }
            return;
        };
        let first_line = first.line;
        let (Some(source_port), Some(destination_port)) = (row.source_port, row.destination_port) else {
            if first.varied && row.source_port.is_none() && row.destination_port.is_none() {
                fault(Column::Message, RowFaultKind::PortsMissing { first_line });
            }
            return;
        };
        let same = [first.ports[sender] == source_port, first.ports[receiver] == destination_port];
        if same == [true, true] {
            return;
        }
        if first.ports[sender] == destination_port && first.ports[receiver] == source_port {
            fault(Column::SrcPort, RowFaultKind::PortsReversed { source_port, destination_port, first_line });
            return;
        }
        first.varied = true;
        if same == [false, false] {
            fault(Column::SrcPort, RowFaultKind::PortsContradict { source_port, destination_port, first_line });
        }
    }

    fn check_id(&mut self, id: &MessageId, fault: &mut FaultSink<'_>) {
        match self.ids.insert(id) {
            IdStatus::New => {}
            IdStatus::Repeated => {
                let id = Excerpt::new(&id.to_string());
                fault(Column::MsgId, RowFaultKind::DuplicateId { id });
            }
            IdStatus::NotRemembered if self.ids_forgotten => {}
            IdStatus::NotRemembered => {
                self.ids_forgotten = true;
                fault(Column::MsgId, RowFaultKind::IdsForgotten { max: IDS_REMEMBERED });
            }
        }
    }
}

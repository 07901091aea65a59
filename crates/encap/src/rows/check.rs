//! What shows only when rows are seen together.
//!
//! Memory follows the number of apps and of pairs, both bounded, never the number of rows.

use std::sync::Arc;

// Its hash takes a fraction of the standard one's time, and each row asks three times.
use hashbrown::HashMap;

use super::app::{App, AppError, may_send};
use super::column::Column;
use super::fault::{Excerpt, FaultKind};
use super::ids::{IDS_REMEMBERED, IdStatus, SeenIds};
use super::{AppProtocol, MessageId, RowRef};
use crate::time::Timestamp;

/// How many ways to write apps are told apart.
pub const APPS_MAX: usize = 1 << 16;

/// How many pairs of apps are told apart.
pub const PAIRS_MAX: usize = 1 << 18;

/// Messages above this are worth a note, in bytes.
const LARGE_MESSAGE_BYTES: usize = 1024 * 1024;

/// An app that was seen, by the order in which it was.
pub(super) type AppIndex = usize;

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct RowChecker {
    /// Each way in which an app is written: `::1` and `0::1` are two ways, and one app.
    by_spelling: HashMap<Arc<str>, AppIndex>,
    apps: Vec<KnownApp>,
    /// By the two apps, the lower index first.
    pairs: HashMap<(AppIndex, AppIndex), PairHistory>,
    ids: SeenIds,
    ids_forgotten: bool,
    previous: Option<(Timestamp, u64)>,
}

#[derive(Debug)]
struct KnownApp {
    app: App,
    /// 4 or 6: that of its address, or of the addresses that it talks to.
    version: Option<u8>,
}

#[derive(Debug, Default)]
struct PairHistory {
    /// Whether the lower, and the higher, of the two has sent.
    sent: [bool; 2],
    /// The first ports that were given.
    ports: Option<FirstPorts>,
}

#[derive(Debug)]
struct FirstPorts {
    /// The lower app's, and the higher app's.
    ports: [u16; 2],
    line: u64,
    /// Other ports were given since.
    several: bool,
}

/// A row whose apps are known by their indices.
#[derive(Debug)]
pub(super) struct CheckedRow<'a> {
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

impl<'a> CheckedRow<'a> {
    pub(super) fn row(self, check: &'a RowChecker) -> RowRef<'a> {
        RowRef {
            number: self.number,
            line: self.line,
            protocol: self.protocol,
            source: check.app(self.source),
            destination: check.app(self.destination),
            source_port: self.source_port,
            destination_port: self.destination_port,
            message: self.message,
            time: self.time,
        }
    }
}

/// Where a fault is put: on a column of the row, and what.
pub(super) type FieldFault = (Column, FaultKind);

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

    /// The app that `text` names, known from now on.
    pub(super) fn admit(&mut self, text: &str) -> Result<AppIndex, FaultKind> {
        if let Some(&index) = self.by_spelling.get(text) {
            return Ok(index);
        }
        let app = text.parse().map_err(|error: AppError| FaultKind::App { found: Excerpt::new(text), error })?;
        let canonical: Arc<str> = match &app {
            App::Name(name) => Arc::clone(name),
            App::Address(address) => address.to_string().into(),
        };
        if self.by_spelling.len() + 2 > APPS_MAX {
            return Err(FaultKind::TooManyApps { max: APPS_MAX });
        }
        let version = app.address().map(|address| if address.is_ipv4() { 4 } else { 6 });
        let index = *self.by_spelling.entry(canonical).or_insert(self.apps.len());
        if index == self.apps.len() {
            self.apps.push(KnownApp { app, version });
        }
        self.by_spelling.entry(text.into()).or_insert(index);
        Ok(index)
    }

    /// The first number from `place` on that no row has so far.
    pub(super) fn free_id(&self, place: u64) -> u64 {
        self.ids.free(place)
    }

    /// Whether no row was held against others so far.
    pub(super) fn is_first(&self) -> bool {
        self.previous.is_none()
    }

    /// Holds a row against those before it, and appends what shows.
    pub(super) fn row(&mut self, row: &CheckedRow<'_>, findings: &mut Vec<FieldFault>) {
        let source = self.app(row.source);
        if source.address().is_some_and(|address| !may_send(address)) {
            findings.push((Column::SrcApp, FaultKind::SenderIsGroup { found: Excerpt::of_app(source) }));
        }
        if row.source == row.destination {
            findings.push((Column::DstApp, FaultKind::SelfTalk { app: Excerpt::of_app(source) }));
        } else {
            self.versions(row.source, row.destination, findings);
            self.pair(row, findings);
        }
        self.id(row.number, findings);
        if let Some((previous, previous_line)) = self.previous.replace((row.time, row.line))
            && row.time < previous
        {
            findings.push((Column::Timestamp, FaultKind::TimeBackwards { previous, previous_line }));
        }
        match row.message.len() {
            0 => findings.push((Column::Message, FaultKind::EmptyMessage)),
            bytes if bytes > LARGE_MESSAGE_BYTES => {
                findings.push((Column::Message, FaultKind::LargeMessage { bytes }));
            }
            _ => {}
        }
    }

    /// A name is of the version of the addresses that it talks to, and of one version only.
    fn versions(&mut self, source: AppIndex, destination: AppIndex, findings: &mut Vec<FieldFault>) {
        match (self.apps[source].version, self.apps[destination].version) {
            (Some(version), Some(other)) if version != other => {
                let [app, peer] = [source, destination].map(|index| Excerpt::of_app(&self.apps[index].app));
                findings.push((Column::DstApp, FaultKind::MixedVersions { app, version, peer }));
            }
            (None, version @ Some(_)) => self.apps[source].version = version,
            (version @ Some(_), None) => self.apps[destination].version = version,
            _ => {}
        }
    }

    fn pair(&mut self, row: &CheckedRow<'_>, findings: &mut Vec<FieldFault>) {
        let (source, destination) = (row.source, row.destination);
        let key = (source.min(destination), source.max(destination));
        if self.pairs.len() >= PAIRS_MAX && !self.pairs.contains_key(&key) {
            findings.push((Column::DstApp, FaultKind::TooManyPairs { max: PAIRS_MAX }));
            return;
        }
        let pair = self.pairs.entry(key).or_default();
        // Which of the two sends: 0 the lower, 1 the higher.
        let sender = usize::from(source > destination);
        let receiver = 1 - sender;
        if !pair.sent[receiver] && row.protocol.is_response(row.message, row.source_port, row.destination_port) {
            findings
                .push((Column::Message, FaultKind::EarlyResponse { from: Excerpt::of_app(&self.apps[source].app) }));
        }
        pair.sent[sender] = true;

        let Some(first) = &mut pair.ports else {
            if let (Some(from), Some(to)) = (row.source_port, row.destination_port) {
                let ports = if sender == 0 { [from, to] } else { [to, from] };
                pair.ports = Some(FirstPorts { ports, line: row.line, several: false });
            }
            return;
        };
        let first_line = first.line;
        let (Some(source_port), Some(destination_port)) = (row.source_port, row.destination_port) else {
            if first.several && row.source_port.is_none() && row.destination_port.is_none() {
                findings.push((Column::Message, FaultKind::PortsMissing { first_line }));
            }
            return;
        };
        let same = [first.ports[sender] == source_port, first.ports[receiver] == destination_port];
        if same == [true, true] {
            return;
        }
        if first.ports[sender] == destination_port && first.ports[receiver] == source_port {
            findings.push((Column::SrcPort, FaultKind::PortsReversed { source_port, destination_port, first_line }));
            return;
        }
        first.several = true;
        if same == [false, false] {
            findings.push((Column::SrcPort, FaultKind::PortsContradict { source_port, destination_port, first_line }));
        }
    }

    fn id(&mut self, id: &MessageId, findings: &mut Vec<FieldFault>) {
        match self.ids.insert(id) {
            IdStatus::New => {}
            IdStatus::Repeated => {
                let id = Excerpt::new(&id.to_string());
                findings.push((Column::MsgId, FaultKind::DuplicateId { id }));
            }
            IdStatus::NotRemembered if self.ids_forgotten => {}
            IdStatus::NotRemembered => {
                self.ids_forgotten = true;
                findings.push((Column::MsgId, FaultKind::IdsForgotten { max: IDS_REMEMBERED }));
            }
        }
    }
}

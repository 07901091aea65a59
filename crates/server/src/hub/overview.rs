//! The operator's view of the sessions and of the stored state. Each look takes the lock for a bounded part only.

use std::sync::Arc;

use switchboard_core::{SessionId, SessionKind, SessionSummary, StoredCounts};

use super::Hub;
use crate::outbox::Outbox;

/// Number of sessions that are looked at under one lock: some tens of microseconds.
const SESSIONS_AT_ONCE: usize = 256;

/// Number of conversations that are looked at under one lock.
const CONVERSATIONS_AT_ONCE: usize = 4096;

/// A session, as the operator sees it.
#[derive(Debug)]
pub(crate) struct SessionRow {
    pub(crate) id: SessionId,
    pub(crate) summary: SessionSummary,
    pub(crate) outbox: Arc<Outbox>,
}

/// Numbers of open sessions, and of the bytes in their outboxes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct SessionCounts {
    /// By dialect (commands, line), and by kind (without a name, guest, account).
    pub(crate) by_kind: [[u64; 3]; 2],
    pub(crate) unsent_bytes: u64,
    /// The largest outbox.
    pub(crate) unsent_bytes_max: u64,
}

impl SessionCounts {
    /// Number of sessions of a kind.
    pub(crate) fn of_kind(&self, kind: SessionKind) -> u64 {
        self.by_kind.iter().map(|kinds| kinds[kind as usize]).sum()
    }
}

impl Hub {
    /// The next sessions after `last`, in the order of their ids, at most some hundred. Empty at the end.
    pub(crate) fn session_rows_after(&self, last: Option<SessionId>) -> Vec<SessionRow> {
        let state = self.lock();
        let next = state.outboxes.iter().filter(|(id, _)| last.is_none_or(|last| last < *id));
        let rows = next.filter_map(|(id, outbox)| {
            let summary = state.board.session_summary(id)?;
            Some(SessionRow { id, summary, outbox: Arc::clone(outbox) })
        });
        rows.take(SESSIONS_AT_ONCE).collect()
    }

    /// Counts the open sessions.
    pub(crate) fn session_counts(&self) -> SessionCounts {
        let mut counts = SessionCounts::default();
        let mut last = None;
        loop {
            let state = self.lock();
            let mut end = None;
            let next = state.outboxes.iter().filter(|(id, _)| last.is_none_or(|last| last < *id));
            for (id, outbox) in next.take(SESSIONS_AT_ONCE) {
                end = Some(id);
                if state.board.session(id).is_some() {
                    counts.by_kind[outbox.dialect() as usize][state.board.session_kind(id) as usize] += 1;
                }
                let unsent_bytes = outbox.unsent_bytes() as u64;
                counts.unsent_bytes += unsent_bytes;
                counts.unsent_bytes_max = counts.unsent_bytes_max.max(unsent_bytes);
            }
            if end.is_none() {
                return counts;
            }
            last = end;
        }
    }

    /// How many accounts and conversations there are.
    pub(crate) fn stored_counts(&self) -> StoredCounts {
        self.lock().board.stored_counts()
    }

    /// How many records are stored.
    pub(crate) fn stored_records(&self) -> u64 {
        let (mut records, mut last) = (0, None);
        while let Some((more, end)) = self.lock().board.stored_records_after(last, CONVERSATIONS_AT_ONCE) {
            records += more;
            last = Some(end);
        }
        records
    }
}

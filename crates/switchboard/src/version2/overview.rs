//! The operator's view: one session, and how much is stored.

use crate::board::Switchboard;
use crate::change::{AccountId, ConversationId};
use crate::session::SessionId;

/// What the core knows of a session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SessionSummary {
    /// Its name, if it has registered or logged in.
    pub name: Option<String>,
    /// Whether it speaks version 2.
    pub is_version2: bool,
    /// Its account, and the name of its device. `None` for a guest.
    pub account: Option<(AccountId, String)>,
    /// Number of durable records of its open conversations that it was not sent yet.
    pub lag: u64,
}

/// The kind of a session.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SessionKind {
    /// It has no name yet.
    Unregistered,
    /// It has a name, and no account.
    Guest,
    /// It is a device of an account.
    Account,
}

/// How much the core knows. All of these are counted at any time, so the count costs nothing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct StoredCounts {
    /// Number of accounts.
    pub accounts: usize,
    /// Number of rooms.
    pub rooms: usize,
    /// Number of direct conversations.
    pub directs: usize,
}

impl Switchboard {
    /// What the core knows of a session, unless it was removed.
    #[must_use]
    pub fn session_summary(&self, id: SessionId) -> Option<SessionSummary> {
        let session = self.sessions.get(id)?;
        let state = self.version2.sessions.get(&id);
        let account = self.account_of(id);
        let account = account.map(|account| (account, self.device_name(id).unwrap_or_default().to_owned()));
        let lag = state.iter().flat_map(|state| &state.open).map(|conversation| self.view_lag(id, *conversation)).sum();
        Some(SessionSummary { name: session.name().map(str::to_owned), is_version2: state.is_some(), account, lag })
    }

    /// The kind of a session.
    #[must_use]
    pub fn session_kind(&self, id: SessionId) -> SessionKind {
        if self.account_of(id).is_some() {
            SessionKind::Account
        } else if self.sessions.get(id).is_some_and(crate::Session::is_registered) {
            SessionKind::Guest
        } else {
            SessionKind::Unregistered
        }
    }

    /// How many accounts and conversations there are.
    #[must_use]
    pub fn stored_counts(&self) -> StoredCounts {
        let ledger = &self.version2.ledger;
        let rooms = ledger.room_count();
        StoredCounts { accounts: ledger.accounts.len(), rooms, directs: ledger.conversations.len() - rooms }
    }

    /// The stored records of the next conversations after `last`, at most `max` of them, and the last of these. `None` if
    /// there are no more.
    #[must_use]
    pub fn stored_records_after(&self, last: Option<ConversationId>, max: usize) -> Option<(u64, ConversationId)> {
        let mut end = None;
        let mut records = 0;
        for (&id, conversation) in self.version2.ledger.conversations_from(last).take(max) {
            records += (conversation.durable + 1).saturating_sub(conversation.first_for_readers());
            end = Some(id);
        }
        end.map(|end| (records, end))
    }

    /// The name of the device that a session is, if it is one of an account.
    pub(crate) fn device_name(&self, id: SessionId) -> Option<&str> {
        let (account, device) = self.version2.sessions.get(&id)?.device?;
        Some(self.version2.ledger.accounts.get(account)?.devices.get(&device)?.name.as_str())
    }

    fn view_lag(&self, session: SessionId, conversation: ConversationId) -> u64 {
        let conversation = self.version2.ledger.conversations.get(&conversation);
        let viewer = conversation.and_then(|conversation| Some((conversation, conversation.viewers.get(&session)?)));
        viewer.map_or(0, |(conversation, viewer)| (conversation.durable + 1).saturating_sub(viewer.next))
    }
}

//! One conversation: its numbers, its members, and the sessions that have it open.

use std::collections::{BTreeMap, HashMap};

use crate::change::{
    AccountId, ConversationKind, DeviceId, Epoch, GuestAccess, LastSent, Link, Person, RoomSettings, Sanction,
    SanctionKind, Standing, StoredConversation, TokenHash, UnixMillis,
};
use crate::members::Members;
use crate::reads::Ticket;
use crate::session::SessionId;

/// A conversation, without its records.
#[derive(Debug)]
pub(crate) struct Conversation {
    pub(crate) kind: ConversationKind,
    pub(crate) epoch: Epoch,
    pub(crate) settings: RoomSettings,
    /// The number of the first record that is not expired.
    pub(crate) first: u64,
    /// The number of the last record. Readers hear only of records up to `durable`.
    pub(crate) last: u64,
    /// The number of the last record that the store has.
    pub(crate) durable: u64,
    /// The accounts with a place in the conversation.
    pub(crate) members: Members,
    /// The sanctions of its moderators, besides the standings.
    pub(crate) sanctions: BTreeMap<Person, Sanction>,
    /// Its join links, by the hashes of their words.
    pub(crate) links: BTreeMap<TokenHash, Link>,
    /// In slow mode: when each person has written last. Older times than the slow mode needs may be missing.
    pub(crate) last_said: HashMap<Person, UnixMillis>,
    /// For each device that has sent numbered records: the last of them.
    pub(crate) sent: HashMap<DeviceId, LastSent>,
    /// The sessions that have the conversation open.
    pub(crate) viewers: BTreeMap<SessionId, Viewer>,
    /// The place among the vacant rooms, if this is one.
    pub(crate) vacancy: Option<u64>,
}

/// A session that has a conversation open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Viewer {
    /// The number of the next record to send.
    pub(crate) next: u64,
    pub(crate) progress: Progress,
    /// Whether `LIVE` follows once the viewer has caught up.
    pub(crate) is_opening: bool,
}

/// From where a viewer gets its records.
///
/// ```text
///        outbox has no room        outbox has room           all records sent
/// Live ─────────────────────▶ Behind ───────────────▶ Reading ────────────────▶ Live
///                               ▲────────────────────────┘ outbox has no room
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Progress {
    /// It has all durable records, and gets each new one as it becomes durable.
    Live,
    /// Its records are being read from the store.
    Reading(Ticket),
    /// It has missed records. They are read from the store as soon as its outbox has room.
    Behind,
}

impl Conversation {
    pub(crate) fn new(kind: ConversationKind, epoch: Epoch, settings: RoomSettings) -> Self {
        Self {
            kind,
            epoch,
            settings,
            first: 1,
            last: 0,
            durable: 0,
            members: Members::default(),
            sanctions: BTreeMap::new(),
            links: BTreeMap::new(),
            last_said: HashMap::new(),
            sent: HashMap::new(),
            viewers: BTreeMap::new(),
            vacancy: None,
        }
    }

    /// A conversation of a store. Nobody has it open.
    pub(crate) fn load(stored: StoredConversation) -> Self {
        Self {
            kind: stored.kind,
            epoch: stored.epoch,
            settings: stored.settings,
            first: stored.first,
            last: stored.last,
            durable: stored.last,
            members: stored.members.into_iter().collect(),
            sanctions: stored.sanctions.into_iter().collect(),
            links: stored.links.into_iter().collect(),
            last_said: HashMap::new(),
            sent: stored.sent.into_iter().collect(),
            viewers: BTreeMap::new(),
            vacancy: None,
        }
    }

    /// The rights of `account` here. `None` without an account, or without a place in the conversation.
    pub(crate) fn standing(&self, account: Option<AccountId>) -> Option<Standing> {
        self.members.get(&account?).map(|member| member.standing)
    }

    /// Whether `account`, or a guest that is not banned, may read the records.
    pub(crate) fn may_read(&self, account: Option<AccountId>) -> bool {
        match self.standing(account) {
            Some(standing) if standing.is_member() => true,
            Some(Standing::Banned) => false,
            _ => self.settings.guests != GuestAccess::None && self.is_room(),
        }
    }

    /// Whether `account`, or a guest that is not banned, may add messages.
    pub(crate) fn may_write(&self, account: Option<AccountId>) -> bool {
        match self.standing(account) {
            Some(standing) if standing.is_member() => true,
            Some(Standing::Banned) => false,
            _ => self.settings.guests == GuestAccess::Write && self.is_room(),
        }
    }

    /// Whether a person has a sanction of this kind.
    pub(crate) fn has_sanction(&self, person: &Person, kind: SanctionKind) -> bool {
        self.sanctions.get(person).is_some_and(|sanction| sanction.kind == kind)
    }

    /// The number of the first record for readers. Later ones may be on their way to the store, and older ones may expire
    /// with them.
    pub(crate) fn first_for_readers(&self) -> u64 {
        self.first.min(self.durable + 1)
    }

    pub(crate) fn is_room(&self) -> bool {
        matches!(self.kind, ConversationKind::Room { .. })
    }

    /// Whether it is a room without members.
    pub(crate) fn is_memberless(&self) -> bool {
        self.is_room() && self.members.member_count() == 0
    }

    /// Whether it is a room without members in which nobody reads.
    pub(crate) fn is_vacant(&self) -> bool {
        self.is_memberless() && self.viewers.is_empty() && !self.settings.is_audit_log
    }

    /// Whether it is a room that nobody can join any more, because no member can invite anybody.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.is_memberless() && self.settings.is_invite_only && !self.settings.is_audit_log
    }

    /// The other account of a direct conversation.
    pub(crate) fn other(&self, account: AccountId) -> Option<AccountId> {
        self.kind.other(account)
    }
}

impl ConversationKind {
    /// The other account of a direct conversation.
    pub(crate) fn other(&self, account: AccountId) -> Option<AccountId> {
        match *self {
            Self::Room { .. } => None,
            Self::Direct([first, second]) => Some(if first == account { second } else { first }),
        }
    }
}

impl Standing {
    /// Whether the account hears the conversation and may write.
    pub(crate) fn is_member(self) -> bool {
        matches!(self, Self::Member | Self::Moderator | Self::Owner)
    }

    /// Whether the account may remove records and members.
    pub(crate) fn is_moderator(self) -> bool {
        matches!(self, Self::Moderator | Self::Owner)
    }
}

//! Changes to the stored state: the core decides on them, and a store keeps them.

use std::fmt;
use std::sync::Arc;

use switchboard_protocol::IpPrefix;

/// Identifies an account. No later account gets the same id.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AccountId(pub u64);

/// Identifies a device of an account. No later device gets the same id.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DeviceId(pub u64);

/// Identifies a conversation. No later conversation gets the same id, also not a room of the same name.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConversationId(pub u64);

/// The epoch of a conversation: an opaque word that never recurs. It is drawn at random.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Epoch(pub u64);

/// A time in milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UnixMillis(pub u64);

impl fmt::Display for Epoch {
    /// Writes the word on the wire: 13 letters and digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let digits: [u8; 13] = std::array::from_fn(|index| DIGITS[usize_from_low_bits(self.0 >> (60 - 5 * index))]);
        f.write_str(std::str::from_utf8(&digits).unwrap_or_default())
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epoch({self})")
    }
}

/// The value of the five low bits.
fn usize_from_low_bits(bits: u64) -> usize {
    usize::from((bits & 0x1f) as u8)
}

/// The proof by which an account is recognized. A store keeps it as it is; it never holds a password.
#[derive(Clone, Eq, PartialEq)]
pub enum Credential {
    /// A password, hashed with its salt: a string in the PHC format (`$argon2id$…`).
    Password(String),
    /// The 32 bytes of an Ed25519 public key.
    Key([u8; 32]),
}

impl fmt::Debug for Credential {
    /// Writes only the kind, because the rest would help somebody who guesses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password(…)",
            Self::Key(_) => "Key(…)",
        })
    }
}

/// The SHA-256 hash of a device token, or of the word of a join link. Both are random, so their hash needs no salt.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
pub struct TokenHash(pub [u8; 32]);

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

/// The kind of a conversation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ConversationKind {
    /// A room.
    Room {
        /// The name as its creator spelled it, with `#`.
        name: String,
    },
    /// A conversation of two accounts. The lower id comes first.
    Direct([AccountId; 2]),
}

/// The settings of a room.
#[derive(Clone, Debug, Eq, PartialEq, Default)]
pub struct RoomSettings {
    /// The topic, or an empty string.
    pub topic: String,
    /// Only invited accounts may join.
    pub is_invite_only: bool,
    /// The rights of guests.
    pub guests: GuestAccess,
    /// Records older than this many days expire. `None`: never.
    pub keep_days: Option<u32>,
    /// Older records than the newest `keep_records` expire. `None`: never.
    pub keep_records: Option<u64>,
    /// Slow mode: the seconds between two messages of one person. `None`: off.
    pub slow_seconds: Option<u32>,
    /// The room is the audit log, in which the server writes. It never changes.
    pub is_audit_log: bool,
}

/// The rights of guests in a room.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum GuestAccess {
    /// Guests may neither read nor write.
    #[default]
    None,
    /// Guests may read.
    Read,
    /// Guests may read and write.
    Write,
}

/// The place of an account in a conversation.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Member {
    /// The rights of the account.
    pub standing: Standing,
    /// The read marker: the account has read up to this record. 0: nothing.
    pub read: u64,
    /// The record with which the account joined, or 0.
    pub joined: u64,
    /// The invitation ends by itself at this time. `None`: never. Only of an invited account.
    pub until: Option<UnixMillis>,
}

/// The rights of an account in a conversation.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Standing {
    /// The account may not enter.
    Banned,
    /// The account may join, and is not a member yet.
    Invited,
    /// A member.
    #[default]
    Member,
    /// A member who may remove records and other members.
    Moderator,
    /// A member who may change everything. A room has one.
    Owner,
}

/// Somebody in a room, as its moderators name people.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Person {
    /// An account.
    Account(AccountId),
    /// All guests of this name, in its folded form.
    Guest(Box<str>),
}

/// A sanction in a room, besides the standing of an account.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sanction {
    /// The kind.
    pub kind: SanctionKind,
    /// The sanction ends by itself at this time. `None`: never.
    pub until: Option<UnixMillis>,
}

/// The kind of a sanction.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum SanctionKind {
    /// A guest may not enter. (A banned account has the standing [`Banned`](Standing::Banned) instead.)
    Banned,
    /// The person may not write.
    Muted,
}

/// A join link of a room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Link {
    /// The link ends by itself at this time. `None`: never.
    pub until: Option<UnixMillis>,
    /// How many more accounts may join by it. `None`: any number.
    pub uses_left: Option<u64>,
}

/// The target of a ban of the server.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum BanTarget {
    /// Nobody may take this name, which is in its folded form, or a name that looks like it.
    Name(Box<str>),
    /// The account may not log in.
    Account(AccountId),
    /// No session is opened from these addresses.
    Addresses(IpPrefix),
}

/// A ban of the server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ban {
    /// The reason, which the person is told. It may be empty.
    pub reason: String,
    /// The ban ends by itself at this time. `None`: never.
    pub until: Option<UnixMillis>,
    /// The name of the operator, at that time.
    pub by: String,
    /// When it began.
    pub at: UnixMillis,
}

/// One record of a conversation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// The conversation.
    pub conversation: ConversationId,
    /// The number of the record in its conversation, from 1.
    pub seq: u64,
    /// When the server took it. For display only.
    pub at: UnixMillis,
    /// The account that wrote it. `None` for a guest.
    pub account: Option<AccountId>,
    /// The author's name at that time. Its records share it.
    pub author: Arc<str>,
    /// The kind, which decides the verb on the wire.
    pub kind: RecordKind,
    /// The text of a message, the new topic, or the name that the record is about. Empty if the kind needs none.
    pub text: Box<str>,
    /// The number that the author's device gave, for a record that must not be stored twice.
    pub sent: Option<Sent>,
    /// The record that redacts this one. Its text is empty then.
    pub redacted_by: Option<u64>,
}

/// The kind of a record. The numbers are stored, so a number keeps its meaning for ever.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u8)]
pub enum RecordKind {
    /// `FROM`: a message.
    Message = 1,
    /// `JOINED`: the author has become a member.
    Joined = 2,
    /// `LEFT`: the author has left.
    Left = 3,
    /// `TOPIC`: the author has set the topic, which is the text.
    Topic = 4,
    /// `INVITED`: the author has invited the account whose name is the text.
    Invited = 5,
    /// `KICKED`: the author has removed the account whose name is the text.
    Kicked = 6,
    /// `BANNED`: the author has removed the account whose name is the text, and it may not come back.
    Banned = 7,
    /// `UNBANNED`: the account whose name is the text may come back.
    Unbanned = 8,
    /// `REDACTED`: the author has emptied the records that the text names: a number, or the name of their author.
    Redacted = 9,
    /// `SET`: the author has changed a setting. The text is the setting and its value.
    Set = 10,
    /// `MUTED`: the person whose name is the text may not write. The text ends with a period, if the mute ends by itself.
    Muted = 11,
    /// `UNMUTED`: the person whose name is the text may write again.
    Unmuted = 12,
    /// `AUDIT`: the author has done something that operators should know. The text says what.
    Audit = 13,
    /// `QUOTED`: the text is a message of the author that was reported.
    Quoted = 14,
}

impl RecordKind {
    /// Every kind.
    pub const ALL: [RecordKind; 14] = [
        Self::Message,
        Self::Joined,
        Self::Left,
        Self::Topic,
        Self::Invited,
        Self::Kicked,
        Self::Banned,
        Self::Unbanned,
        Self::Redacted,
        Self::Set,
        Self::Muted,
        Self::Unmuted,
        Self::Audit,
        Self::Quoted,
    ];

    /// Whether a search finds the words of its text.
    #[must_use]
    pub fn is_searched(self) -> bool {
        matches!(self, Self::Message | Self::Topic | Self::Audit | Self::Quoted)
    }
}

/// The number `n` that a device gave to a record, and its predecessor.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sent {
    /// The device.
    pub device: DeviceId,
    /// Rises within each device and conversation.
    pub n: u64,
    /// The record of this device with the next lower `n` in this conversation, or 0. So the records of a device form a
    /// list, and looking up an old `n` needs no index.
    pub previous_seq: u64,
}

/// One change to the stored state. A store applies the changes of a batch in their order, all or none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    /// A new account.
    AccountCreated {
        /// Its id.
        account: AccountId,
        /// Its name, as its owner spelled it.
        name: String,
        /// How its owner is recognized.
        credential: Credential,
    },
    /// An account's owner is recognized by another proof from now on.
    CredentialSet {
        /// The account.
        account: AccountId,
        /// The new proof.
        credential: Credential,
    },
    /// An account is gone: its devices, memberships and read markers, too. Its records stay.
    AccountDeleted {
        /// The account.
        account: AccountId,
    },
    /// A new device of an account.
    DeviceAdded {
        /// Its id.
        device: DeviceId,
        /// Its account.
        account: AccountId,
        /// Its name, unique in its account.
        name: String,
    },
    /// A device has a new token. An earlier token is no longer valid.
    TokenSet {
        /// The device.
        device: DeviceId,
        /// The hash of the token.
        hash: TokenHash,
    },
    /// A device is gone, and its token is no longer valid.
    DeviceRemoved {
        /// The device.
        device: DeviceId,
    },
    /// An account no longer wants to hear another account, or wants to again.
    BlockSet {
        /// The account that decides.
        account: AccountId,
        /// The other account.
        blocked: AccountId,
        /// Whether it is blocked from now on.
        is_blocked: bool,
    },
    /// An account is an operator from now on, or no longer.
    OperatorSet {
        /// The account.
        account: AccountId,
        /// Whether it is one.
        is_operator: bool,
    },
    /// Somebody is banned from the server, in another way than before, or no longer.
    BanSet {
        /// The target of the sanction.
        target: BanTarget,
        /// The ban. `None`: it has ended.
        ban: Option<Ban>,
    },
    /// A new conversation without records.
    ConversationCreated {
        /// Its id.
        conversation: ConversationId,
        /// What it is.
        kind: ConversationKind,
        /// Its epoch.
        epoch: Epoch,
        /// Its settings. Those of a direct conversation are the default settings.
        settings: RoomSettings,
    },
    /// A room has new settings.
    SettingsSet {
        /// The room.
        conversation: ConversationId,
        /// All settings.
        settings: RoomSettings,
    },
    /// An account has a new place in a conversation.
    MemberSet {
        /// The conversation.
        conversation: ConversationId,
        /// The account.
        account: AccountId,
        /// Its place.
        member: Member,
    },
    /// An account has no place in a conversation any more.
    MemberRemoved {
        /// The conversation.
        conversation: ConversationId,
        /// The account.
        account: AccountId,
    },
    /// Somebody in a room has a sanction, another one, or none any more.
    SanctionSet {
        /// The room.
        conversation: ConversationId,
        /// The target of the sanction.
        person: Person,
        /// The sanction. `None`: it has ended.
        sanction: Option<Sanction>,
    },
    /// A room has a join link, a changed one, or no longer.
    LinkSet {
        /// The room.
        conversation: ConversationId,
        /// The hash of the word of the link.
        hash: TokenHash,
        /// The link. `None`: it has ended.
        link: Option<Link>,
    },
    /// A record is added at the end of its conversation. The core keeps the record, too, until it is durable.
    RecordAppended(Arc<Record>),
    /// Records lose their text, and keep their numbers.
    Redacted {
        /// The conversation.
        conversation: ConversationId,
        /// Which records.
        target: RedactTarget,
        /// The number of the record that says so. Only records below it are redacted.
        by: u64,
    },
    /// The records of a conversation below `first` are gone.
    Expired {
        /// The conversation.
        conversation: ConversationId,
        /// The first record that is left.
        first: u64,
    },
    /// A conversation is gone: its records, its members, and the numbers that devices have given in it.
    ConversationDeleted {
        /// The conversation.
        conversation: ConversationId,
    },
}

/// Which records are redacted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RedactTarget {
    /// The record of this number.
    Record(u64),
    /// All messages of this account.
    Account(AccountId),
    /// All messages of guests of this name, in this spelling.
    Guest(String),
}

/// Everything that the core keeps in memory of a store: all but the records.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Snapshot {
    /// The accounts, in order of their ids.
    pub accounts: Vec<StoredAccount>,
    /// The conversations, in order of their ids.
    pub conversations: Vec<StoredConversation>,
    /// The bans of the server, in order of their targets.
    pub bans: Vec<(BanTarget, Ban)>,
    /// The next free id of an account, a device and a conversation.
    pub next_ids: NextIds,
}

/// The next free ids. They are above all ids that were ever given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NextIds {
    /// For the next account.
    pub account: u64,
    /// For the next device.
    pub device: u64,
    /// For the next conversation.
    pub conversation: u64,
}

impl Default for NextIds {
    fn default() -> Self {
        Self { account: 1, device: 1, conversation: 1 }
    }
}

/// An account and its devices.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredAccount {
    /// Its id.
    pub account: AccountId,
    /// Its name, as its owner spelled it.
    pub name: String,
    /// How its owner is recognized.
    pub credential: Credential,
    /// Its devices, in order of their ids.
    pub devices: Vec<StoredDevice>,
    /// The accounts that it does not want to hear, in order.
    pub blocked: Vec<AccountId>,
    /// Whether it is an operator.
    pub is_operator: bool,
}

/// A device of an account.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredDevice {
    /// Its id.
    pub device: DeviceId,
    /// Its name.
    pub name: String,
    /// The hash of its token, if it has one.
    pub token: Option<TokenHash>,
}

/// A conversation, without its records.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoredConversation {
    /// Its id.
    pub conversation: ConversationId,
    /// What it is.
    pub kind: ConversationKind,
    /// Its epoch.
    pub epoch: Epoch,
    /// Its settings.
    pub settings: RoomSettings,
    /// The number of its first record, or `last + 1` if it has none.
    pub first: u64,
    /// The number of its last record so far, or 0.
    pub last: u64,
    /// When the server took the last record. 0 if there was none.
    pub last_at: UnixMillis,
    /// The accounts with a place in it, in order of their ids.
    pub members: Vec<(AccountId, Member)>,
    /// The sanctions, in order of their persons.
    pub sanctions: Vec<(Person, Sanction)>,
    /// The join links, in order of their hashes.
    pub links: Vec<(TokenHash, Link)>,
    /// For each device that has sent numbered records: its highest `n`, and the record that has it. In order of the
    /// device ids.
    pub sent: Vec<(DeviceId, LastSent)>,
}

/// The highest `n` of a device in a conversation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LastSent {
    /// The number.
    pub n: u64,
    /// The record that has it.
    pub seq: u64,
}

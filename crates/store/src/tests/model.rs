//! Property: random batches have the same effect in both homes, also after a restart.

use std::collections::BTreeMap;

use proptest::prelude::*;
use switchboard_core::change::{
    AccountId, Ban, BanTarget, Change, ConversationId, ConversationKind, Credential, DeviceId, Epoch, GuestAccess,
    LastSent, Link, Member, Person, Record, RecordKind, RedactTarget, RoomSettings, Sanction, SanctionKind, Sent,
    Standing, TokenHash, UnixMillis,
};

use super::home::{ALL, Home, account, append, device, record};
use crate::{ReadLimit, Reader};

/// A random change. It names things by an index into those that exist.
#[derive(Clone, Debug)]
enum Step {
    CreateAccount,
    SetCredential(usize, [u8; 32]),
    DeleteAccount(usize),
    AddDevice(usize),
    SetToken(usize, [u8; 32]),
    RemoveDevice(usize),
    Block(usize, usize, bool),
    CreateConversation(bool),
    SetSettings(usize, RoomSettings),
    SetMember(usize, usize, Standing, u64, Option<UnixMillis>),
    Link(usize, u8, Option<Link>),
    SetOperator(usize, bool),
    Ban(Banned, Option<Ban>),
    RemoveMember(usize, usize),
    Sanction(usize, Author, Option<Sanction>),
    Append(usize, Author, RecordKind, String),
    Redact(usize, Target),
    Expire(usize, u64),
    DeleteConversation(usize),
}

#[derive(Clone, Debug)]
enum Author {
    Guest(&'static str),
    Account(usize),
    /// A device, and the step of its `n`.
    Device(usize, u64),
}

#[derive(Clone, Debug)]
enum Banned {
    Name(&'static str),
    Account(usize),
    Addresses(&'static str),
}

#[derive(Clone, Debug)]
enum Target {
    Record(u64),
    Account(usize),
    Guest(&'static str),
}

fn step() -> impl Strategy<Value = Step> {
    let index = || any::<prop::sample::Index>().prop_map(|index| index.index(1 << 20));
    let guest = || prop::sample::select(vec!["Noy", "noy", "אליאס"]);
    let standing = prop::sample::select(vec![
        Standing::Banned,
        Standing::Invited,
        Standing::Member,
        Standing::Moderator,
        Standing::Owner,
    ]);
    let guests = prop::sample::select(vec![GuestAccess::None, GuestAccess::Read, GuestAccess::Write]);
    let slow_seconds = any::<Option<u32>>();
    let settings = (".*", any::<bool>(), guests, any::<Option<u32>>(), any::<Option<u64>>(), slow_seconds).prop_map(
        |(topic, is_invite_only, guests, keep_days, keep_records, slow_seconds)| RoomSettings {
            topic,
            is_invite_only,
            guests,
            keep_days,
            keep_records,
            slow_seconds,
            is_audit_log: false,
        },
    );
    let author = prop_oneof![
        guest().prop_map(Author::Guest),
        index().prop_map(Author::Account),
        (index(), 1..3_u64).prop_map(|(device, step)| Author::Device(device, step)),
    ];
    let until = prop::option::of((0..u64::MAX / 2).prop_map(UnixMillis));
    let banned = prop_oneof![
        guest().prop_map(Banned::Name),
        index().prop_map(Banned::Account),
        prop::sample::select(vec!["203.0.113.7/32", "2001:db8::/64"]).prop_map(Banned::Addresses),
    ];
    let ban = prop::option::of((until.clone(), ".*").prop_map(|(until, reason)| Ban {
        reason,
        until,
        by: "Noy".to_owned(),
        at: UnixMillis(7),
    }));
    let link = prop::option::of((until.clone(), prop::option::of(0..u64::MAX / 2)));
    let link = link.prop_map(|link| link.map(|(until, uses_left)| Link { until, uses_left }));
    let sanction = (prop::sample::select(vec![SanctionKind::Banned, SanctionKind::Muted]), until.clone());
    let sanction = prop::option::of(sanction.prop_map(|(kind, until)| Sanction { kind, until }));
    let subject = prop_oneof![guest().prop_map(Author::Guest), index().prop_map(Author::Account)];
    let kind = prop_oneof![4 => Just(RecordKind::Message), 1 => prop::sample::select(RecordKind::ALL.to_vec())];
    let text =
        prop::collection::vec(prop::sample::select(vec!["one", "Two", "שָׁלוֹם", "לך", "北京", "京", ".", ""]), 0..4)
            .prop_map(|words| words.join(" "));
    let target = prop_oneof![
        (0..20_u64).prop_map(Target::Record),
        index().prop_map(Target::Account),
        guest().prop_map(Target::Guest),
    ];
    prop_oneof![
        2 => Just(Step::CreateAccount),
        1 => (index(), any::<[u8; 32]>()).prop_map(|(account, key)| Step::SetCredential(account, key)),
        1 => index().prop_map(Step::DeleteAccount),
        3 => index().prop_map(Step::AddDevice),
        1 => (index(), any::<[u8; 32]>()).prop_map(|(device, hash)| Step::SetToken(device, hash)),
        1 => index().prop_map(Step::RemoveDevice),
        2 => (index(), index(), any::<bool>()).prop_map(|(account, blocked, is)| Step::Block(account, blocked, is)),
        2 => any::<bool>().prop_map(Step::CreateConversation),
        1 => (index(), settings).prop_map(|(conversation, settings)| Step::SetSettings(conversation, settings)),
        3 => (index(), index(), standing, 0..9_u64, until.clone())
            .prop_map(|(a, b, standing, read, until)| Step::SetMember(a, b, standing, read, until)),
        2 => (index(), 0..4_u8, link).prop_map(|(room, word, link)| Step::Link(room, word, link)),
        1 => (index(), index()).prop_map(|(conversation, account)| Step::RemoveMember(conversation, account)),
        2 => (index(), subject, sanction).prop_map(|(room, subject, sanction)| Step::Sanction(room, subject, sanction)),
        1 => (index(), any::<bool>()).prop_map(|(account, is_operator)| Step::SetOperator(account, is_operator)),
        2 => (banned, ban).prop_map(|(target, ban)| Step::Ban(target, ban)),
        20 => (index(), author, kind, text).prop_map(|(conversation, author, kind, text)| {
            Step::Append(conversation, author, kind, text)
        }),
        3 => (index(), target).prop_map(|(conversation, target)| Step::Redact(conversation, target)),
        2 => (index(), 0..9_u64).prop_map(|(conversation, count)| Step::Expire(conversation, count)),
        1 => index().prop_map(Step::DeleteConversation),
    ]
}

/// What the core would know, so that it decides only on changes that fit.
#[derive(Default)]
struct Core {
    accounts: Vec<u64>,
    /// Each device with its account.
    devices: Vec<(u64, u64)>,
    /// The last record of each conversation.
    conversations: Vec<(u64, u64)>,
    last_sent: BTreeMap<(u64, u64), LastSent>,
    last_id: u64,
}

/// The element at a random index, if there is any.
fn pick<T: Copy>(list: &[T], index: usize) -> Option<T> {
    (!list.is_empty()).then(|| list[index % list.len()])
}

impl Core {
    fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// The changes of a step. There are none if it names something that does not exist.
    fn decide(&mut self, step: &Step) -> Option<Vec<Change>> {
        let conversation =
            |core: &Self, index| pick(&core.conversations, index).map(|(id, last)| (ConversationId(id), last));
        Some(match step {
            Step::CreateAccount => {
                let id = self.new_id();
                self.accounts.push(id);
                vec![account(id)]
            }
            Step::SetCredential(index, key) => vec![Change::CredentialSet {
                account: AccountId(pick(&self.accounts, *index)?),
                credential: Credential::Key(*key),
            }],
            Step::DeleteAccount(index) => {
                let id = pick(&self.accounts, *index)?;
                self.accounts.retain(|known| *known != id);
                self.devices.retain(|(_, account)| *account != id);
                vec![Change::AccountDeleted { account: AccountId(id) }]
            }
            Step::AddDevice(index) => {
                let account = pick(&self.accounts, *index)?;
                let id = self.new_id();
                self.devices.push((id, account));
                vec![device(id, account)]
            }
            Step::SetToken(index, hash) => {
                let (device, _) = pick(&self.devices, *index)?;
                vec![Change::TokenSet { device: DeviceId(device), hash: TokenHash(*hash) }]
            }
            Step::RemoveDevice(index) => {
                let (device, _) = pick(&self.devices, *index)?;
                self.devices.retain(|(known, _)| *known != device);
                vec![Change::DeviceRemoved { device: DeviceId(device) }]
            }
            Step::Block(account, blocked, is_blocked) => vec![Change::BlockSet {
                account: AccountId(pick(&self.accounts, *account)?),
                blocked: AccountId(pick(&self.accounts, *blocked)?),
                is_blocked: *is_blocked,
            }],
            Step::CreateConversation(is_room) => {
                let id = self.new_id();
                self.conversations.push((id, 0));
                let kind = if *is_room {
                    ConversationKind::Room { name: format!("#{id}") }
                } else {
                    ConversationKind::Direct([AccountId(1), AccountId(2)])
                };
                let (conversation, settings) = (ConversationId(id), RoomSettings::default());
                vec![Change::ConversationCreated { conversation, kind, epoch: Epoch(u64::MAX - id), settings }]
            }
            Step::SetSettings(index, settings) => {
                let (conversation, _) = conversation(self, *index)?;
                vec![Change::SettingsSet { conversation, settings: settings.clone() }]
            }
            Step::SetMember(index, account, standing, read, until) => {
                let (conversation, _) = conversation(self, *index)?;
                let account = AccountId(pick(&self.accounts, *account)?);
                let member = Member { standing: *standing, read: *read, joined: read / 2, until: *until };
                vec![Change::MemberSet { conversation, account, member }]
            }
            Step::RemoveMember(index, account) => {
                let (conversation, _) = conversation(self, *index)?;
                vec![Change::MemberRemoved { conversation, account: AccountId(pick(&self.accounts, *account)?) }]
            }
            Step::SetOperator(..) | Step::Ban(..) | Step::Link(..) | Step::Sanction(..) => vec![self.moderate(step)?],
            Step::Append(index, author, kind, text) => vec![append(self.record(*index, author, *kind, text)?)],
            Step::Redact(index, target) => {
                let (conversation, _) = conversation(self, *index)?;
                let target = match target {
                    Target::Record(seq) => RedactTarget::Record(*seq),
                    Target::Account(account) => RedactTarget::Account(AccountId(pick(&self.accounts, *account)?)),
                    Target::Guest(name) => RedactTarget::Guest((*name).to_owned()),
                };
                let by = self.record(*index, &Author::Guest("moderator"), RecordKind::Redacted, "")?;
                let redacted = Change::Redacted { conversation, target, by: by.seq };
                vec![append(by), redacted]
            }
            Step::Expire(index, count) => {
                let (conversation, last) = conversation(self, *index)?;
                vec![Change::Expired { conversation, first: (last + 1).saturating_sub(*count).max(1) }]
            }
            Step::DeleteConversation(index) => {
                let (conversation, _) = conversation(self, *index)?;
                self.conversations.retain(|(known, _)| *known != conversation.0);
                vec![Change::ConversationDeleted { conversation }]
            }
        })
    }

    /// The change of a step of moderation.
    fn moderate(&self, step: &Step) -> Option<Change> {
        Some(match step {
            Step::SetOperator(index, is_operator) => {
                let account = AccountId(pick(&self.accounts, *index)?);
                Change::OperatorSet { account, is_operator: *is_operator }
            }
            Step::Ban(target, ban) => {
                let target = match target {
                    Banned::Name(name) => BanTarget::Name((*name).into()),
                    Banned::Account(account) => BanTarget::Account(AccountId(pick(&self.accounts, *account)?)),
                    Banned::Addresses(prefix) => BanTarget::Addresses(prefix.parse().unwrap()),
                };
                Change::BanSet { target, ban: ban.clone() }
            }
            Step::Link(index, word, link) => {
                let (conversation, _) = pick(&self.conversations, *index)?;
                let conversation = ConversationId(conversation);
                Change::LinkSet { conversation, hash: TokenHash([*word; 32]), link: *link }
            }
            Step::Sanction(index, subject, sanction) => {
                let (conversation, _) = pick(&self.conversations, *index)?;
                let conversation = ConversationId(conversation);
                let person = match subject {
                    Author::Guest(name) => Person::Guest((*name).into()),
                    Author::Account(account) | Author::Device(account, _) => {
                        Person::Account(AccountId(pick(&self.accounts, *account)?))
                    }
                };
                Change::SanctionSet { conversation, person, sanction: *sanction }
            }
            _ => return None,
        })
    }

    fn record(&mut self, index: usize, author: &Author, kind: RecordKind, text: &str) -> Option<Record> {
        let index = index % self.conversations.len().max(1);
        let (id, last) = self.conversations.get(index).copied()?;
        let mut new = Record { kind, ..record(id, last + 1, text) };
        match author {
            Author::Guest(name) => new.author = (*name).into(),
            Author::Account(account) => new.account = Some(AccountId(pick(&self.accounts, *account)?)),
            Author::Device(device, step) => {
                let (device, account) = pick(&self.devices, *device)?;
                new.account = Some(AccountId(account));
                let last = self.last_sent.entry((device, id)).or_insert(LastSent { n: 0, seq: 0 });
                new.sent = Some(Sent { device: DeviceId(device), n: last.n + step, previous_seq: last.seq });
                *last = LastSent { n: last.n + step, seq: new.seq };
            }
        }
        self.conversations[index].1 = new.seq;
        Some(new)
    }
}

/// Everything that can be read of a conversation.
fn read_all(reader: &mut dyn Reader, conversation: ConversationId, last: u64) -> Vec<String> {
    let few = ReadLimit { records: 3, bytes: 8 };
    let mut reads = vec![format!("{:?}", reader.records(conversation, 0..=u64::MAX, ALL))];
    for seq in 0..=last + 1 {
        reads.push(format!("{:?}", reader.records(conversation, seq..=last, few)));
        reads.push(format!("{:?}", reader.records_before(conversation, seq, few)));
    }
    for words in ["one", "two one", "שלום", "北京"] {
        reads.push(format!("{:?}", reader.search(&[conversation], words, 5)));
    }
    reads
}

fn assert_same(memory: &mut Home, sqlite: &mut Home) {
    let snapshot = memory.load();
    assert_eq!(snapshot, sqlite.load());
    let (mut in_memory, mut in_sqlite) = (memory.reader(), sqlite.reader());
    let all: Vec<_> = snapshot.conversations.iter().map(|conversation| conversation.conversation).collect();
    assert_eq!(in_memory.search(&all, "one", 9), in_sqlite.search(&all, "one", 9));
    for stored in &snapshot.conversations {
        let id = stored.conversation;
        assert_eq!(read_all(&mut *in_memory, id, stored.last), read_all(&mut *in_sqlite, id, stored.last));
        for (_, last) in &stored.sent {
            for n in 0..=last.n {
                assert_eq!(in_memory.sent_seq(id, *last, n), in_sqlite.sent_seq(id, *last, n));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn both_homes_agree(batches in prop::collection::vec((prop::collection::vec(step(), 1..12), 0..6_u8), 1..12)) {
        let (mut memory, mut sqlite) = (Home::memory(), Home::sqlite());
        let mut core = Core::default();
        for (steps, then) in &batches {
            let batch: Vec<Change> = steps.iter().filter_map(|step| core.decide(step)).flatten().collect();
            memory.commit(&batch);
            sqlite.commit(&batch);
            match then {
                0 => sqlite.store.reopen().unwrap(),
                1 => sqlite = sqlite.restart(),
                2 => drop(sqlite.store.maintain().unwrap()),
                3 => sqlite.maintain(),
                _ => {}
            }
            assert_same(&mut memory, &mut sqlite);
        }
    }
}

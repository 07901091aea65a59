//! The behaviour that all homes have in common.

use switchboard_core::SENT_KEPT;
use switchboard_core::change::{
    AccountId, Change, ConversationId, ConversationKind, Credential, DeviceId, Epoch, GuestAccess, LastSent, NextIds,
    Person, Record, RecordKind, RedactTarget, RoomSettings, Sanction, SanctionKind, Standing, TokenHash, UnixMillis,
};

use super::home::{ALL, Home, account, append, device, member, record, record_of_account, record_sent, room, seqs};
use crate::{Page, ReadLimit, StoreError};

const ROOM: ConversationId = ConversationId(1);

#[test]
fn empty_store_loads_nothing() {
    for mut home in Home::each() {
        let snapshot = home.load();
        assert_eq!(snapshot, switchboard_core::change::Snapshot::default(), "{}", home.name);
        assert_eq!(home.reader().records(ROOM, 1..=9, ALL).unwrap(), Page { first: 1, records: Vec::new() });
    }
}

#[test]
fn every_change_is_in_the_snapshot_also_after_a_restart() {
    let direct = Change::ConversationCreated {
        conversation: ConversationId(2),
        kind: ConversationKind::Direct([AccountId(1), AccountId(2)]),
        epoch: Epoch(7),
        settings: RoomSettings::default(),
    };
    let settings = RoomSettings {
        topic: "קפה".to_owned(),
        is_invite_only: true,
        guests: GuestAccess::Write,
        keep_days: Some(30),
        keep_records: Some(1000),
        slow_seconds: Some(30),
        is_audit_log: false,
    };
    let [guest, banned_guest] = ["ron", "noise"].map(|name| Person::Guest(name.into()));
    let muted = Sanction { kind: SanctionKind::Muted, until: Some(UnixMillis(1_800_000_000_000)) };
    let banned = Sanction { kind: SanctionKind::Banned, until: None };
    let sanction =
        |person: &Person, sanction| Change::SanctionSet { conversation: ROOM, person: person.clone(), sanction };
    for mut home in Home::each() {
        home.commit(&[
            account(1),
            account(2),
            account(3),
            device(1, 1),
            device(2, 1),
            device(3, 2),
            room(1),
            direct.clone(),
        ]);
        home.commit(&[
            Change::CredentialSet { account: AccountId(2), credential: Credential::Key([9; 32]) },
            Change::TokenSet { device: DeviceId(2), hash: TokenHash([5; 32]) },
            Change::BlockSet { account: AccountId(1), blocked: AccountId(3), is_blocked: true },
            Change::BlockSet { account: AccountId(1), blocked: AccountId(2), is_blocked: true },
            Change::BlockSet { account: AccountId(1), blocked: AccountId(3), is_blocked: false },
            Change::SettingsSet { conversation: ROOM, settings: settings.clone() },
            member(1, 2, Standing::Owner, 0),
            member(1, 1, Standing::Banned, 0),
            member(2, 1, Standing::Member, 0),
            append(record_sent(1, 1, u64::MAX - 1, 0)),
            append(record(1, 2, "two")),
            append(record_sent(1, 3, u64::MAX, 1)),
            member(1, 2, Standing::Owner, 3),
            sanction(&guest, Some(muted)),
            sanction(&banned_guest, Some(muted)),
            sanction(&Person::Account(AccountId(3)), Some(muted)),
            sanction(&banned_guest, Some(banned)),
            sanction(&Person::Account(AccountId(2)), Some(banned)),
            sanction(&Person::Account(AccountId(2)), None),
        ]);
        let before = home.load();
        let mut home = home.restart();
        let snapshot = home.load();
        assert_eq!(snapshot, before, "{}", home.name);

        let [first, second, third] = &snapshot.accounts[..] else { panic!("three accounts") };
        assert_eq!((first.account, first.name.as_str()), (AccountId(1), "Account1"));
        assert_eq!(second.credential, Credential::Key([9; 32]));
        assert_eq!(third.devices, []);
        assert_eq!(first.blocked, [AccountId(2)]);
        let tokens: Vec<_> = first.devices.iter().map(|device| (device.device.0, device.token)).collect();
        assert_eq!(tokens, [(1, None), (2, Some(TokenHash([5; 32])))]);

        let [lab, direct] = &snapshot.conversations[..] else { panic!("two conversations") };
        assert_eq!((&lab.settings, lab.epoch, lab.first, lab.last), (&settings, Epoch(u64::MAX - 1), 1, 3));
        let members: Vec<_> =
            lab.members.iter().map(|(account, member)| (account.0, member.standing, member.read)).collect();
        assert_eq!(members, [(1, Standing::Banned, 0), (2, Standing::Owner, 3)]);
        let of_account = (Person::Account(AccountId(3)), muted);
        assert_eq!(lab.sanctions, [of_account, (banned_guest.clone(), banned), (guest.clone(), muted)]);
        assert_eq!(lab.sent, [(DeviceId(1), LastSent { n: u64::MAX, seq: 3 })]);
        assert_eq!(direct.kind, ConversationKind::Direct([AccountId(1), AccountId(2)]));
        assert_eq!((direct.first, direct.last), (1, 0));
        assert_eq!(snapshot.next_ids, NextIds { account: 4, device: 4, conversation: 3 });
    }
}

#[test]
fn deleted_account_leaves_its_records() {
    let muted = Sanction { kind: SanctionKind::Muted, until: None };
    for mut home in Home::each() {
        home.commit(&[account(1), account(2), device(1, 1), device(2, 2), room(1)]);
        home.commit(&[
            member(1, 1, Standing::Owner, 0),
            member(1, 2, Standing::Member, 0),
            Change::BlockSet { account: AccountId(2), blocked: AccountId(1), is_blocked: true },
            Change::SanctionSet { conversation: ROOM, person: Person::Account(AccountId(1)), sanction: Some(muted) },
            append(record_sent(1, 1, 1, 0)),
            Change::AccountDeleted { account: AccountId(1) },
        ]);
        let mut home = home.restart();
        let snapshot = home.load();
        assert_eq!(snapshot.accounts.len(), 1);
        assert_eq!((snapshot.accounts[0].account, &snapshot.accounts[0].blocked[..]), (AccountId(2), &[][..]));
        let lab = &snapshot.conversations[0];
        assert_eq!((lab.members.len(), lab.members[0].0, lab.sent.len()), (1, AccountId(2), 0), "{}", home.name);
        assert_eq!(lab.sanctions, []);
        // No later account gets the same id.
        assert_eq!(snapshot.next_ids.account, 3);
        let page = home.reader().records(ROOM, 1..=1, ALL).unwrap();
        assert_eq!(page.records, [record_sent(1, 1, 1, 0)]);
    }
}

#[test]
fn deleted_conversation_is_gone_with_its_records() {
    let deleted = Change::ConversationDeleted { conversation: ROOM };
    for is_maintained in [false, true] {
        for mut home in Home::each() {
            home.commit(&[account(1), device(1, 1), room(1), room(2), member(1, 1, Standing::Owner, 0)]);
            home.commit(&[append(record_sent(1, 1, 1, 0)), append(record(1, 2, "text")), append(record(2, 1, "text"))]);
            home.maintain();
            let redaction = RedactTarget::Guest("Noy".to_owned());
            home.commit(&[
                append(record_sent(1, 3, 2, 1)),
                Change::Redacted { conversation: ROOM, target: redaction, by: 3 },
                append(record(1, 4, "text")),
                deleted.clone(),
            ]);
            if is_maintained {
                home.maintain();
            }
            let mut reader = home.reader();
            let page = reader.records(ROOM, 1..=9, ALL).unwrap();
            assert_eq!(page.records, [], "{}", home.name);
            assert_eq!(reader.records_before(ROOM, 9, ALL).unwrap().records, []);
            assert_eq!(reader.search(&[ROOM], "text", 9).unwrap().records, []);
            assert_eq!(reader.sent_seq(ROOM, LastSent { n: 2, seq: 3 }, 1), Ok(None));
            assert_eq!(seqs(&reader.records(ConversationId(2), 1..=9, ALL).unwrap().records), [1]);
            drop(reader);

            let snapshot = home.restart().load();
            let left: Vec<_> = snapshot.conversations.iter().map(|stored| stored.conversation.0).collect();
            assert_eq!(left, [2]);
            // Its id does not come back.
            assert_eq!(snapshot.next_ids.conversation, 3);
        }
    }
}

#[test]
fn removed_device_has_no_last_n() {
    for mut home in Home::each() {
        home.commit(&[account(1), device(1, 1), device(2, 1), room(1)]);
        home.commit(&[append(record_sent(1, 1, 1, 0)), Change::DeviceRemoved { device: DeviceId(1) }]);
        home.commit(&[Change::DeviceRemoved { device: DeviceId(2) }]);
        let snapshot = home.restart().load();
        assert_eq!((snapshot.accounts[0].devices.len(), snapshot.conversations[0].sent.len()), (0, 0));
        assert_eq!(snapshot.next_ids.device, 3);
    }
}

#[test]
fn records_of_every_kind_are_read_as_they_were_written() {
    let after = RecordKind::ALL.len() as u64 + 1;
    for mut home in Home::each() {
        home.commit(&[account(1), device(1, 1), room(1)]);
        let records: Vec<Record> = (1..)
            .zip(RecordKind::ALL)
            .map(|(seq, kind)| Record { kind, ..record_of_account(1, seq, "a\u{0}b 🎉 'quoted\"") })
            .chain([record(1, after, ""), record_sent(1, after + 1, 3, 7)])
            .collect();
        home.commit(&records.iter().cloned().map(append).collect::<Vec<_>>());
        let home = home.restart();
        let page = home.reader().records(ROOM, 0..=u64::MAX, ALL).unwrap();
        assert_eq!(page, Page { first: 1, records }, "{}", home.name);
    }
}

#[test]
fn reads_end_at_their_bounds() {
    for mut home in Home::each() {
        home.commit(&[room(1), room(2)]);
        home.commit(&(1..=10).map(|seq| append(record(1, seq, "12345"))).collect::<Vec<_>>());
        home.commit(&[append(record(2, 1, "other"))]);
        let mut reader = home.reader();
        for (from, to, records, bytes, expected) in [
            (1, 10, 3, 1000, vec![1, 2, 3]),
            (4, 5, 100, 1000, vec![4, 5]),
            (9, u64::MAX, 100, 1000, vec![9, 10]),
            (1, 10, 100, 10, vec![1, 2]),
            (1, 10, 100, 14, vec![1, 2]),
            // One record is returned in any case.
            (1, 10, 100, 0, vec![1]),
            (1, 10, 0, 100, vec![]),
            (11, 20, 100, 1000, vec![]),
        ] {
            let page = reader.records(ROOM, from..=to, ReadLimit { records, bytes }).unwrap();
            assert_eq!(seqs(&page.records), expected, "{}: {from} to {to}, {records}, {bytes}", home.name);
        }
        for (before, records, bytes, expected) in [
            (u64::MAX, 2, 1000, vec![9, 10]),
            (10, 3, 1000, vec![7, 8, 9]),
            (3, 100, 1000, vec![1, 2]),
            (10, 100, 14, vec![8, 9]),
            (10, 100, 0, vec![9]),
            (1, 100, 1000, vec![]),
            (0, 100, 1000, vec![]),
        ] {
            let page = reader.records_before(ROOM, before, ReadLimit { records, bytes }).unwrap();
            assert_eq!(seqs(&page.records), expected, "{}: before {before}, {records}, {bytes}", home.name);
        }
    }
}

#[test]
fn expired_records_are_gone_at_once() {
    for mut home in Home::each() {
        home.commit(&[account(1), device(1, 1), room(1)]);
        home.commit(&(1..=600).map(|seq| append(record_sent(1, seq, seq, seq - 1))).collect::<Vec<_>>());
        home.maintain();
        home.commit(&[Change::Expired { conversation: ROOM, first: 500 }]);
        let check = |home: &Home| {
            let mut reader = home.reader();
            let page = reader.records(ROOM, 1..=501, ALL).unwrap();
            assert_eq!((page.first, seqs(&page.records)), (500, vec![500, 501]), "{}", home.name);
            let page = reader.records_before(ROOM, 501, ALL).unwrap();
            assert_eq!((page.first, seqs(&page.records)), (500, vec![500]));
            let last = LastSent { n: 600, seq: 600 };
            assert_eq!(reader.sent_seq(ROOM, last, 500).unwrap(), Some(500));
            assert_eq!(reader.sent_seq(ROOM, last, 499).unwrap(), None);
            assert_eq!(seqs(&reader.search(&[ROOM], "sent", 200).unwrap().records).last(), Some(&500));
        };
        check(&home);
        home.maintain();
        check(&home);
        // A lower number changes nothing, and a conversation may lose all its records and go on.
        home.commit(&[Change::Expired { conversation: ROOM, first: 3 }]);
        check(&home);
        home.commit(&[Change::Expired { conversation: ROOM, first: 601 }]);
        home.maintain();
        let mut home = home.restart();
        let conversation = home.load().conversations.remove(0);
        assert_eq!((conversation.first, conversation.last), (601, 600));
        home.commit(&[append(record(1, 601, "next"))]);
        home.maintain();
        assert_eq!(seqs(&home.reader().records(ROOM, 0..=999, ALL).unwrap().records), [601]);
        assert_eq!(seqs(&home.reader().search(&[ROOM], "next", 9).unwrap().records), [601]);
    }
}

#[test]
fn redacted_records_keep_their_numbers() {
    let redact = |target, by| Change::Redacted { conversation: ROOM, target, by };
    for is_maintained_before in [false, true] {
        for mut home in Home::each() {
            home.commit(&[account(1), room(1)]);
            home.commit(&[
                append(record(1, 1, "guest")),
                append(record_of_account(1, 2, "account")),
                append(Record { kind: RecordKind::Joined, ..record_of_account(1, 3, "") }),
                append(Record { author: "noy".into(), ..record(1, 4, "other guest") }),
                append(Record { author: "Noy".into(), ..record_of_account(1, 5, "same name") }),
                append(record(1, 6, "alone")),
            ]);
            if is_maintained_before {
                home.maintain();
            }
            home.commit(&[
                append(record(1, 7, "who says so")),
                redact(RedactTarget::Record(6), 7),
                append(record(1, 8, "who says so")),
                redact(RedactTarget::Guest("Noy".to_owned()), 8),
                append(record(1, 9, "who says so")),
                redact(RedactTarget::Account(AccountId(1)), 9),
                // Neither this record nor later ones are redacted.
                redact(RedactTarget::Record(9), 9),
                append(record_of_account(1, 10, "later")),
            ]);
            let check = |home: &Home| {
                let page = home.reader().records(ROOM, 1..=10, ALL).unwrap();
                let state: Vec<_> = page.records.iter().map(|record| (&*record.text, record.redacted_by)).collect();
                let expected = [
                    ("", Some(8)),
                    ("", Some(9)),
                    ("", None),
                    ("other guest", None),
                    ("", Some(9)),
                    // The first redaction counts.
                    ("", Some(7)),
                    ("", Some(8)),
                    ("who says so", None),
                    ("who says so", None),
                    ("later", None),
                ];
                assert_eq!(state, expected, "{}", home.name);
                let mut reader = home.reader();
                for (words, expected) in [("alone", vec![]), ("account", vec![]), ("guest", vec![4])] {
                    assert_eq!(seqs(&reader.search(&[ROOM], words, 9).unwrap().records), expected, "{words}");
                }
            };
            check(&home);
            let mut home = home.restart();
            check(&home);
            home.maintain();
            check(&home);
        }
    }
}

#[test]
fn number_of_a_device_is_looked_up() {
    const SENT: u64 = SENT_KEPT as u64 + 100;
    for mut home in Home::each() {
        home.commit(&[account(1), device(1, 1), room(1)]);
        // The device sends only odd numbers, and every other record.
        let records = (1..=SENT).flat_map(|count| {
            let seq = 2 * count;
            [record(1, seq - 1, "between"), record_sent(1, seq, 2 * count + 1, seq.saturating_sub(2))]
        });
        home.commit(&records.map(append).collect::<Vec<_>>());
        let last = home.load().conversations[0].sent[0].1;
        assert_eq!(last, LastSent { n: 2 * SENT + 1, seq: 2 * SENT });
        let oldest = SENT - SENT_KEPT as u64 + 1;
        let mut reader = home.reader();
        for (n, expected) in [
            (last.n, Some(last.seq)),
            (last.n - 1, None),
            (last.n - 2, Some(last.seq - 2)),
            (2 * oldest + 1, Some(2 * oldest)),
            (2 * oldest - 1, None),
            (0, None),
            (last.n + 1, None),
        ] {
            assert_eq!(reader.sent_seq(ROOM, last, n).unwrap(), expected, "{}: {n}", home.name);
        }
        assert_eq!(reader.sent_seq(ConversationId(9), last, 5).unwrap(), None);
    }
}

#[test]
fn changes_that_do_not_fit_are_refused_as_a_whole() {
    let unfit = [
        ("a gap", vec![append(record(1, 3, "x"))]),
        ("a number twice", vec![append(record(1, 1, "x"))]),
        ("a gap in the batch", vec![append(record(1, 2, "x")), append(record(1, 4, "x"))]),
        ("an unknown conversation", vec![append(record(9, 1, "x"))]),
        ("an unknown device", vec![device(7, 9)]),
        ("an account twice", vec![account(1)]),
        ("a conversation twice", vec![room(1)]),
        (
            "a device name twice",
            vec![
                device(1, 1),
                Change::DeviceAdded { device: DeviceId(2), account: AccountId(1), name: "device1".to_owned() },
            ],
        ),
        ("an unknown member", vec![member(1, 9, Standing::Member, 0)]),
        ("an unknown account", vec![Change::AccountDeleted { account: AccountId(9) }]),
        ("a first record after the next one", vec![Change::Expired { conversation: ROOM, first: 3 }]),
        ("the end of an unknown conversation", vec![Change::ConversationDeleted { conversation: ConversationId(9) }]),
    ];
    for (case, batch) in unfit {
        for mut home in Home::each() {
            home.commit(&[account(1), room(1), append(record(1, 1, "one"))]);
            let before = home.load();
            let mut changes = vec![account(5)];
            changes.extend(batch.iter().cloned());
            let error = home.store.commit(&changes).unwrap_err();
            assert!(matches!(error, StoreError::Unfit { .. }), "{}: {case}: {error}", home.name);
            home.store.reopen().unwrap();
            // The store in memory begins anew, but gives no id again.
            let after = home.load();
            let is_empty = after.accounts.is_empty() && after.conversations.is_empty();
            assert!(after == before || home.directory.is_none() && is_empty, "{}: {case}: {after:?}", home.name);
            assert!(after.next_ids.account >= before.next_ids.account);
            home.commit(&[account(10)]);
        }
    }
}

#[test]
fn reader_sees_commits_after_it_was_opened() {
    for mut home in Home::each() {
        home.commit(&[room(1)]);
        let mut reader = home.reader();
        for seq in 1..=5 {
            home.commit(&[append(record(1, seq, "x"))]);
            assert_eq!(reader.records(ROOM, 1..=9, ALL).unwrap().records.len() as u64, seq);
        }
        home.store.reopen().unwrap();
        home.commit(&[append(record(1, 6, "x"))]);
        assert_eq!(reader.records(ROOM, 1..=9, ALL).unwrap().records.len(), 6, "{}", home.name);
    }
}

#[test]
fn first_record_since_a_time_is_found() {
    for mut home in Home::each() {
        home.commit(&[room(1), room(2)]);
        let times = [10, 20, 20, 30, 50, 60, 70].map(UnixMillis);
        let records = (1..).zip(times).map(|(seq, at)| Record { at, ..record(1, seq, "text") });
        home.commit(&records.map(append).collect::<Vec<_>>());
        home.commit(&[Change::Expired { conversation: ROOM, first: 2 }]);
        let mut reader = home.reader();
        for (since, expected) in [(0, 2), (20, 2), (21, 4), (30, 4), (31, 5), (70, 7), (71, 8)] {
            assert_eq!(reader.first_since(ROOM, UnixMillis(since)), Ok(expected), "{}: {since}", home.name);
        }
        assert_eq!(reader.first_since(ConversationId(2), UnixMillis(0)), Ok(1));
    }
}

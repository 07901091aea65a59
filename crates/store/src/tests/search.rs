//! Which records a search finds.

use switchboard_core::change::{Change, ConversationId, Record, RecordKind, RedactTarget};

use super::home::{Home, append, record, room, seqs};
use crate::{SqliteOptions, SqliteStore, Store, StoreError};

const ROOM: ConversationId = ConversationId(1);

#[test]
fn words_are_found_in_every_script() {
    const TEXTS: [&str; 9] = [
        "the quick brown fox",
        "The café is open",
        "שָׁלוֹם לָךְ",
        "שלום לכם",
        "我在北京工作",
        "京北",
        "東京タワーに行く",
        "مَرْحَبًا بك",
        "state-of-the-art \"quotes\" (AND) * OR",
    ];
    const SEARCHES: [(&str, &[u64]); 20] = [
        ("QUICK", &[1]),
        ("fox the", &[1]),
        ("the", &[9, 2, 1]),
        ("qui", &[]),
        ("cafe", &[2]),
        ("CAFÉ", &[2]),
        ("שלום", &[4, 3]),
        ("לך", &[3]),
        ("לָךְ", &[3]),
        ("שָׁלוֹם לכם", &[4]),
        ("北京", &[5]),
        ("京", &[7, 6, 5]),
        ("北京 工作", &[5]),
        ("京工", &[5]),
        ("タワー", &[7]),
        ("مرحبا", &[8]),
        ("state-of-the-art", &[9]),
        ("or and", &[9]),
        ("\" * ( ) -", &[]),
        ("", &[]),
    ];
    for mut home in Home::each() {
        home.commit(&[room(1)]);
        home.commit(&(1..).zip(TEXTS).map(|(seq, text)| append(record(1, seq, text))).collect::<Vec<_>>());
        // First from the records that are not indexed yet, then from the index.
        for _ in 0..2 {
            for (typed, expected) in SEARCHES {
                let found = home.reader().search(&[ROOM], typed, 64).unwrap();
                assert_eq!(seqs(&found.records), expected, "{}: {typed}", home.name);
                assert!(found.is_complete);
            }
            home.maintain();
        }
    }
}

#[test]
fn search_that_finds_just_the_maximum_is_complete() {
    for mut home in Home::each() {
        home.commit(&[room(1)]);
        let texts = ["other", "word", "word", "other"];
        home.commit(&(1..).zip(texts).map(|(seq, text)| append(record(1, seq, text))).collect::<Vec<_>>());
        // First from the records that are not indexed yet, then from the index.
        for _ in 0..2 {
            for (max, is_complete) in [(1, false), (2, true), (3, true)] {
                let found = home.reader().search(&[ROOM], "word", max).unwrap();
                assert_eq!((found.records.len(), found.is_complete), (max.min(2), is_complete), "{}", home.name);
            }
            home.maintain();
        }
    }
}

#[test]
fn search_is_limited_to_its_conversations_and_number() {
    for mut home in Home::each() {
        home.commit(&(1..=300).map(room).collect::<Vec<_>>());
        for seq in 1..=3 {
            home.commit(&(1..=300).map(|id| append(record(id, seq, "word"))).collect::<Vec<_>>());
            // A part of the records is indexed.
            if seq < 3 {
                home.maintain();
            }
        }
        let mut reader = home.reader();
        let mut find = |conversations: &[u64], max| {
            let conversations: Vec<_> = conversations.iter().copied().map(ConversationId).collect();
            let found = reader.search(&conversations, "word", max).unwrap();
            found.records.iter().map(|record| (record.conversation.0, record.seq)).collect::<Vec<_>>()
        };
        assert_eq!(find(&[7], 64), [(7, 3), (7, 2), (7, 1)], "{}", home.name);
        assert_eq!(find(&[7, 9], 64), [(9, 3), (7, 3), (9, 2), (7, 2), (9, 1), (7, 1)]);
        assert_eq!(find(&[7, 9], 3), [(9, 3), (7, 3), (9, 2)]);
        assert_eq!(find(&[], 64), []);
        assert_eq!(find(&[301], 64), []);
        // More conversations than a query of the index may have.
        let most: Vec<u64> = (1..=299).collect();
        let found = find(&most, 1000);
        assert_eq!((found.len(), found[0], found.last()), (897, (299, 3), Some(&(1, 1))));
        assert!(!found.iter().any(|(conversation, _)| *conversation == 300));
    }
}

#[test]
fn only_messages_topics_and_the_audit_log_are_searched() {
    for mut home in Home::each() {
        home.commit(&[room(1)]);
        let records = (1..).zip(RecordKind::ALL).map(|(seq, kind)| Record { kind, ..record(1, seq, "word") });
        home.commit(&records.map(append).collect::<Vec<_>>());
        for _ in 0..2 {
            assert_eq!(
                seqs(&home.reader().search(&[ROOM], "word", 64).unwrap().records),
                [14, 13, 4, 1],
                "{}",
                home.name
            );
            home.maintain();
        }
    }
}

#[test]
fn redacted_and_expired_words_leave_the_file() {
    let mut home = Home::sqlite();
    home.commit(&[room(1), room(2)]);
    home.commit(&[
        append(record(1, 1, "firstsecret")),
        append(record(1, 2, "secondsecret")),
        append(record(1, 3, "thirdsecret")),
        append(record(1, 4, "keptword")),
        append(record(2, 1, "fourthsecret")),
    ]);
    home.maintain();
    home.commit(&[
        append(record(1, 5, "")),
        Change::Redacted { conversation: ROOM, target: RedactTarget::Record(2), by: 5 },
        Change::Expired { conversation: ROOM, first: 2 },
        append(record(2, 2, "")),
        Change::Redacted { conversation: ConversationId(2), target: RedactTarget::Guest("Noy".into()), by: 2 },
    ]);
    home.maintain();
    home.commit(&[Change::Expired { conversation: ROOM, first: 4 }]);
    home.maintain();
    assert_eq!(seqs(&home.reader().search(&[ROOM], "keptword", 64).unwrap().records), [4]);
    let Home { store, directory: Some(directory), .. } = home else { panic!("SQLite has a directory") };
    let check = || {
        for entry in std::fs::read_dir(directory.path()).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let has = |word: &str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
            // FTS5 stores a word without the letters that it shares with the word before it.
            for secret in ["firstsecret", "secondsecret", "thirdsecret", "fourthsecret", "econdsecret", "ourthsecret"] {
                assert!(!has(secret), "{secret} is in {}", path.display());
            }
            assert_eq!(has("keptword"), path.extension().is_some_and(|extension| extension == "sqlite"));
        }
    };
    // Also the log of a store that stays open.
    check();
    drop(store);
    check();
}

#[test]
fn deleted_text_that_a_read_keeps_in_the_log_is_reported() {
    let Home { mut store, directory: Some(directory), .. } = Home::sqlite() else { panic!("SQLite has a directory") };
    store.commit(&[room(1), append(record(1, 1, "secret")), append(record(1, 2, ""))]).unwrap();
    while store.maintain().unwrap() {}
    let other = rusqlite::Connection::open(directory.path().join("switchboard.sqlite")).unwrap();
    store.commit(&[Change::Redacted { conversation: ROOM, target: RedactTarget::Record(1), by: 2 }]).unwrap();
    let read = other.unchecked_transaction().unwrap();
    read.query_row("SELECT count(*) FROM records", [], |row| row.get::<_, i64>(0)).unwrap();
    let error = loop {
        match store.maintain() {
            Ok(is_work_left) => assert!(is_work_left),
            Err(error) => break error,
        }
    };
    assert!(error.to_string().ends_with("a long read keeps deleted text in the log"), "{error}");
    drop(read);
    while store.maintain().unwrap() {}
    assert_eq!(directory.path().join("switchboard.sqlite-wal").metadata().unwrap().len(), 0);
}

#[test]
fn search_can_be_switched_off_and_on() {
    let directory = tempfile::tempdir().unwrap();
    let open = |search| SqliteStore::open(directory.path(), SqliteOptions { search }).unwrap();
    let mut store = open(true);
    store.commit(&[room(1), append(record(1, 1, "one word"))]).unwrap();
    while store.maintain().unwrap() {}
    drop(store);

    let mut store = open(false);
    store.commit(&[append(record(1, 2, "two word"))]).unwrap();
    assert!(!store.maintain().unwrap());
    assert_eq!(store.reader().unwrap().search(&[ROOM], "word", 9), Err(StoreError::SearchOff));
    let redacted = Change::Redacted { conversation: ROOM, target: RedactTarget::Record(1), by: 3 };
    store.commit(&[append(record(1, 3, "three word")), redacted]).unwrap();
    drop(store);

    let mut store = open(true);
    while store.maintain().unwrap() {}
    assert_eq!(seqs(&store.reader().unwrap().search(&[ROOM], "word", 9).unwrap().records), [3, 2]);
}

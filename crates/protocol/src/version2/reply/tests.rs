//! Tests of the lines of a server.

use proptest::prelude::*;

use super::*;
use crate::version2::number::NUMBER_MAX;
use crate::version2::record::RecordVerb;

/// A record of the example in the specification.
fn record(verb: RecordVerb, text: &'static str) -> RecordLine<'static> {
    RecordLine {
        target: "#lab".into(),
        seq: 9089,
        at_millis: 1_795_903_837_123,
        by: Some(7),
        is_past: false,
        redacted_by: None,
        verb,
        author: "Elias".into(),
        text: text.into(),
    }
}

#[test]
fn lines_of_the_specification_are_replies() {
    use Reply::*;
    let lab = || Cow::Borrowed("#lab");
    let cases: &[(&str, Reply<'_>)] = &[
        (
            "HELLO_OK 2 switchboard/0.1.0 durable search",
            HelloOk {
                version: 2,
                server: "switchboard/0.1.0".into(),
                capabilities: Words::from_space_separated("durable search"),
            },
        ),
        ("REGISTER_OK Noy", Version1(crate::Reply::RegisterOk { name: "Noy".into() })),
        ("MSG_SENT", Version1(crate::Reply::MsgSent)),
        ("FROM Noy: hi", Version1(crate::Reply::From { name: "Noy".into(), text: "hi".into() })),
        ("CLAIM_OK Noy", ClaimOk { name: "Noy".into() }),
        ("LOGIN_OK Noy laptop", LoginOk { name: "Noy".into(), device: "laptop".into() }),
        ("CHALLENGE c3dp", Challenge { challenge: "c3dp".into() }),
        ("TOKEN_OK t0k", TokenOk { token: Secret::new("t0k") }),
        ("PASSWD_OK", PasswdOk),
        ("UNCLAIM_OK", UnclaimOk),
        ("DEVICE phone", Device { name: "phone".into(), is_connected: false, is_this: false }),
        ("DEVICE laptop connected", Device { name: "laptop".into(), is_connected: true, is_this: false }),
        ("DEVICE main connected this", Device { name: "main".into(), is_connected: true, is_this: true }),
        ("DEVICES_OK 3", DevicesOk { count: 3 }),
        ("REVOKE_OK phone", RevokeOk { device: "phone".into() }),
        ("JOIN_OK #lab 9088", Done { verb: DoneVerb::Join, target: lab(), seq: 9088 }),
        ("REDACT_OK #lab 9088", Done { verb: DoneVerb::Redact, target: lab(), seq: 9088 }),
        ("LINK_OK #lab w0rd", LinkOk { target: lab(), invitation: Secret::new("w0rd") }),
        ("SAID #lab 9089", Said { target: lab(), seq: 9089 }),
        ("OPEN_OK #lab 7m2k 1 9088", OpenOk { target: lab(), epoch: "7m2k".into(), first: 1, last: 9088 }),
        ("LIVE #lab 9088", Live { target: lab(), last: 9088 }),
        ("CLOSE_OK #lab", CloseOk { target: lab() }),
        ("GAP #lab 0 0 LOST", Gap { target: lab(), from: 0, to: 0, reason: GapReason::Lost, is_past: false }),
        ("GAP #lab 1 9 EXPIRED", Gap { target: lab(), from: 1, to: 9, reason: GapReason::Expired, is_past: false }),
        (
            "@past=1 GAP #lab 1 1 HIDDEN",
            Gap { target: lab(), from: 1, to: 1, reason: GapReason::Hidden, is_past: true },
        ),
        ("HISTORY_OK #lab 9000 9049", HistoryOk { target: lab(), first: 9000, last: 9049 }),
        (
            "CONVERSATION Elias 7m2k 1 9088 9000",
            Conversation { target: "Elias".into(), epoch: "7m2k".into(), first: 1, last: 9088, read: 9000 },
        ),
        ("CONVERSATIONS_OK 1", ConversationsOk { count: 1 }),
        ("READ_OK #lab 9088", ReadOk { target: lab(), seq: 9088 }),
        ("READ #lab 9088", Read { target: lab(), seq: 9088 }),
        (
            "READERS #lab 9088 Elias,Dana",
            Readers { target: lab(), seq: 9088, names: Users::from_comma_separated("Elias,Dana"), has_more: false },
        ),
        ("READERS #lab 9088 ", Readers { target: lab(), seq: 9088, names: Users::default(), has_more: false }),
        (
            "@more=1 READERS #lab 9 Elias",
            Readers { target: lab(), seq: 9, names: Users::from_comma_separated("Elias"), has_more: true },
        ),
        ("@more=1 SEARCH_OK #lab 64", SearchOk { target: Some(lab()), count: 64, has_more: true }),
        ("SEARCH_OK #lab 3", SearchOk { target: Some(lab()), count: 3, has_more: false }),
        ("SEARCH_OK * 0", SearchOk { target: None, count: 0, has_more: false }),
        ("ROOM #lab 12 two words", Room { target: lab(), members: 12, topic: "two words".into() }),
        ("ROOM #lab 12 ", Room { target: lab(), members: 12, topic: "".into() }),
        ("ROOMS_OK 2", RoomsOk { count: 2 }),
        ("MEMBER #lab Elias owner", Member { target: lab(), name: "Elias".into(), standing: Standing::Owner }),
        ("MEMBERS_OK #lab 12", MembersOk { target: lab(), count: 12 }),
        ("BLOCK_OK Elias", BlockOk { name: "Elias".into() }),
        ("UNBLOCK_OK Elias", UnblockOk { name: "Elias".into() }),
        ("WATCH_OK", WatchOk),
        ("UNWATCH_OK", UnwatchOk),
        ("CAME Dana", Came { name: "Dana".into() }),
        ("GONE Dana", Gone { name: "Dana".into() }),
        ("NOTICE the server restarts at 18:00", Notice { text: "the server restarts at 18:00".into() }),
        ("WIRE_OK rtt=41 cwnd=10", WireOk { values: Words::from_space_separated("rtt=41 cwnd=10") }),
        ("ERROR STALE #lab", Error { code: ErrorCode::Stale, target: Some(lab()) }),
        ("ERROR LOGIN_FAILED", Error { code: ErrorCode::LoginFailed, target: None }),
        (
            "ERROR WRONG_PROTOCOL This port takes lines",
            Version1(crate::Reply::Error {
                code: ErrorCode::WrongProtocol,
                detail: Some("This port takes lines".into()),
            }),
        ),
    ];
    for (line, reply) in cases {
        let numbered = match line.strip_prefix('@') {
            Some(tagged) => format!("@n=41;{tagged}"),
            None => format!("@n=41 {line}"),
        };
        for (n, line) in [(None, (*line).to_owned()), (Some(41), numbered)] {
            let tagged = TaggedReply { n, reply: reply.clone() };
            assert_eq!(parse_reply(&line), Ok(tagged.clone()), "{line:?}");
            assert_eq!(encoded(&tagged), line);
        }
    }
}

#[test]
fn records_of_the_specification_are_replies() {
    const TAGS: &str = "@in=#lab;seq=9089;at=2026-11-28T22:10:37.123Z;by=7";
    let cases = [
        ("FROM Elias: hi", record(RecordVerb::From, "hi")),
        ("FROM Elias:  two  spaces: colon", record(RecordVerb::From, " two  spaces: colon")),
        ("JOINED Elias", record(RecordVerb::Joined, "")),
        ("LEFT Elias", record(RecordVerb::Left, "")),
        ("TOPIC Elias: two words", record(RecordVerb::Topic, "two words")),
        ("TOPIC Elias: ", record(RecordVerb::Topic, "")),
        ("INVITED Elias Dana", record(RecordVerb::Invited, "Dana")),
        ("KICKED Elias Dana", record(RecordVerb::Kicked, "Dana")),
        ("BANNED Elias Dana", record(RecordVerb::Banned, "Dana")),
        ("UNBANNED Elias Dana", record(RecordVerb::Unbanned, "Dana")),
        ("MUTED Elias Dana", record(RecordVerb::Muted, "Dana")),
        ("MUTED Elias Dana 10m", record(RecordVerb::Muted, "Dana 10m")),
        ("UNMUTED Elias Dana", record(RecordVerb::Unmuted, "Dana")),
        ("AUDIT Elias: BAN * Dana 2h", record(RecordVerb::Audit, "BAN * Dana 2h")),
        ("QUOTED Elias: hi", record(RecordVerb::Quoted, "hi")),
        ("REDACTED Elias 9088", record(RecordVerb::Redacted, "9088")),
        ("SET Elias guests write", record(RecordVerb::Set, "guests write")),
    ];
    for (rest, record) in cases {
        let line = format!("{TAGS} {rest}");
        let tagged = TaggedReply::from(Reply::Record(record));
        assert_eq!(parse_reply(&line), Ok(tagged.clone()), "{line:?}");
        assert_eq!(encoded(&tagged), line);
    }
}

#[test]
fn optional_tags_of_a_record_have_an_order() {
    let line = "@n=41;in=#lab;seq=9089;at=2026-11-28T22:10:37.123Z;by=7;past=1;redacted=9091 FROM Elias: ";
    let record = RecordLine { is_past: true, redacted_by: Some(9091), ..record(RecordVerb::From, "") };
    let tagged = TaggedReply { n: Some(41), reply: Reply::Record(record.clone()) };
    assert_eq!(encoded(&tagged), line);
    assert_eq!(parse_reply(line), Ok(tagged));

    let guest = RecordLine { by: None, redacted_by: None, is_past: false, ..record };
    let line = "@in=#lab;seq=9089;at=2026-11-28T22:10:37.123Z FROM Elias: ";
    assert_eq!(encoded(&Reply::Record(guest.clone()).into()), line);
    // A client ignores the order of tags, and tags that it does not know.
    let other = "@x=;at=2026-11-28T22:10:37.123Z;past=0;seq=9089;in=#lab FROM Elias: \r";
    assert_eq!(parse_reply(other), Ok(Reply::Record(guest).into()));
}

#[test]
fn other_lines_are_unknown() {
    let lines = [
        "",
        "HELLO",
        "hello_ok 2 x",
        "SAID #lab",
        "SAID #lab 5 6",
        "SAID  5",
        "SAID #lab -5",
        "SAID #lab 5 ",
        "PASSWD_OK x",
        "GAP #lab 1 9 GONE",
        "MEMBER #lab Elias king",
        "FOO_OK #lab 5",
        "ERROR FUTURE_CODE",
        "@",
        "@n=41",
        "@n=0 SAID #lab 5",
        "@n=x SAID #lab 5",
        "@N=1 SAID #lab 5",
        "@n=1 @n=2 SAID #lab 5",
        "@in=#lab;seq=5 FROM Elias: hi",
        "@seq=5;at=2026-11-28T22:10:37.123Z FROM Elias: hi",
        "@in=;seq=5;at=2026-11-28T22:10:37.123Z FROM Elias: hi",
        "@in=#lab;seq=x;at=2026-11-28T22:10:37.123Z FROM Elias: hi",
        "@in=#lab;seq=5;at=yesterday FROM Elias: hi",
        "@in=#lab;seq=5;at=2026-11-28T22:10:37.123Z;by=x FROM Elias: hi",
        "@in=#lab;seq=5;at=2026-11-28T22:10:37.123Z FROM Elias",
        "@in=#lab;seq=5;at=2026-11-28T22:10:37.123Z KICKED Elias",
        "@in=#lab;seq=5;at=2026-11-28T22:10:37.123Z SAID #lab 5",
    ];
    for line in lines {
        assert_eq!(parse_reply(line), Err(crate::commands::UnknownReply), "{line:?}");
    }
}

#[test]
fn debug_output_does_not_show_a_token() {
    let debug = format!("{:?}", parse_reply("TOKEN_OK t0k3n").expect("a reply"));
    assert!(debug.contains("TokenOk") && !debug.contains("t0k3n"), "{debug}");
    let debug = format!("{:?}", parse_reply("LINK_OK #lab t0k3n").expect("a reply"));
    assert!(debug.contains("LinkOk") && !debug.contains("t0k3n"), "{debug}");
}

fn encoded(reply: &TaggedReply<'_>) -> String {
    let mut line = Vec::new();
    reply.encode(&mut line);
    assert_eq!(line.pop(), Some(b'\n'));
    String::from_utf8(line).expect("a line is UTF-8")
}

fn word() -> impl Strategy<Value = Cow<'static, str>> {
    "[!-~א-ת一-十]{1,20}".prop_map(Cow::Owned)
}

fn target() -> impl Strategy<Value = Cow<'static, str>> {
    "[#@]?[a-z0-9א-ת一-十_.-]{1,20}".prop_map(Cow::Owned)
}

fn text() -> impl Strategy<Value = Cow<'static, str>> {
    "\\PC{0,80}".prop_map(Cow::Owned)
}

fn words() -> impl Strategy<Value = Words<'static>> {
    proptest::collection::vec("[!-~]{1,10}", 0..4).prop_map(Words::from)
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0_u64..100, 0..=NUMBER_MAX]
}

fn record_line() -> impl Strategy<Value = RecordLine<'static>> {
    let verb = proptest::sample::select(&RecordVerb::ALL[..]);
    let by = proptest::option::of(number());
    let redacted_by = proptest::option::of(number());
    let author = "[a-z0-9א-ת_.-]{1,20}";
    (target(), number(), 0..253_402_300_800_000_u64, by, any::<bool>(), redacted_by, verb, author, text()).prop_map(
        |(target, seq, at_millis, by, is_past, redacted_by, verb, author, text)| {
            let has_text = !matches!(verb, RecordVerb::Joined | RecordVerb::Left);
            let text = if has_text { text } else { "".into() };
            let author = author.into();
            RecordLine { target, seq, at_millis, by, is_past, redacted_by, verb, author, text }
        },
    )
}

/// Any reply. Each variant of [`Reply`] needs a line here.
fn reply() -> impl Strategy<Value = Reply<'static>> {
    use Reply::*;
    let code = || proptest::sample::select(ErrorCode::ALL);
    let names = proptest::collection::vec("[a-z0-9א-ת]{1,10}", 0..5);
    let version1 = prop_oneof![
        Just(crate::Reply::Welcome),
        word().prop_map(|name| crate::Reply::RegisterOk { name }),
        word().prop_map(|name| crate::Reply::ConnectOk { name }),
        word().prop_map(|name| crate::Reply::IncomingConnection { name }),
        ("[a-z]{1,10}", text()).prop_map(|(name, text)| crate::Reply::From { name: name.into(), text }),
        Just(crate::Reply::MsgSent),
        Just(crate::Reply::DisconnectOk),
        Just(crate::Reply::PeerDisconnected),
        Just(crate::Reply::Pong),
        names.clone().prop_map(|names| crate::Reply::Users { names: names.into() }),
        code().prop_map(|code| crate::Reply::Error { code, detail: Some("two words".into()) }),
    ];
    let account = prop_oneof![
        (number(), word(), words()).prop_map(|(version, server, capabilities)| HelloOk {
            version,
            server,
            capabilities
        }),
        word().prop_map(|name| ClaimOk { name }),
        (word(), word()).prop_map(|(name, device)| LoginOk { name, device }),
        word().prop_map(|challenge| Challenge { challenge }),
        word().prop_map(|token| TokenOk { token: Secret::new(&token) }),
        Just(PasswdOk),
        Just(UnclaimOk),
        (word(), any::<bool>(), any::<bool>()).prop_map(|(name, is_connected, is_this)| Device {
            name,
            is_connected,
            is_this
        }),
        number().prop_map(|count| DevicesOk { count }),
        word().prop_map(|device| RevokeOk { device }),
    ];
    let conversation =
        prop_oneof![
            (proptest::sample::select(&DoneVerb::ALL[..]), target(), number()).prop_map(|(verb, target, seq)| Done {
                verb,
                target,
                seq
            }),
            (target(), word()).prop_map(|(target, word)| LinkOk { target, invitation: Secret::new(&word) }),
            (target(), number()).prop_map(|(target, seq)| Said { target, seq }),
            (target(), word(), number(), number()).prop_map(|(target, epoch, first, last)| OpenOk {
                target,
                epoch,
                first,
                last
            }),
            (target(), number()).prop_map(|(target, last)| Live { target, last }),
            target().prop_map(|target| CloseOk { target }),
            (target(), number(), number(), proptest::sample::select(&GapReason::ALL[..]), any::<bool>())
                .prop_map(|(target, from, to, reason, is_past)| Gap { target, from, to, reason, is_past }),
            (target(), number(), number()).prop_map(|(target, first, last)| HistoryOk { target, first, last }),
            (target(), word(), number(), number(), number())
                .prop_map(|(target, epoch, first, last, read)| Conversation { target, epoch, first, last, read }),
            number().prop_map(|count| ConversationsOk { count }),
            (target(), number()).prop_map(|(target, seq)| ReadOk { target, seq }),
            (target(), number()).prop_map(|(target, seq)| Read { target, seq }),
            (target(), number(), names, any::<bool>()).prop_map(|(target, seq, names, has_more)| Readers {
                target,
                seq,
                names: names.into(),
                has_more
            }),
            (proptest::option::of(target()), number(), any::<bool>()).prop_map(|(target, count, has_more)| SearchOk {
                target,
                count,
                has_more
            }),
        ];
    let rooms =
        prop_oneof![
            (target(), number(), text()).prop_map(|(target, members, topic)| Room { target, members, topic }),
            number().prop_map(|count| RoomsOk { count }),
            (target(), word(), proptest::sample::select(&Standing::ALL[..]))
                .prop_map(|(target, name, standing)| Member { target, name, standing }),
            (target(), number()).prop_map(|(target, count)| MembersOk { target, count }),
            word().prop_map(|name| BlockOk { name }),
            word().prop_map(|name| UnblockOk { name }),
            Just(WatchOk),
            Just(UnwatchOk),
            word().prop_map(|name| Came { name }),
            word().prop_map(|name| Gone { name }),
            text().prop_map(|text| Notice { text }),
            words().prop_map(|values| WireOk { values }),
            (code(), proptest::option::of(word())).prop_map(|(code, target)| Error { code, target }),
        ];
    let record = record_line().prop_map(Record);
    prop_oneof![version1.prop_map(Version1), account, conversation, rooms, record]
}

proptest! {
    #[test]
    fn the_specification_has_the_first_word_of_every_reply(reply in reply()) {
        let specification = include_str!("../../../../../docs/protocol.md");
        let line = encoded(&TaggedReply { n: None, reply });
        let untagged = if line.starts_with('@') { line.split_once(' ').map_or("", |(_, rest)| rest) } else { &line };
        let quoted = format!("\"{}\"", untagged.split(' ').next().unwrap_or_default());
        prop_assert!(specification.contains(&quoted), "protocol.md lacks {quoted}");
    }

    #[test]
    fn replies_round_trip(n in proptest::option::of(1..=NUMBER_MAX), reply in reply()) {
        let tagged = TaggedReply { n, reply };
        let line = encoded(&tagged);
        prop_assert_eq!(parse_reply(&line), Ok(tagged.clone()), "{:?}", line);
        prop_assert_eq!(tagged.clone().into_owned(), tagged);
    }

    #[test]
    fn a_number_can_be_added_to_an_encoded_line(n in 1..=NUMBER_MAX, reply in reply()) {
        let mut line = Vec::new();
        reply.encode(&mut line);
        let mut with_n = Vec::new();
        push_with_n(&mut with_n, n, &line);
        let tagged = TaggedReply { n: Some(n), reply };
        prop_assert_eq!(String::from_utf8(with_n).expect("a line is UTF-8"), encoded(&tagged) + "\n");
    }

    #[test]
    fn no_line_makes_the_parser_panic(line in any::<String>(), known in reply(), cut in any::<proptest::sample::Index>()) {
        let _ = parse_reply(&line);
        let known: String = encoded(&known.into());
        let cut = cut.index(known.len() + 1);
        let start: String = known.chars().take(cut).collect();
        let _ = (parse_reply(&start), parse_reply(&format!("@n=1;{start}")));
    }
}

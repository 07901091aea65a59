//! Tests of the lines of a client.

use proptest::prelude::*;

use super::*;
use crate::error_code::ErrorCode;
use crate::limits::{LINE_MAX_BYTES, TEXT_MAX_BYTES};
use crate::username::Username;
use crate::version2::number::NUMBER_MAX;
use crate::version2::secret::SECRET_MAX_BYTES;
use crate::version2::verbs::{Argument, VERBS};

fn text(text: &str) -> Text<'_> {
    Text::new(text, TEXT_MAX_BYTES).expect("a valid text")
}

fn room(name: &str) -> Target<'_> {
    Target::Room(name.into())
}

fn person(name: &str) -> Target<'_> {
    Target::Name(name.into())
}

fn device(name: &str) -> DeviceName {
    DeviceName::new(name).expect("a valid name of a device")
}

fn password(secret: &str) -> Credential<'static> {
    Credential::Password(Secret::new(secret))
}

#[test]
fn valid_lines_parse_as_commands() {
    use Command::*;
    let lab = || room("#lab");
    let cases: &[(&str, Command<'_>)] = &[
        ("PING", Version1(crate::Command::Ping)),
        ("msg  hi ", Version1(crate::Command::Msg { text: text(" hi") })),
        ("CONNECT #lab", Version1(crate::Command::Connect { to: "#lab".into() })),
        ("CONNECT @7", Version1(crate::Command::Connect { to: "@7".into() })),
        ("CLAIM password correct  horse ", Claim { credential: password("correct  horse") }),
        ("claim PASSWORD  a", Claim { credential: password(" a") }),
        ("CLAIM key ssh-ed25519 AAAA", Claim { credential: Credential::Key("AAAA".into()) }),
        ("CLAIM key ssh-ed25519 AAAA noy@home my key", Claim { credential: Credential::Key("AAAA".into()) }),
        (
            "LOGIN Noy laptop password x y",
            Login { name: "Noy".into(), device: device("laptop"), proof: Proof::Password(Secret::new("x y")) },
        ),
        (
            "LOGIN Noy laptop token t",
            Login { name: "Noy".into(), device: device("laptop"), proof: Proof::Token(Secret::new("t")) },
        ),
        (
            "LOGIN a,b laptop key ssh-ed25519 AAAA",
            Login { name: "a,b".into(), device: device("laptop"), proof: Proof::Key("AAAA".into()) },
        ),
        ("PROVE U1NI", Prove { signature: "U1NI".into() }),
        ("TOKEN", Token),
        ("PASSWD password new", Passwd { credential: password("new") }),
        ("DEVICES", Devices),
        ("REVOKE lap,top", Revoke { device: "lap,top".into() }),
        ("UNCLAIM", Unclaim),
        ("JOIN #lab", Join { target: lab(), invitation: None }),
        ("join   #Lab ", Join { target: room("#Lab"), invitation: None }),
        ("JOIN lab", Join { target: person("lab"), invitation: None }),
        ("JOIN #lab w0rd", Join { target: lab(), invitation: Some(Secret::new("w0rd")) }),
        ("LEAVE #lab", Leave { target: lab() }),
        ("TOPIC #lab two  words", Topic { target: lab(), text: text("two  words") }),
        ("TOPIC #lab ", Topic { target: lab(), text: text("") }),
        ("INVITE #lab Elias", Invite { target: lab(), who: person("Elias"), period: None }),
        ("INVITE #lab Elias 2d", Invite { target: lab(), who: person("Elias"), period: Period::parse("2d") }),
        ("LINK #lab", Link { target: lab(), period: None, uses: None }),
        ("LINK #lab 2d", Link { target: lab(), period: Period::parse("2d"), uses: None }),
        ("LINK #lab 30", Link { target: lab(), period: None, uses: Some(30) }),
        ("LINK #lab  2d  30", Link { target: lab(), period: Period::parse("2d"), uses: Some(30) }),
        ("UNLINK #lab", Unlink { target: lab(), invitation: None }),
        ("UNLINK #lab w0rd", Unlink { target: lab(), invitation: Some(Secret::new("w0rd")) }),
        ("KICK #lab @7", Kick { target: lab(), who: Target::Account(7) }),
        ("BAN #lab Elias", Ban { target: lab(), who: person("Elias") }),
        ("UNBAN #lab Elias", Unban { target: lab(), who: person("Elias") }),
        ("MUTE #lab Elias", Mute { target: lab(), who: person("Elias"), period: None }),
        ("MUTE #lab @7 10m", Mute { target: lab(), who: Target::Account(7), period: Period::from_seconds(600) }),
        ("UNMUTE #lab Elias", Unmute { target: lab(), who: person("Elias") }),
        ("KICK * Elias", ServerKick { who: person("Elias"), reason: text("") }),
        ("KICK * @203.0.113.7 go  away", ServerKick { who: person("@203.0.113.7"), reason: text("go  away") }),
        ("BAN * Elias", ServerBan { who: person("Elias"), period: None, reason: text("") }),
        ("BAN * @7 spam", ServerBan { who: Target::Account(7), period: None, reason: text("spam") }),
        ("BAN * @7 2h", ServerBan { who: Target::Account(7), period: Period::parse("2h"), reason: text("") }),
        (
            "BAN * @2001:db8::/64  2h  spam",
            ServerBan { who: person("@2001:db8::/64"), period: Period::parse("2h"), reason: text(" spam") },
        ),
        ("BAN * Elias forever 2h", ServerBan { who: person("Elias"), period: None, reason: text("2h") }),
        ("UNBAN * Elias", ServerUnban { who: person("Elias") }),
        ("REPORT #lab 9088", Report { target: lab(), seq: 9088, reason: text("") }),
        ("REPORT Elias 9088 two words", Report { target: person("Elias"), seq: 9088, reason: text("two words") }),
        ("REDACT #lab 9088", Redact { target: lab(), what: Redaction::Record(9088) }),
        ("REDACT #lab Elias", Redact { target: lab(), what: Redaction::Author(person("Elias")) }),
        ("REDACT #lab @7", Redact { target: lab(), what: Redaction::Author(Target::Account(7)) }),
        ("SAY #lab hello", Say { target: lab(), text: text("hello") }),
        ("say Elias   two  spaces ", Say { target: person("Elias"), text: text("  two  spaces") }),
        ("SAY  @7 \tx", Say { target: Target::Account(7), text: text("\tx") }),
        ("SAY @x hi", Say { target: person("@x"), text: text("hi") }),
        ("SAY @ hi", Say { target: person("@"), text: text("hi") }),
        ("SAY # hi", Say { target: room("#"), text: text("hi") }),
        ("SAY מעבדה שלום", Say { target: person("מעבדה"), text: text("שלום") }),
        ("OPEN #lab", Open { target: lab(), position: None }),
        ("OPEN #lab 7m2k 9088", Open { target: lab(), position: Some(Position { epoch: "7m2k".into(), after: 9088 }) }),
        ("CLOSE #lab", Close { target: lab() }),
        ("HISTORY #lab 9000 50", History { target: lab(), before: 9000, count: 50 }),
        ("CONVERSATIONS", Conversations),
        ("READ #lab 9088", Read { target: lab(), seq: 9088 }),
        ("READERS #lab 9088", Readers { target: lab(), seq: 9088 }),
        ("SEARCH #lab two words", Search { target: Some(lab()), words: text("two words") }),
        ("SEARCH * word", Search { target: None, words: text("word") }),
        ("ROOMS", Rooms),
        ("MEMBERS #lab", Members { target: lab() }),
        ("ROOM #lab guests write", Room { target: lab(), setting: "guests".into(), value: text("write") }),
        ("BLOCK Elias", Block { who: person("Elias") }),
        ("UNBLOCK @7", Unblock { who: Target::Account(7) }),
        ("WATCH", Watch),
        ("UNWATCH\r", Unwatch),
        ("WIRE", Wire),
    ];
    for (given, expected) in cases {
        let tagged = [format!("@x=;n=41 {given}"), format!("@n=41   {given}")];
        for (n, line) in [(None, (*given).to_owned())].into_iter().chain(tagged.map(|line| (Some(41), line))) {
            let expected = Request { n, command: expected.clone() };
            assert_eq!(parse(line.as_bytes(), TEXT_MAX_BYTES), Ok(Some(expected.clone())), "given {line:?}");
            assert_eq!(expected.clone().into_owned(), expected);
        }
    }
}

#[test]
fn blank_lines_are_no_commands() {
    for blank in ["", " \t \r"] {
        assert_eq!(parse(blank.as_bytes(), TEXT_MAX_BYTES), Ok(None));
    }
}

#[test]
fn an_invalid_line_is_answered_with_its_number_and_target() {
    let long = format!("@n=41 SAY #lab {}", "x".repeat(65));
    let cases: &[(&[u8], &str)] = &[
        (b"HELLO 2", "ERROR UNKNOWN_COMMAND"),
        (b"FOO #lab", "ERROR UNKNOWN_COMMAND"),
        (b"@n=41 FOO #lab", "@n=41 ERROR UNKNOWN_COMMAND"),
        (b"@n=41", "@n=41 ERROR UNKNOWN_COMMAND"),
        (b"@x=1", "ERROR UNKNOWN_COMMAND"),
        (b"@ PING", "ERROR INVALID_TAG"),
        (b"@N=41 PING", "ERROR INVALID_TAG"),
        (b"@n=0 SAY #lab hi", "ERROR INVALID_TAG #lab"),
        (b"@n=1;n=2 SAY #lab hi", "ERROR INVALID_TAG #lab"),
        (b"PING me", "ERROR UNKNOWN_COMMAND"),
        (b"SAY\t#lab hi", "ERROR UNKNOWN_COMMAND"),
        (b"@n=41 SAY", "@n=41 ERROR MISSING_ARGUMENT"),
        (b"SAY ", "ERROR MISSING_ARGUMENT"),
        (b"@n=41 SAY #lab ", "@n=41 ERROR MISSING_ARGUMENT #lab"),
        (b"MSG", "ERROR MISSING_ARGUMENT"),
        (long.as_bytes(), "@n=41 ERROR TEXT_TOO_LONG #lab"),
        (b"@n=41 SAY #lab a\x1b[2J", "@n=41 ERROR INVALID_TEXT #lab"),
        (b"@n=41 SAY #lab a\xff", "@n=41 ERROR INVALID_TEXT #lab"),
        (b"@n=41 SAY #l\xff", "@n=41 ERROR INVALID_TEXT"),
        (b"\x0b @n=41 say #lab \xff\x1b", "@n=41 ERROR INVALID_TEXT #lab"),
        (b"@n=4\xff1 SAY #lab x", "ERROR INVALID_TEXT"),
        (b"@n=x SAY #lab a\xff", "ERROR INVALID_TEXT"),
        (b"\xff", "ERROR INVALID_TEXT"),
        (b"JOIN", "ERROR MISSING_ARGUMENT"),
        (b"JOIN #lab w0rd now", "ERROR INVALID_ARGUMENT #lab"),
        (b"INVITE #lab Elias soon", "ERROR INVALID_ARGUMENT #lab"),
        (b"LINK #lab soon", "ERROR INVALID_ARGUMENT #lab"),
        (b"LINK #lab 30 2d", "ERROR INVALID_ARGUMENT #lab"),
        (b"LINK #lab 2d 0", "ERROR INVALID_ARGUMENT #lab"),
        (b"ROOMS all", "ERROR INVALID_ARGUMENT"),
        (b"KICK #lab", "ERROR MISSING_ARGUMENT #lab"),
        (b"KICK #lab Elias now", "ERROR INVALID_ARGUMENT #lab"),
        (b"MUTE #lab Elias 10", "ERROR INVALID_ARGUMENT #lab"),
        (b"MUTE #lab Elias 0s", "ERROR INVALID_ARGUMENT #lab"),
        (b"MUTE #lab Elias 10m now", "ERROR INVALID_ARGUMENT #lab"),
        (b"KICK *", "ERROR MISSING_ARGUMENT *"),
        (b"UNBAN * Elias now", "ERROR INVALID_ARGUMENT *"),
        (b"REPORT #lab Elias", "ERROR INVALID_ARGUMENT #lab"),
        (b"OPEN #lab 7m2k", "ERROR MISSING_ARGUMENT #lab"),
        (b"OPEN #lab 7m2k x", "ERROR INVALID_ARGUMENT #lab"),
        (b"HISTORY #lab 5", "ERROR MISSING_ARGUMENT #lab"),
        (b"HISTORY #lab -5 5", "ERROR INVALID_ARGUMENT #lab"),
        (b"READ Elias 9223372036854775808", "ERROR INVALID_ARGUMENT Elias"),
        (b"SEARCH *", "ERROR MISSING_ARGUMENT *"),
        (b"ROOM #lab keep", "ERROR MISSING_ARGUMENT #lab"),
        (b"REGISTER a,b", "ERROR INVALID_NAME"),
        (b"LOGIN Noy lap,top password x", "ERROR INVALID_NAME"),
        (b"LOGIN Noy laptop", "ERROR MISSING_ARGUMENT"),
        (b"LOGIN Noy laptop password", "ERROR MISSING_ARGUMENT"),
        (b"LOGIN Noy laptop secret x", "ERROR INVALID_ARGUMENT"),
        (b"CLAIM token x", "ERROR INVALID_ARGUMENT"),
        (b"CLAIM key ssh-rsa AAAA", "ERROR INVALID_ARGUMENT"),
        (b"CLAIM key ssh-ed25519", "ERROR MISSING_ARGUMENT"),
        (b"PROVE a b", "ERROR INVALID_ARGUMENT"),
    ];
    for (given, expected) in cases {
        let given_text = given.escape_ascii().to_string();
        let error = parse(*given, 64).expect_err(&given_text);
        assert_eq!(answer(&error), format!("{expected}\n"), "given {given_text:?}");
        assert!(!error.to_string().is_empty());
    }
}

/// The line that answers an error.
fn answer(error: &RequestError<'_>) -> String {
    let RequestError { n, target, reason } = *error;
    let reply = crate::version2::Reply::Error { code: reason.code(), target: target.map(Into::into) };
    let mut line = Vec::new();
    crate::version2::TaggedReply { n, reply }.encode(&mut line);
    String::from_utf8(line).expect("a line is UTF-8")
}

#[test]
fn a_text_of_maximum_length_fits_after_the_longest_tags_and_target() {
    let target = format!("#{}", "实".repeat(31));
    let line = format!("@n={NUMBER_MAX} SAY {target} {}", "x".repeat(TEXT_MAX_BYTES));
    assert!(line.len() < LINE_MAX_BYTES);
    let request = parse(line.as_bytes(), TEXT_MAX_BYTES).expect("valid").expect("not blank");
    assert_eq!(request.n, Some(NUMBER_MAX));
}

#[test]
fn a_secret_has_a_bound() {
    let longest = format!("CLAIM password {}", "x".repeat(SECRET_MAX_BYTES));
    assert!(parse(longest.as_bytes(), TEXT_MAX_BYTES).is_ok());
    let too_long = format!("{longest}x");
    let error = parse(too_long.as_bytes(), TEXT_MAX_BYTES).expect_err("it is too long");
    assert_eq!(error.reason, InvalidRequest::SecretTooLong);
}

#[test]
fn only_a_version_above_1_is_a_hello() {
    let cases: &[(&[u8], Option<u64>)] = &[
        (b"HELLO 2", Some(2)),
        (b"hello 2\r", Some(2)),
        (b" HELLO 02 name=switchboard/1.0 x", Some(2)),
        (b"HELLO 3", Some(3)),
        (b"HELLO 1", None),
        (b"HELLO 0", None),
        (b"HELLO", None),
        (b"HELLO ", None),
        (b"HELLO  2", Some(2)),
        (b"HELLO two", None),
        (b"HELLO 2x", None),
        (b"HELLO -2", None),
        (b"HELLO2", None),
        (b"HELLO 2 \x1b", None),
        (b"HI 2", None),
        (b"", None),
    ];
    for (given, version) in cases {
        assert_eq!(hello(*given).map(|hello| hello.version), *version, "given {:?}", given.escape_ascii().to_string());
    }
}

#[test]
fn every_verb_of_the_table_parses() {
    for verb in &VERBS {
        let sample = |argument: &Argument| match argument {
            Argument::Target | Argument::TargetOrAll => "#lab",
            Argument::Name | Argument::Device | Argument::Signature | Argument::Setting => "x",
            Argument::Credential | Argument::Proof => "key ssh-ed25519 AAAA",
            Argument::Number | Argument::Redaction | Argument::Uses => "7",
            Argument::Position => "7m2k 7",
            Argument::Period => "10m",
            Argument::Invitation => "w0rd",
            Argument::Text | Argument::OptionalText => "two words",
        };
        let mut line = verb.word.to_owned();
        for argument in verb.arguments {
            line = format!("{line} {}", sample(argument));
        }
        let request = parse(line.as_bytes(), 64).unwrap_or_else(|error| panic!("{line}: {error}"));
        let mut written = Vec::new();
        request.expect("not blank").encode(&mut written).expect("the dialect has the command");
        assert_eq!(written, format!("{line}\n").into_bytes());

        // Without its last argument, the line is not valid, unless the argument is optional.
        if let Some(last) = verb.arguments.last() {
            let end = line.len() - sample(last).len();
            let is_optional = matches!(
                last,
                Argument::Position | Argument::Period | Argument::Uses | Argument::Invitation | Argument::OptionalText
            );
            let result = parse(&line.as_bytes()[..end], 64);
            assert_eq!(result.is_ok(), is_optional, "{line}: {result:?}");
        }
    }
}

#[test]
fn the_specification_has_every_verb() {
    let specification = include_str!("../../../../../docs/protocol.md");
    for verb in &VERBS {
        let rule = format!("= \"{}\"", verb.word);
        assert!(specification.contains(&rule), "protocol.md lacks {rule}");
    }
}

#[test]
fn version_1_and_2_share_the_old_verbs() {
    for verb in crate::commands::VERBS {
        let line = format!("{} x", verb.word);
        let version1 = crate::commands::parse(line.as_bytes(), 64);
        let version2 = parse(line.as_bytes(), 64);
        match version1 {
            Ok(command) => assert_eq!(version2, Ok(command.map(|command| Command::Version1(command).into()))),
            Err(error) => assert_eq!(version2.map_err(|error| error.reason.code()), Err(error.code())),
        }
        assert!(VERBS.iter().any(|listed| listed.word == verb.word));
    }
}

#[test]
fn only_the_line_dialect_has_tell() {
    let tell = crate::Command::Tell { to: "Elias".into(), text: text("hi") };
    let mut out = b"before".to_vec();
    let request = Request { n: Some(41), command: Command::Version1(tell) };
    assert!(request.encode(&mut out).is_err());
    assert_eq!(out, b"before");
}

#[test]
fn error_codes_of_invalid_requests_are_distinct_for_programs() {
    let argument = InvalidRequest::Argument { verb: "READ", needs: "a number" };
    assert_eq!(argument.code(), ErrorCode::InvalidArgument);
    assert_eq!(argument.to_string(), "READ needs a number");
    assert_eq!(InvalidRequest::UnknownCommand.code(), ErrorCode::UnknownCommand);
    assert_eq!(InvalidRequest::SecretTooLong.code(), ErrorCode::TextTooLong);
}

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9א-ת一-十_.-]{1,32}".prop_filter("a valid name", |name| Username::new(name).is_ok())
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0_u64..100, 0..=NUMBER_MAX]
}

fn target() -> impl Strategy<Value = Target<'static>> {
    prop_oneof![name().prop_map(|name| Target::Room(format!("#{name}").into())), person_target(),]
}

fn person_target() -> impl Strategy<Value = Target<'static>> {
    prop_oneof![name().prop_map(|name| Target::Name(name.into())), number().prop_map(Target::Account)]
}

/// A text that the parser returns unchanged: it is not blank, and ends without white space, which is trimmed.
fn string() -> impl Strategy<Value = String> {
    "\\PC{1,80}".prop_filter("no white space at its end", |text| !text.trim_end().is_empty() && text.trim_end() == text)
}

fn owned_text() -> impl Strategy<Value = Text<'static>> {
    string().prop_map(|text| Text::new(&text, 512).expect("a valid text").into_owned())
}

fn secret() -> impl Strategy<Value = Secret> {
    string().prop_map(|secret| Secret::new(&secret))
}

fn base64() -> impl Strategy<Value = Cow<'static, str>> {
    "[A-Za-z0-9+/=]{1,80}".prop_map(Cow::Owned)
}

fn credential() -> impl Strategy<Value = Credential<'static>> {
    prop_oneof![secret().prop_map(Credential::Password), base64().prop_map(Credential::Key)]
}

fn proof() -> impl Strategy<Value = Proof<'static>> {
    prop_oneof![secret().prop_map(Proof::Password), secret().prop_map(Proof::Token), base64().prop_map(Proof::Key)]
}

fn redaction() -> impl Strategy<Value = Redaction<'static>> {
    prop_oneof![
        number().prop_map(Redaction::Record),
        person_target()
            .prop_filter("digits are a number", |target| parse_number(&target.to_string()).is_none())
            .prop_map(Redaction::Author),
    ]
}

fn invitation() -> impl Strategy<Value = Option<Secret>> {
    proptest::option::of("[!-~]{1,40}".prop_map(|word| Secret::new(&word)))
}

/// A reason, which also begins as a period or with a space.
fn reason() -> impl Strategy<Value = Text<'static>> {
    let beginning = proptest::sample::select(&["", "2h ", "forever ", " ", "30"][..]);
    let text = (beginning, string()).prop_map(|(beginning, text)| format!("{beginning}{text}"));
    let text = prop_oneof![Just(String::new()), text];
    text.prop_map(|text| Text::new(&text, 512).expect("a valid text").into_owned())
}

fn period() -> impl Strategy<Value = Option<Period>> {
    any::<u32>().prop_map(Period::from_seconds)
}

/// Any command. Each variant of [`Command`] needs a line here; a macro names each only once.
fn command() -> impl Strategy<Value = Command<'static>> {
    let position = ("[0-9a-z]{1,13}", number()).prop_map(|(epoch, after)| Position { epoch: epoch.into(), after });
    let position = proptest::option::of(position);
    let version1 = prop_oneof![
        name().prop_map(|name| crate::Command::Register { name: Username::new(&name).expect("a valid name") }),
        target().prop_map(|target| crate::Command::Connect { to: target.to_string().into() }),
        owned_text().prop_map(|text| crate::Command::Msg { text }),
        Just(crate::Command::Disconnect),
        Just(crate::Command::Ping),
        Just(crate::Command::Who),
    ];
    let account = prop_oneof![
        credential().prop_map(|credential| Command::Claim { credential }),
        (name(), name(), proof()).prop_map(|(name, device, proof)| Command::Login {
            name: name.into(),
            device: DeviceName::new(&device).expect("a valid name"),
            proof
        }),
        base64().prop_map(|signature| Command::Prove { signature }),
        Just(Command::Token),
        credential().prop_map(|credential| Command::Passwd { credential }),
        Just(Command::Devices),
        name().prop_map(|device| Command::Revoke { device: device.into() }),
        Just(Command::Unclaim),
    ];
    let room = prop_oneof![
        (target(), invitation()).prop_map(|(target, invitation)| Command::Join { target, invitation }),
        target().prop_map(|target| Command::Leave { target }),
        (target(), owned_text()).prop_map(|(target, text)| Command::Topic { target, text }),
        target().prop_map(|target| Command::Topic { target, text: Text::new("", 0).expect("a valid text") }),
        (target(), person_target(), period()).prop_map(|(target, who, period)| Command::Invite { target, who, period }),
        (target(), period(), proptest::option::of(1..=NUMBER_MAX)).prop_map(|(target, period, uses)| Command::Link {
            target,
            period,
            uses
        }),
        (target(), invitation()).prop_map(|(target, invitation)| Command::Unlink { target, invitation }),
        (target(), person_target()).prop_map(|(target, who)| Command::Kick { target, who }),
        (target(), person_target()).prop_map(|(target, who)| Command::Ban { target, who }),
        (target(), person_target()).prop_map(|(target, who)| Command::Unban { target, who }),
        (person_target(), reason()).prop_map(|(who, reason)| Command::ServerKick { who, reason }),
        (person_target(), period(), reason()).prop_map(|(who, period, reason)| Command::ServerBan {
            who,
            period,
            reason
        }),
        person_target().prop_map(|who| Command::ServerUnban { who }),
        (target(), number(), reason()).prop_map(|(target, seq, reason)| Command::Report { target, seq, reason }),
        (target(), person_target(), period()).prop_map(|(target, who, period)| Command::Mute { target, who, period }),
        (target(), person_target()).prop_map(|(target, who)| Command::Unmute { target, who }),
        Just(Command::Rooms),
        target().prop_map(|target| Command::Members { target }),
        (target(), name(), owned_text()).prop_map(|(target, setting, value)| Command::Room {
            target,
            setting: setting.into(),
            value
        }),
    ];
    let conversation = prop_oneof![
        (target(), redaction()).prop_map(|(target, what)| Command::Redact { target, what }),
        (target(), owned_text()).prop_map(|(target, text)| Command::Say { target, text }),
        (target(), position).prop_map(|(target, position)| Command::Open { target, position }),
        target().prop_map(|target| Command::Close { target }),
        (target(), number(), number()).prop_map(|(target, before, count)| Command::History { target, before, count }),
        Just(Command::Conversations),
        (target(), number()).prop_map(|(target, seq)| Command::Read { target, seq }),
        (target(), number()).prop_map(|(target, seq)| Command::Readers { target, seq }),
        (proptest::option::of(target()), owned_text()).prop_map(|(target, words)| Command::Search { target, words }),
    ];
    let presence = prop_oneof![
        person_target().prop_map(|who| Command::Block { who }),
        person_target().prop_map(|who| Command::Unblock { who }),
        Just(Command::Watch),
        Just(Command::Unwatch),
        Just(Command::Wire),
    ];
    prop_oneof![version1.prop_map(Command::Version1), account, room, conversation, presence]
}

proptest! {
    #[test]
    fn requests_round_trip(n in proptest::option::of(1..=NUMBER_MAX), command in command()) {
        let request = Request { n, command };
        let mut line = Vec::new();
        request.encode(&mut line).expect("the dialect has the command");
        prop_assert_eq!(line.pop(), Some(b'\n'));
        prop_assert_eq!(parse(&line[..], 512), Ok(Some(request.clone())));
        prop_assert_eq!(request.clone().into_owned(), request);
    }

    #[test]
    fn debug_output_never_shows_a_secret(
        secret in "[!-~]{8,40}",
        verb in proptest::sample::select(&[
            "CLAIM password", "PASSWD password", "JOIN #lab", "UNLINK #lab", "JOIN #lab now", "LINK #lab", "LOGIN Noy laptop password", "LOGIN Noy laptop token",
            // Mistakes, whose errors must not show it either.
            "CLAIM passwords", "CLAIM", "LOGIN Noy laptop", "SAY #lab",
        ][..]),
    ) {
        let line = format!("{verb} {secret}");
        let debug = match parse(line.as_bytes(), 512) {
            Ok(Some(Request { command: Command::Say { .. }, .. })) => String::new(),
            Ok(request) => format!("{request:?} {request:#?}"),
            Err(error) => format!("{error:?} {error} {}", answer(&error)),
        };
        prop_assert!(!debug.contains(&secret), "{debug}");
    }

    #[test]
    fn no_line_makes_a_parser_panic(line in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = (parse(&line[..], 64), hello(&line[..]));
    }

    #[test]
    fn no_line_of_the_right_words_makes_a_parser_panic(
        words in proptest::collection::vec(
            proptest::sample::select(&[
                "@n=1", "@", "@n=1;", "SAY", "OPEN", "LOGIN", "CLAIM", "KICK", "MUTE", "10m", "JOIN", "LINK", "BAN", "REPORT", "forever", "ROOM", "SEARCH", "key", "password",
                "ssh-ed25519", "#lab", "@7", "*", "", "7", "\u{a0}", "é", "\t", "\u{7f}",
            ][..]),
            0..8,
        ),
    ) {
        let line = words.join(" ");
        match parse(line.as_bytes(), 64) {
            // A parsed request is written in the form that the parser expects.
            Ok(Some(request)) => {
                let mut written = Vec::new();
                request.encode(&mut written).expect("the dialect has the command");
                written.pop();
                prop_assert_eq!(parse(&written[..], 64), Ok(Some(request.clone())), "{:?}", line);
            }
            Ok(None) => prop_assert!(line.trim().is_empty()),
            Err(error) => prop_assert!(answer(&error).ends_with('\n')),
        }
    }
}

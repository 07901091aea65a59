//! Reports on real captures, on random bytes and on random numbers.

use std::io::Cursor;
use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;
use crate::analyze::{Conversation, Events, RoundTripTimes, Side, TrackedSegment, Window};
use crate::wire::tcp::Flags;

const CAPTURES: [&[u8]; 3] = [
    include_bytes!("../../../../tests/data/captures/csv_send_macos_lo0.pcapng"),
    include_bytes!("../../../../tests/data/captures/line_chat_macos_lo0.pcapng"),
    include_bytes!("../../../../tests/data/captures/line_chat_npcap.pcap"),
];

fn report(file: &[u8], options: &ReportOptions) -> Result<Report, ReportError> {
    Report::read(&mut Cursor::new(file), "a capture", options)
}

/// Checks that each element of a drawing has its closing tag.
fn assert_well_formed(svg: &str) {
    let mut open = Vec::new();
    for tag in svg.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect("a tag ends");
        let name = tag.split_whitespace().next().expect("a tag has a name");
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "{svg}"),
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{svg}");
}

#[test]
fn drawings_agree_with_the_analysis() {
    let mut round_trips = 0;
    for file in CAPTURES {
        let n = report(file, &ReportOptions::default()).expect("it is a capture").summary.totals.conversations;
        for number in 0..n {
            let id = ConversationId { transport: Transport::Tcp, number };
            let options = ReportOptions { conversation: Some(id), frame: None };
            let Report { summary, diagrams, frame, .. } = report(file, &options).expect("it is a capture");
            let (chosen, diagrams) =
                (summary.chosen.expect("the conversation exists"), diagrams.expect("the conversation is drawn"));
            assert_well_formed(&diagrams.sequence.svg(diagrams.ends).into_string());
            assert_eq!(diagrams.sequence.left_out(), 0);
            let over_time = diagrams.over_time.expect("the conversation has times");
            let directions = [&chosen.from_client, &chosen.from_server];
            let times = over_time.round_trip.times();
            let counts = |times: [Option<RoundTripTimes>; 2]| times.map(|times| times.map_or(0, |times| times.count));
            assert_eq!(counts(times), counts(directions.map(|direction| direction.round_trips)));
            assert_eq!(times, directions.map(|direction| direction.round_trips));
            round_trips += counts(times).iter().sum::<u64>();
            assert_eq!(over_time.throughput.bytes(), directions.map(|d| d.bytes + d.bytes_again));
            assert_well_formed(&over_time.round_trip.svg().into_string());
            assert_well_formed(&over_time.throughput.svg().into_string());
            for drawing in &over_time.time_sequences {
                assert_well_formed(&drawing.svg().into_string());
            }
            assert!(frame.is_some_and(|frame| frame.number >= chosen.first_frame));
        }
    }
    assert!(round_trips > 0);
}

#[test]
fn longest_conversation_is_drawn_by_default() {
    let chosen = |options| report(CAPTURES[1], &options).map(|report| report.summary.chosen.map(|c| c.number));
    assert_eq!(chosen(ReportOptions::default()).expect("it is a capture"), Some(4));
    let tcp = |number| ReportOptions {
        conversation: Some(ConversationId { transport: Transport::Tcp, number }),
        frame: None,
    };
    assert_eq!(chosen(tcp(1)).expect("the conversation exists"), Some(1));
    let error = chosen(tcp(8)).expect_err("there are only 8, from 0 to 7");
    assert_eq!(error.to_string(), "there is no TCP conversation 8: encap analyze lists them");
    let error =
        chosen(ReportOptions { frame: Some(85), ..ReportOptions::default() }).expect_err("there are only 84 frames");
    assert_eq!(error.to_string(), "the capture has 84 frames: there is no frame 85");
}

/// A conversation that lasts `nanos` nanoseconds.
fn conversation(nanos: i64) -> Conversation {
    let template =
        report(CAPTURES[1], &ReportOptions::default()).expect("it is a capture").summary.chosen.expect("there is one");
    let first = template.first.expect("the conversation has times");
    Conversation { last: Some(crate::time::Timestamp::from_nanos(first.as_nanos() + nanos)), ..template }
}

/// A segment of 1,000 bytes, after `n` others of the same size in the stream. Its payload would change a terminal or
/// run in a browser if it were not escaped.
fn segment(n: u64, from: Side) -> DrawnSegment<'static> {
    let number = i64::try_from(n).expect("a small number") * 1_000 + 1;
    let tcp = TrackedSegment {
        flags: Flags::ACK | Flags::PSH,
        seq: number,
        ack: Some(number),
        window: Window { field: 2_000, shift: Some(0) },
        len: 1_000,
        events: Events::default(),
        reset: None,
        round_trip_nanos: Some(1_000),
    };
    DrawnSegment {
        frame: n + 1,
        nanos: n * 1_000,
        from,
        len: tcp.len,
        payload: b"\x1b]0;<script>alert(1)</script>",
        tcp: Some(tcp),
    }
}

#[test]
fn size_of_drawings_is_bounded() {
    let mut diagrams = Diagrams::new(&conversation(200_000_000));
    for n in 0..200_000 {
        diagrams.add(&segment(n, if n % 2 == 0 { Side::Client } else { Side::Server }));
    }
    assert_eq!(diagrams.sequence.left_out(), 200_000 - (FIRST_MAX + LAST_MAX) as u64);
    assert!(diagrams.sequence.caption().contains("199936 between them are left out"));
    let over_time = diagrams.over_time.expect("the conversation has times");
    let [client, server] = over_time.time_sequences.each_ref().map(TimeSequence::svg);
    let drawings =
        [diagrams.sequence.svg(diagrams.ends), client, server, over_time.round_trip.svg(), over_time.throughput.svg()];
    for drawing in drawings.map(maud::PreEscaped::into_string) {
        assert!(drawing.len() < 256 * 1024, "{} bytes", drawing.len());
        assert!(!drawing.contains("<script"), "{drawing}");
        assert_well_formed(&drawing);
    }
}

#[test]
fn conversation_without_duration_has_no_time_axis() {
    assert!(Diagrams::new(&conversation(0)).over_time.is_none());
    assert!(Diagrams::new(&conversation(-5)).over_time.is_none());
    assert!(Diagrams::new(&Conversation { first: None, ..conversation(5) }).over_time.is_none());
    let ends: SocketAddr = "[2001:db8:1111:2222:3333:4444:5555:6666]:65535".parse().expect("an address");
    let svg = Sequence::default().svg((ends, ends)).into_string();
    assert_well_formed(&svg);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn damaged_captures_do_not_panic(
        index in 0..CAPTURES.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut file = CAPTURES[index].to_vec();
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        // One file in four is also truncated.
        if cut.index(4) == 0 {
            file.truncate(cut.index(file.len()));
        }
        if let Ok(report) = report(&file, &ReportOptions::default()) {
            let page = page(&report).into_string();
            prop_assert!(page.len() < 8 * 1024 * 1024, "{} bytes", page.len());
        }
    }

    #[test]
    fn drawings_of_any_numbers_are_well_formed(
        nanos in 0..i64::MAX,
        segments in prop::collection::vec(
            (any::<u64>(), any::<bool>(), any::<i32>(), any::<Option<i32>>(), any::<u32>(), any::<Option<u64>>()),
            0..20,
        ),
    ) {
        let mut diagrams = Diagrams::new(&conversation(nanos / 2));
        for (nanos, is_client, seq, ack, len, round_trip_nanos) in segments {
            let from = if is_client { Side::Client } else { Side::Server };
            let (seq, ack) = (i64::from(seq), ack.map(i64::from));
            let drawn = segment(0, from);
            let tcp = drawn.tcp.map(|tcp| TrackedSegment { seq, ack, len, round_trip_nanos, ..tcp });
            diagrams.add(&DrawnSegment { nanos, len, tcp, ..drawn });
        }
        let Some(over_time) = diagrams.over_time else { return Ok(()) };
        assert_well_formed(&over_time.time_sequences[0].svg().into_string());
        assert_well_formed(&over_time.round_trip.svg().into_string());
        assert_well_formed(&over_time.throughput.svg().into_string());
    }
}

//! Analyses of conversations: handshakes, resets, and the reason of each event.

use switchboard_encap::analyze::{End, Event, Handshake, ResetCause, Side};

use super::analysis::{Analysis, analyze};
use super::script::capture;

/// Analyses the capture of a script. In the script, `{OPEN}` stands for an opening handshake, `{OPEN_UNSCALED}` for one
/// without window scaling, and `{CLOSE}` for a close by both sides.
fn analyze_script(script: &str) -> Analysis {
    let script = script
        .replace("{OPEN}", "> S 1000 ws=7; < SA 9000 1001 ws=7; > A 1001 9001")
        .replace("{OPEN_UNSCALED}", "> S 1000; < SA 9000 1001; > A 1001 9001 w=1000")
        .replace("{CLOSE}", "> FA 1001 9001; < FA 9001 1002; > A 1002 9002");
    analyze(&capture(&script)).0
}

#[test]
fn handshake_time_starts_at_the_last_syn() {
    // A round trip takes 20 ms. So a segment that is 300 ms late is a retransmission, not out of order.
    let script =
        "> S 1000; +1000 > S 1000; < SA 9000 1001; > A 1001 9001; > A 1101 9001 =late; +300 > A 1001 9001 =first";
    let analysis = analyze_script(script);
    let conversation = analysis.first_conversation();
    assert_eq!(conversation.handshake_nanos, Some(20_000_000));
    let counts = &conversation.counts;
    assert_eq!((counts.get(Event::Retransmission), counts.get(Event::OutOfOrder)), (2, 0));
}

#[test]
fn new_sequence_number_starts_a_new_connection() {
    let (refused, refused_then_accepted) = (
        "> S 1000; < RA 0 1001; +500 > S 1000; < RA 0 1001; +500 > S 1000; < RA 0 1001",
        "> S 1000; < RA 0 1001; +500 > S 1000; < SA 9000 1001; > A 1001 9001; > PA 1001 9001 =hi",
    );
    let syn_after_data = "> PA 1000 9001 =hi; > S 1000";
    // Columns: script, number of conversations, number of `PortReused` events, handshake and end of the first
    // conversation.
    let table = [
        (refused, 1, 0, Handshake::Refused, End::Reset),
        (refused_then_accepted, 1, 1, Handshake::Complete, End::Open),
        ("{OPEN}; {CLOSE}; {OPEN}", 1, 0, Handshake::Complete, End::Open),
        ("{OPEN}; {CLOSE}; > S 2000", 2, 1, Handshake::Complete, End::Fin),
        (syn_after_data, 2, 1, Handshake::None, End::Open),
        ("< SA 9000 1001; < A 9001 1001 =a; < SA 70000 5001", 1, 1, Handshake::Partial, End::Open),
    ];
    for (script, conversations, reused, handshake, end) in table {
        let analysis = analyze_script(script);
        let found_reused: u64 = analysis.conversations.iter().map(|found| found.counts.get(Event::PortReused)).sum();
        let first = analysis.first_conversation();
        assert_eq!(
            (analysis.conversations.len(), found_reused, first.handshake, first.end),
            (conversations, reused, handshake, end),
            "given {script}"
        );
    }
    let analysis = analyze_script(refused_then_accepted);
    assert_eq!(analysis.first_conversation().counts.get(Event::PreviousNotCaptured), 0);
    assert_eq!((analysis.stream(0, Side::Client), analysis.first_conversation().counts.get(Event::Reset)), ("!hi", 1));
}

#[test]
fn each_reset_has_its_cause() {
    use ResetCause::{
        Aborted, AfterClose, AfterOwnClose, DataAfterClose, HalfOpen, HandshakeAborted, OutOfWindow, Refused, Repeated,
    };
    let table: &[(&str, &str, &[ResetCause])] = &[
        ("no handshake", "> S 1000; < RA 0 1001", &[Refused]),
        ("refused again", "> S 1000; < RA 0 1001; > S 1000; < RA 0 1001", &[Refused, Refused]),
        ("a scan", "> S 1000; < SA 9000 1001; > R 1001", &[HandshakeAborted]),
        ("unread or SO_LINGER", "{OPEN}; < PA 9001 1001 =bytes; > RA 1001 9006", &[Aborted]),
        ("not even acknowledged", "{OPEN}; < PA 9001 1001 =bytes; > RA 1001 9001", &[Aborted]),
        ("no such socket", "{OPEN}; > PA 1001 9001 =bytes; < R 9001", &[HalfOpen]),
        ("from the middle", "> PA 1001 9001 =bytes; < R 9001", &[HalfOpen]),
        ("data after a close", "{OPEN}; > FA 1001 9001; < PA 9001 1002 =bytes; > R 1002", &[DataAfterClose]),
        ("a close, then a reset", "{OPEN}; > FA 1001 9001; < A 9001 1002; > RA 1002 9001", &[AfterOwnClose]),
        ("answered by a reset", "{OPEN}; > PA 1001 9001 =hi; > FA 1003 9001; < RA 9001 1004", &[Aborted]),
        ("after both closed", "{OPEN}; {CLOSE}; > R 1002", &[AfterClose]),
        ("two resets", "{OPEN}; > RA 1001 9001; > R 1001", &[Aborted, Repeated]),
        (
            "before the window",
            "{OPEN}; < A 9001 1001 =bytes; > A 1001 9006; < R 9001; < A 9006 1001 =more",
            &[OutOfWindow],
        ),
        ("far ahead", "{OPEN}; < R 200000", &[OutOfWindow]),
        ("in the window, but not next", "{OPEN}; < RA 9101 1001", &[OutOfWindow]),
        ("past a window of 0", "{OPEN}; > A 1001 9001 w=0; < A 9001 1001 =ab; < RA 9003 1001", &[Aborted]),
    ];
    for (name, script, expected) in table {
        let analysis = analyze_script(script);
        let conversation = analysis.first_conversation();
        let found: Vec<_> = conversation.flags.iter().filter_map(|flag| flag.cause).collect();
        assert_eq!(found, *expected, "{name}");
        assert_eq!(conversation.counts.get(Event::Reset), expected.len() as u64, "{name}");
        let is_reset = !expected.contains(&OutOfWindow);
        assert_eq!(conversation.end == End::Reset, is_reset, "{name}");
    }
    let sentence = Aborted.to_string();
    assert!(sentence.contains("unread") && sentence.contains("SO_LINGER"), "{sentence}");
}

#[test]
fn ignored_reset_does_not_end_the_stream() {
    let analysis = analyze_script("{OPEN}; < A 9001 1001 =old ; > A 1001 9005; < R 9001; < A 9005 1001 =and new");
    assert_eq!(analysis.stream(0, Side::Server), "old and new");
}

#[test]
fn acknowledged_but_uncaptured_bytes_are_a_gap() {
    let table = [
        ("{OPEN}; > A 1001 9001 =hello; < A 9001 1106", "hello[100]"),
        ("{OPEN}; > A 1001 9001 =hello; < A 9001 1106; > FA 1106 9001", "hello[100]."),
        // A FIN that was not captured, and an acknowledgment beyond the sent data.
        ("{OPEN}; > A 1001 9001 =hello; < A 9001 1007", "hello"),
        ("{OPEN}; > A 1001 9001 =hello; < A 9001 3000000000", "hello"),
    ];
    for (script, expected) in table {
        let analysis = analyze_script(script);
        assert_eq!(analysis.stream(0, Side::Client), expected, "given {script}");
    }
}

#[test]
fn events_report_their_reason() {
    use Event::{AcknowledgesUnseen, DuplicateAck, KeepAlive, Retransmission, WindowUpdate};
    let table = [
        ("> S 1000; +1000 > S 1000", 2, Retransmission, "the SYN again: the earlier one was lost or refused"),
        ("{OPEN}; > FA 1001 9001; +1000 > FA 1001 9001", 5, Retransmission, "the FIN, at 1, again, "),
        (
            "{OPEN}; > A 1001 9001 =x; > A 1002 9001 =y; +1000 > A 1001 9001 =x",
            6,
            Retransmission,
            "1 byte from 1 on again",
        ),
        ("{OPEN}; > A 1001 9001 w=400", 4, WindowUpdate, "the window changes, from 64128 bytes to 51200 bytes: "),
        ("{OPEN_UNSCALED}; > A 1001 9001 w=1", 4, WindowUpdate, "the window changes, from 1000 bytes to 1 byte: "),
        ("> A 1001 9001 =x; > A 1002 9001; > A 1002 9001 w=9", 3, WindowUpdate, "from 501 to 9 (the scale"),
        (
            "{OPEN}; > A 1001 9001 =ab; < A 9001 1003; > A 1002 9001 =b",
            6,
            KeepAlive,
            "byte 2, already acknowledged, is sent again",
        ),
        ("{OPEN}; > A 1001 9001 =ab; > A 1002 9001 =b", 5, KeepAlive, "byte 2, not acknowledged yet, is sent again"),
        ("{OPEN}; > A 1000 9001", 4, KeepAlive, "an empty segment at sequence number 0, already acknowledged"),
        ("{OPEN}; > A 1001 9001 =a; < A 9001 1500", 5, AcknowledgesUnseen, "but the capture lacks 498 bytes of them"),
        (
            "{OPEN}; < A 9001 1001 w=0; > A 1001 9001 =a; < A 9001 1002 w=9",
            6,
            AcknowledgesUnseen,
            "all of them were captured",
        ),
        (
            "{OPEN}; < A 9001 1001; > A 1011 9001 =later; < A 9001 1001",
            6,
            DuplicateAck,
            "a later segment probably arrived",
        ),
        (
            "{OPEN}; > A 1001 9001 =ab; < A 9001 1003; +900 > A 1001 9001 =ab; < A 9001 1003",
            7,
            DuplicateAck,
            "an answer to a segment that was sent again",
        ),
        ("{OPEN}; < A 9001 1001; < A 9001 1001", 5, DuplicateAck, "no segment in the capture asked for it"),
    ];
    for (script, frame, event, expected) in table {
        let analysis = analyze_script(script);
        let why = analysis.why(frame, event);
        assert!(why.contains(expected), "given {script}: {why}");
        assert!(!why.contains("1 bytes"), "given {script}: {why}");
    }
}

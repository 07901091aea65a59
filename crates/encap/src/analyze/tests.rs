//! Tests of the analysis with real, mutated and generated captures.

use proptest::prelude::*;

use super::conversation_table::ConversationTable;
use super::*;
use crate::capture::Reader;
use crate::wire::tcp::Flags;
use crate::wire::{Frame, LinkType};

/// The analysis of a file.
#[derive(Default)]
struct Analysis {
    conversations: Vec<Conversation>,
    /// Number of bytes in all streams.
    bytes: usize,
}

impl StreamListener for Analysis {
    fn on_event(&mut self, event: StreamEvent<'_>) {
        if let StreamItem::Data { bytes, .. } = event.item {
            self.bytes += bytes.len();
        }
    }

    fn on_end(&mut self, conversation: Conversation) {
        self.conversations.push(conversation);
    }
}

/// Analyses a file. `None` if the file is no capture.
fn analyze(file: &[u8]) -> Option<(Analysis, Totals)> {
    let mut reader = Reader::new(file).ok()?;
    let (mut streams, mut analysis) = (Streams::new(Vec::new()), Analysis::default());
    while let Ok(Some(packet)) = reader.next_packet() {
        streams.packet(&packet, &mut analysis);
    }
    let totals = streams.finish(&mut analysis);
    Some((analysis, totals))
}

const REAL_CAPTURES: [&[u8]; 3] = [
    include_bytes!("../../../../tests/data/captures/csv_send_macos_lo0.pcapng"),
    include_bytes!("../../../../tests/data/captures/line_chat_macos_lo0.pcapng"),
    include_bytes!("../../../../tests/data/captures/line_chat_npcap.pcap"),
];

#[test]
fn streams_of_real_captures_have_the_counted_length() {
    for file in REAL_CAPTURES {
        let (analysis, _) = analyze(file).expect("the file is a capture");
        let counted: u64 = analysis.conversations.iter().map(|c| c.from_client.bytes + c.from_server.bytes).sum();
        assert_eq!(analysis.bytes as u64, counted);
        assert!(counted > 0);
    }
}

#[test]
fn packets_out_of_focus_are_counted() {
    // The port of one client: 18 of the 84 packets, and 1,151 of the 5,264 bytes.
    let focus = Focus { port: Some(51_941), ..Focus::default() };
    let mut reader = Reader::new(REAL_CAPTURES[1]).expect("the file is a capture");
    let mut analyzer = Analyzer::new(vec![focus]);
    let mut conversations = Vec::new();
    while let Ok(Some(packet)) = reader.next_packet() {
        analyzer.packet(&packet, &mut |conversation| conversations.push(conversation));
    }
    let totals = analyzer.finish(&mut |conversation| conversations.push(conversation));
    assert_eq!((conversations.len(), conversations[0].segments()), (1, 18));
    assert_eq!((totals.packets, totals.out_of_focus), (84, Amount { packets: 66, bytes: 5264 - 1151 }));
}

/// An IPv4 packet with a SYN from the client of this number. Its sequence number is 7.
fn syn_from(client: u32) -> [u8; 40] {
    let mut packet = [0; 40];
    packet[..20].copy_from_slice(&[0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 0, 10, 255, 0, 1]);
    packet[13..16].copy_from_slice(&client.to_be_bytes()[1..]);
    packet[20..].copy_from_slice(&[0x9c, 0x40, 0x1f, 0x90, 0, 0, 0, 7, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0]);
    packet
}

#[test]
fn open_conversations_are_bounded_and_the_longest_idle_are_closed() {
    let mut analyzer = Analyzer::new(Vec::new());
    let mut retired = Vec::new();
    let n_clients = u32::try_from(LIVE_MAX).expect("it fits") + 1;
    for client in 0..n_clients {
        let packet = syn_from(client);
        let frame = Frame::parse(LinkType::RAW, &packet, 40);
        analyzer.frame(u64::from(client) + 1, None, &frame, &mut |conversation| retired.push(conversation));
    }
    // When the last conversation opened, the table was full, so an eighth of the others were closed.
    assert_eq!(retired.len(), LIVE_MAX / 8);
    assert!(
        retired.iter().zip(0..).all(|(conversation, number)| conversation.retired && conversation.number == number)
    );
    let mut n_left_open = 0;
    let totals = analyzer.finish(&mut |conversation| n_left_open += u64::from(!conversation.retired));
    assert_eq!((totals.conversations, totals.retired), (u64::from(n_clients), retired.len() as u64));
    assert_eq!(n_left_open + totals.retired, totals.conversations);
}

#[test]
fn memory_of_open_conversations_is_bounded() {
    const BYTES_MAX: usize = 10 * 1024 * 1024;
    let mut analyzer = Analyzer::default();
    analyzer.table = ConversationTable::new(BYTES_MAX);
    let (mut number, mut retired) = (0, 0);
    // Without losses, the conversations would fit. But every second segment of each is missing, and holes need memory.
    let n_clients = u32::try_from(LIVE_MAX / 7).expect("it fits");
    for round in 1..8 {
        for client in 0..n_clients {
            let mut packet = syn_from(client);
            packet[27] += 2 * round;
            packet[33] = Flags::ACK.bits().to_be_bytes()[1];
            number += 1;
            let frame = Frame::parse(LinkType::RAW, &packet, 40);
            analyzer.frame(number, None, &frame, &mut |conversation| retired += u64::from(conversation.retired));
        }
    }
    assert!(retired > 0);
    assert_eq!(analyzer.table.retired(), retired);
}

#[test]
fn relative_numbers_continue_beyond_32_bits() {
    let relative = |analyzer: &mut Analyzer, seq: u32, flags: Flags| {
        let mut packet = syn_from(1);
        packet[24..28].copy_from_slice(&seq.to_be_bytes());
        packet[33] = flags.bits().to_be_bytes()[1];
        let tracked = analyzer.frame(1, None, &Frame::parse(LinkType::RAW, &packet, 40), &mut |_| {});
        tracked.and_then(|tracked| tracked.segment).expect("the packet has a TCP segment").seq
    };
    let mut analyzer = Analyzer::default();
    let mut seq = u32::MAX;
    assert_eq!(relative(&mut analyzer, seq, Flags::SYN), 0);
    for step in 1..6 {
        seq = seq.wrapping_add(1 << 30);
        assert_eq!(relative(&mut analyzer, seq, Flags::ACK), step << 30);
    }
    assert_eq!(relative(&mut analyzer, seq.wrapping_sub(1 << 30), Flags::ACK), 4 << 30, "an earlier number");
    assert_eq!(relative(&mut Analyzer::default(), 77, Flags::ACK), 1, "the first number without a SYN");
}

#[test]
fn relative_acknowledgments_continue_beyond_32_bits_in_a_capture_of_one_direction() {
    let mut analyzer = Analyzer::default();
    let mut tracked = |ack: u32, flags: Flags| {
        let mut packet = syn_from(1);
        packet[28..32].copy_from_slice(&ack.to_be_bytes());
        packet[33] = flags.bits().to_be_bytes()[1];
        let tracked = analyzer.frame(1, None, &Frame::parse(LinkType::RAW, &packet, 40), &mut |_| {});
        tracked.and_then(|tracked| tracked.segment).expect("the packet has a TCP segment").ack
    };
    let first = u32::MAX - 5;
    assert_eq!(tracked(first, Flags::ACK), Some(1));
    for step in 1..6_u32 {
        let ack = first.wrapping_add(step << 30);
        assert_eq!(tracked(ack, Flags::ACK), Some((i64::from(step) << 30) + 1));
    }
    // The acknowledgment of an RST does not move the range of the later numbers.
    let last = first.wrapping_add(5 << 30);
    assert_eq!(tracked(last.wrapping_add(1 << 30), Flags::ACK | Flags::RST), Some((6 << 30) + 1));
    assert_eq!(tracked(last.wrapping_sub(3 << 29), Flags::ACK), Some((7 << 29) + 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn mutated_captures_never_panic_and_no_byte_is_emitted_twice(
        capture in 0..REAL_CAPTURES.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut file = REAL_CAPTURES[capture].to_vec();
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        // Every fourth file is cut off.
        if cut.index(4) == 0 {
            file.truncate(cut.index(file.len()));
        }
        if let Some((analysis, totals)) = analyze(&file) {
            prop_assert!(analysis.bytes <= file.len());
            prop_assert_eq!(analysis.conversations.len() as u64, totals.conversations);
            for conversation in &analysis.conversations {
                prop_assert!(conversation.flags.len() <= FLAGS_MAX);
                let reasons: String = conversation.flags.iter().map(|flag| flag.why().to_string()).collect();
                prop_assert_eq!(reasons.is_empty(), conversation.flags.is_empty());
            }
        }
    }
}

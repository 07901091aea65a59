//! Analysis of captures that nobody made so.

use proptest::prelude::*;

use super::conversation_table::ConversationTable;
use super::*;
use crate::capture::Reader;
use crate::wire::tcp::Flags;
use crate::wire::{Frame, LinkType};

/// What is said of a file, whatever it is.
#[derive(Default)]
struct Heard {
    conversations: Vec<Conversation>,
    bytes: usize,
}

impl StreamListener for Heard {
    fn said(&mut self, said: StreamEvent<'_>) {
        if let StreamItem::Data { bytes, .. } = said.item {
            self.bytes += bytes.len();
        }
    }

    fn over(&mut self, conversation: Conversation) {
        self.conversations.push(conversation);
    }
}

fn hear(file: &[u8]) -> Option<(Heard, Totals)> {
    let mut reader = Reader::new(file).ok()?;
    let (mut streams, mut heard) = (Streams::new(Vec::new()), Heard::default());
    while let Ok(Some(packet)) = reader.next_packet() {
        streams.packet(&packet, &mut heard);
    }
    let totals = streams.finish(&mut heard);
    Some((heard, totals))
}

const REAL: [&[u8]; 3] = [
    include_bytes!("../../../../tests/data/captures/csv_send_macos_lo0.pcapng"),
    include_bytes!("../../../../tests/data/captures/line_chat_macos_lo0.pcapng"),
    include_bytes!("../../../../tests/data/captures/line_chat_npcap.pcap"),
];

#[test]
fn streams_of_real_captures_are_as_long_as_what_was_counted() {
    for file in REAL {
        let (heard, _) = hear(file).expect("it is a capture");
        let counted: u64 = heard.conversations.iter().map(|c| c.from_client.bytes + c.from_server.bytes).sum();
        assert_eq!(heard.bytes as u64, counted);
        assert!(counted > 0);
    }
}

#[test]
fn a_focus_leaves_out_and_says_how_much() {
    let focus = Focus { port: Some(51_941), ..Focus::default() };
    let mut reader = Reader::new(REAL[1]).expect("it is a capture");
    let mut analyzer = Analyzer::new(vec![focus]);
    let mut conversations = Vec::new();
    while let Ok(Some(packet)) = reader.next_packet() {
        analyzer.packet(&packet, &mut |conversation| conversations.push(conversation));
    }
    let totals = analyzer.finish(&mut |conversation| conversations.push(conversation));
    assert_eq!((conversations.len(), conversations[0].segments()), (1, 18));
    assert_eq!((totals.packets, totals.out_of_focus), (84, Amount { packets: 66, bytes: 5264 - 1151 }));
}

/// A SYN of one of many clients.
fn syn_of(client: u32) -> [u8; 40] {
    let mut packet = [0; 40];
    packet[..20].copy_from_slice(&[0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 0, 10, 255, 0, 1]);
    packet[13..16].copy_from_slice(&client.to_be_bytes()[1..]);
    packet[20..].copy_from_slice(&[0x9c, 0x40, 0x1f, 0x90, 0, 0, 0, 7, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0]);
    packet
}

#[test]
fn conversations_that_go_on_are_bounded_and_the_quietest_make_room() {
    let mut analyzer = Analyzer::new(Vec::new());
    let mut retired = Vec::new();
    let more = u32::try_from(LIVE_MAX).expect("it is not so many") + 1;
    for client in 0..more {
        let packet = syn_of(client);
        let frame = Frame::parse(LinkType::RAW, &packet, 40);
        analyzer.frame(u64::from(client) + 1, None, &frame, &mut |conversation| retired.push(conversation));
    }
    // An eighth made room for the last: the earliest, in order.
    assert_eq!(retired.len(), LIVE_MAX / 8);
    assert!(
        retired.iter().zip(0..).all(|(conversation, number)| conversation.retired && conversation.number == number)
    );
    let mut left = 0;
    let totals = analyzer.finish(&mut |conversation| left += u64::from(!conversation.retired));
    assert_eq!((totals.conversations, totals.retired), (u64::from(more), retired.len() as u64));
    assert_eq!(left + totals.retired, totals.conversations);
}

#[test]
fn what_conversations_take_is_bounded_too() {
    const BYTES_MAX: usize = 10 * 1024 * 1024;
    let mut analyzer = Analyzer::default();
    analyzer.table = ConversationTable::new(BYTES_MAX);
    let (mut number, mut retired) = (0, 0);
    // So many that they would fit if nothing happened to them; but each loses one segment of two.
    let n_clients = u32::try_from(LIVE_MAX / 7).expect("it is not so many");
    for round in 1..8 {
        for client in 0..n_clients {
            let mut packet = syn_of(client);
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn nothing_panics_and_no_byte_is_given_twice(
        which in 0..REAL.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut file = REAL[which].to_vec();
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        if cut.index(4) == 0 {
            file.truncate(cut.index(file.len()));
        }
        if let Some((heard, totals)) = hear(&file) {
            prop_assert!(heard.bytes <= file.len());
            prop_assert_eq!(heard.conversations.len() as u64, totals.conversations);
            for conversation in &heard.conversations {
                prop_assert!(conversation.flags.len() <= FLAGS_MAX);
                let words: String = conversation.flags.iter().map(|flag| flag.why().to_string()).collect();
                prop_assert_eq!(words.is_empty(), conversation.flags.is_empty());
            }
        }
    }
}

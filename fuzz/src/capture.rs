//! Checks a capture file with the readers of `show`, `analyze`, `follow` and `chat`.

use std::collections::HashMap;

use switchboard_encap::analyze::chat::{ChatSession, FramedMessage, MessageFramer, dialect_of_port, recognise};
use switchboard_encap::analyze::{
    Conversation, ConversationSide, FLAGS_MAX, Side, StreamEvent, StreamItem, StreamListener, Streams,
};
use switchboard_encap::capture::{CapturedPacket, Format, NOTES_MAX, Reader};
use switchboard_encap::show::{FrameRecord, FrameSummary, text};
use switchboard_protocol::Dialect;

use super::frame;

/// Reads a file to its end or its first error. Lists each packet in one line, and renders a packet for which `is_shown`
/// returns `true` in full, in each output format. Returns the format of the file, or `None` if its header cannot be
/// read.
///
/// # Panics
///
/// If the result breaks a property that must hold for every capture file.
pub fn check_capture(file: &[u8], mut is_shown: impl FnMut(&CapturedPacket<'_>) -> bool) -> Option<Format> {
    let mut reader = match Reader::new(file) {
        Ok(reader) => reader,
        Err(error) => {
            frame::assert_safe(&error.to_string());
            return None;
        }
    };
    let mut streams = Streams::new(Vec::new());
    let mut checker = ChatChecker::default();
    let (mut first_time, mut captured_bytes) = (None, 0);
    loop {
        let packet = match reader.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            Err(error) => {
                frame::assert_safe(&error.to_string());
                break;
            }
        };
        first_time = first_time.or(packet.time);
        captured_bytes += packet.captured.len();
        streams.packet(&packet, &mut checker);
        let record = FrameRecord::from_packet(&packet, first_time);
        let line = text::list(&[FrameSummary::new(&record)], frame::PLAIN);
        frame::assert_safe(&line);
        if is_shown(&packet) {
            frame::check_rendering(&record);
        }
    }
    assert!(captured_bytes <= file.len(), "the packets have no more bytes than the file");
    for note in reader.notes().list() {
        frame::assert_safe(&note.to_string());
    }
    assert!(reader.notes().list().len() <= NOTES_MAX);
    assert!(reader.next_packet().is_ok_and(|packet| packet.is_none()), "a reader yields no packet after its end");

    let totals = streams.finish(&mut checker);
    assert_eq!(totals.packets, reader.packets());
    assert_eq!(totals.conversations, checker.conversations);
    assert!(checker.stream_bytes <= captured_bytes, "the streams have no more bytes than the packets");
    assert!(checker.open.is_empty(), "each conversation has ended, and no item came after its end");
    Some(reader.format())
}

/// Splits conversations into messages and checks them against the protocol.
#[derive(Default)]
struct ChatChecker {
    /// The conversations that have not ended, by their number.
    open: HashMap<u64, ConversationState>,
    /// The number of bytes in all streams.
    stream_bytes: usize,
    /// The number of conversations that have ended.
    conversations: u64,
}

#[derive(Default)]
struct ConversationState {
    client: MessageFramer,
    server: MessageFramer,
    /// `None` before the first message.
    session: Option<ChatSession>,
}

impl ConversationState {
    /// Checks a message from one side. The first message decides the dialect.
    fn check(&mut self, sender: &ConversationSide, from_start: bool, from: Side, message: &FramedMessage) {
        if self.session.is_none() {
            let dialect = recognise(from, &message.bytes).or(dialect_of_port(sender.server.port()));
            self.session = Some(ChatSession::new(dialect.unwrap_or(Dialect::Line), from_start));
        }
        if let Some(session) = &mut self.session {
            let text = String::from_utf8_lossy(&message.bytes);
            let (_, violation) = session.read_line(from, &text);
            assert!(violation.is_none_or(|violation| !violation.to_string().is_empty()));
        }
    }
}

impl StreamListener for ChatChecker {
    fn on_event(&mut self, event: StreamEvent<'_>) {
        let StreamEvent { sender, frame, time, item, from_start } = event;
        let state = self.open.entry(sender.number).or_default();
        let mut messages = Vec::new();
        let (framer, other_framer) = match sender.side {
            Side::Client => (&mut state.client, &mut state.server),
            Side::Server => (&mut state.server, &mut state.client),
        };
        match item {
            StreamItem::Data { bytes, .. } => {
                self.stream_bytes += bytes.len();
                other_framer.answered(&mut |message| messages.push((sender.side.other(), message)));
                framer.push(frame, time, bytes, &mut |message| messages.push((sender.side, message)));
            }
            StreamItem::Gap { bytes } => {
                assert!(bytes > 0, "a gap is not empty");
                framer.end(time, &mut |message| messages.push((sender.side, message)));
            }
            StreamItem::Fin | StreamItem::Reset => {
                framer.end(time, &mut |message| messages.push((sender.side, message)));
            }
        }
        for (from, message) in messages {
            state.check(&sender, from_start, from, &message);
        }
        if let (StreamItem::Gap { .. }, Some(session)) = (item, &mut state.session) {
            session.lose_bytes();
        }
    }

    fn on_end(&mut self, conversation: Conversation) {
        self.conversations += 1;
        self.open.remove(&conversation.number);
        assert!(conversation.flags.len() <= FLAGS_MAX);
        for flag in &conversation.flags {
            frame::assert_safe(&flag.why().to_string());
        }
    }
}

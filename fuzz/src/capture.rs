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

/// Reads a file to its end or its first error. Returns its format, if it has a known one. Frames picked by `is_shown`
/// are also rendered in full, in each output format.
///
/// # Panics
///
/// If a property of all capture files does not hold.
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
    let (mut first, mut captured) = (None, 0);
    loop {
        let packet = match reader.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            Err(error) => {
                frame::assert_safe(&error.to_string());
                break;
            }
        };
        first = first.or(packet.time);
        captured += packet.captured.len();
        streams.packet(&packet, &mut checker);
        let subject = FrameRecord::from_packet(&packet, first);
        let line = text::list(&[FrameSummary::new(&subject)], frame::PLAIN);
        frame::assert_safe(&line);
        if is_shown(&packet) {
            frame::show(&subject);
        }
    }
    assert!(captured <= file.len(), "packets hold at most the bytes of the file");
    for note in reader.notes().list() {
        frame::assert_safe(&note.to_string());
    }
    assert!(reader.notes().list().len() <= NOTES_MAX);
    assert!(reader.next_packet().is_ok_and(|packet| packet.is_none()), "a finished reader stays finished");

    let totals = streams.finish(&mut checker);
    assert_eq!(totals.packets, reader.packets());
    assert_eq!(totals.conversations, checker.conversations);
    assert!(checker.bytes <= captured, "streams hold at most the captured bytes");
    assert!(checker.open.is_empty(), "a conversation ends once, after its last item");
    Some(reader.format())
}

/// Splits conversations into messages and checks them against the protocol.
#[derive(Default)]
struct ChatChecker {
    open: HashMap<u64, ConversationState>,
    bytes: usize,
    conversations: u64,
}

#[derive(Default)]
struct ConversationState {
    client: MessageFramer,
    server: MessageFramer,
    session: Option<ChatSession>,
}

impl ConversationState {
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
        let (lines, other) = match sender.side {
            Side::Client => (&mut state.client, &mut state.server),
            Side::Server => (&mut state.server, &mut state.client),
        };
        match item {
            StreamItem::Data { bytes, .. } => {
                self.bytes += bytes.len();
                other.answered(&mut |message| messages.push((sender.side.other(), message)));
                lines.push(frame, time, bytes, &mut |message| messages.push((sender.side, message)));
            }
            StreamItem::Gap { bytes } => {
                assert!(bytes > 0, "a gap is not empty");
                lines.end(time, &mut |message| messages.push((sender.side, message)));
            }
            StreamItem::Fin | StreamItem::Reset => {
                lines.end(time, &mut |message| messages.push((sender.side, message)));
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

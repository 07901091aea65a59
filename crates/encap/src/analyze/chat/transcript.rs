//! The transcript of all chats in a capture: each line with its sender, its receiver, and the rule that the line
//! breaks.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{HashMap, hash_map};
use std::fmt;
use std::mem;
use std::time::Duration;

use switchboard_protocol::{Command, Dialect, Reply, sanitize};

use super::dialect::{Spelling, dialect_of_port, recognise};
use super::message_framer::{FramedMessage, Framing, MessageFramer};
use super::session::{ChatLine, ChatSession};
use super::violation::{ViolationKind, ViolationPlace};
use crate::analyze::event::Bytes;
use crate::analyze::{
    Conversation, ConversationSide, Handshake, ResetCause, Side, StreamEvent, StreamItem, StreamListener, Transport,
};
use crate::diagnostic::Diagnostics;
use crate::time::Timestamp;

/// Maximum size of events that are sorted together, in bytes. Above it, the earlier events are written before later
/// ones are read.
const SORTED_MAX_BYTES: usize = 16 * 1024 * 1024;
/// Maximum memory for incomplete lines of all connections, in bytes. Above it, the longest lines end as unfinished.
const UNFINISHED_MAX_BYTES: usize = 8 * 1024 * 1024;
/// Estimated memory of an event without its text, in bytes.
const EVENT_BYTES: usize = 256;

/// Builds a transcript from the streams of a capture.
#[derive(Debug, Default)]
pub struct Transcript {
    /// Capture time of the first frame.
    start: Option<Timestamp>,
    streams: ChatStreams,
    /// Open sessions, by the number of their conversation.
    sessions: HashMap<u64, ChatSession>,
    verdict: Verdict,
}

/// A line of a transcript. Its texts are safe to show.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TranscriptEntry {
    /// Number of the frame with the first byte of the line.
    pub frame: u64,
    /// Capture time, counted from the first frame. `None` for a remark, or if the capture has no times.
    pub since: Option<Duration>,
    /// Sender, receiver and text; or a remark in brackets.
    pub text: String,
    /// The rule that the line breaks, if any.
    pub violation: Option<ViolationKind>,
}

impl fmt::Display for TranscriptEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.since.map(|since| format!("{}.{:06}", since.as_secs(), since.subsec_micros()));
        write!(f, "{:>6}  {:>14}  {}", self.frame, since.unwrap_or_default(), self.text)
    }
}

/// Summary of all chats of a capture.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Number of sessions in the commands dialect.
    pub n_commands: u64,
    /// Number of sessions in the line dialect.
    pub n_line: u64,
    /// Number of sessions whose dialect is known only from the server's port.
    pub n_guessed_from_port: u64,
    /// Number of conversations with data that are no chat, judged by their messages and their port.
    pub n_unrecognised: u64,
    /// Number of directions framed by LF.
    pub by_lines: u64,
    /// Number of directions framed by segments.
    pub by_segments: u64,
    /// Number of the frame with the first line in the wording of another server program.
    pub foreign: Option<u64>,
    /// The first line that the protocol does not allow, and the number of further ones.
    pub violations: Diagnostics<ViolationKind, 1>,
}

impl Verdict {
    /// Number of sessions in both dialects.
    #[must_use]
    pub const fn sessions(&self) -> u64 {
        self.n_commands + self.n_line
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (commands, line) = (self.n_commands, self.n_line);
        writeln!(f, "sessions: {commands} in the commands dialect, {line} in the line dialect")?;
        if self.n_unrecognised > 0 {
            writeln!(f, "conversations that are probably no chat: {}", self.n_unrecognised)?;
        }
        if self.by_segments > 0 {
            writeln!(
                f,
                "messages end in LF in {} directions; in {} others they do not, so each segment counts as a message",
                self.by_lines, self.by_segments,
            )?;
        }
        if let Some(frame) = self.foreign {
            writeln!(f, "the server is another program: from frame {frame} on, its lines have another wording")?;
        }
        match (self.violations.list().first(), self.violations.left_out()) {
            (None, _) if self.sessions() == 0 => Ok(()),
            (None, _) => writeln!(f, "the protocol allows every line of the server"),
            (Some(first), 0) => writeln!(f, "not allowed by the protocol: {first}"),
            (Some(first), more) => writeln!(f, "not allowed by the protocol, first: {first} (and {more} more)"),
        }
    }
}

impl StreamListener for Transcript {
    fn on_event(&mut self, event: StreamEvent<'_>) {
        self.streams.on_event(event);
    }

    fn on_end(&mut self, conversation: Conversation) {
        self.streams.on_end(&conversation);
    }
}

impl Transcript {
    /// Notes the capture time of a packet. The times in the transcript count from the first one.
    pub fn note_packet_time(&mut self, time: Option<Timestamp>) {
        self.start = self.start.or(time);
    }

    /// Whether the stored events exceed their bound. [`Transcript::write_entries`] frees them.
    #[must_use]
    pub const fn is_long(&self) -> bool {
        self.streams.bytes > SORTED_MAX_BYTES
    }

    /// Passes the entries so far to `write`, in the order of frames.
    pub fn write_entries<E>(&mut self, mut write: impl FnMut(TranscriptEntry) -> Result<(), E>) -> Result<(), E> {
        let events = self.streams.take_events();
        self.recognise_dialects(&events);
        events.iter().filter_map(|event| self.entry(event)).try_for_each(&mut write)
    }

    /// The summary. Call it after the last entry was written.
    #[must_use]
    pub fn verdict(self) -> Verdict {
        let ChatStreams { by_lines, by_segments, .. } = self.streams;
        Verdict { by_lines, by_segments, ..self.verdict }
    }

    /// Opens a session for each conversation that has none yet and whose dialect is now known.
    fn recognise_dialects(&mut self, events: &[ChatEvent]) {
        let dialect_of = |event: &ChatEvent, by_port: bool| match &event.kind {
            ChatEventKind::Message(_) if by_port => dialect_of_port(event.sender.server.port()),
            ChatEventKind::Message(message) => recognise(event.sender.side, &message.bytes),
            ChatEventKind::Gap(..) | ChatEventKind::End { .. } => None,
        };
        // Messages are better evidence than a port, so they come first.
        for by_port in [false, true] {
            for event in events {
                if let Some(dialect) = dialect_of(event, by_port)
                    && let hash_map::Entry::Vacant(entry) = self.sessions.entry(event.sender.number)
                {
                    entry.insert(ChatSession::new(dialect, event.from_start));
                    self.verdict.n_guessed_from_port += u64::from(by_port);
                    match dialect {
                        Dialect::Commands => self.verdict.n_commands += 1,
                        Dialect::Line => self.verdict.n_line += 1,
                    }
                }
            }
        }
    }

    /// The entry for an event; `None` if the transcript does not show the event.
    fn entry(&mut self, event: &ChatEvent) -> Option<TranscriptEntry> {
        let ConversationSide { number, side, client, server, .. } = event.sender;
        let remark = |frame, text| TranscriptEntry { frame, since: None, text, violation: None };
        let message = match &event.kind {
            ChatEventKind::Message(message) => message,
            ChatEventKind::Gap(frame, missing) => {
                self.sessions.get_mut(&number)?.lose_bytes();
                let text = format!("[missing here: {} from the {side} of {client} ↔ {server}]", Bytes(*missing));
                return Some(remark(*frame, text));
            }
            ChatEventKind::End { frame, refused, was_silent } => {
                if self.sessions.remove(&number).is_none() && !was_silent {
                    self.verdict.n_unrecognised += 1;
                }
                let cause = (*refused)?;
                return Some(remark(*frame, format!("[{client} did not reach {server}: {cause}]")));
            }
        };
        let text = String::from_utf8_lossy(&message.bytes);
        let text = text.strip_suffix('\r').unwrap_or(&text);
        let session = self.sessions.get_mut(&number)?;
        let name_before = session.name().map(str::to_owned);
        let (chat_line, violation) = session.read_line(side, text);
        if session.spelling() == Spelling::Foreign {
            self.verdict.foreign.get_or_insert(message.frame);
        }
        let name = name_before
            .as_deref()
            .or(session.name())
            .filter(|name| !name.is_empty())
            .map_or_else(|| client.to_string(), |name| sanitize(name).into_owned());
        let shown = entry_text(&name, session, &chat_line, text);
        let unfinished = if message.is_unfinished { "  [unfinished]" } else { "" };
        if let Some(violation) = &violation {
            self.verdict.violations.add(ViolationPlace { frame: message.frame, client: name }, violation.clone());
        }
        let since = message.time.zip(self.start).and_then(|(time, start)| time.since(start));
        Some(TranscriptEntry { frame: message.frame, since, text: shown + unfinished, violation })
    }
}

/// The text of an entry. `name` is the session's name, or its client's address.
fn entry_text(name: &str, session: &ChatSession, chat_line: &ChatLine<'_>, text: &str) -> String {
    let (session_name, text) = (name, sanitize(text));
    match chat_line {
        ChatLine::Request(Command::Register { name }) => {
            format!("{session_name} asks for the name {}", sanitize(name.as_str()))
        }
        ChatLine::Request(Command::Msg { text }) => {
            let peer = session.peer().map_or(Cow::Borrowed("?"), sanitize);
            format!("{session_name} → {peer}: {}", sanitize(text.as_str()))
        }
        ChatLine::Request(Command::Tell { to, text }) => {
            format!("{session_name} → {}: {}", sanitize(to), sanitize(text.as_str()))
        }
        ChatLine::Request(_) => format!("{session_name} → server: {text}"),
        ChatLine::Malformed(error) => format!("{session_name} → server: {text}  [{error}]"),
        ChatLine::Reply(Reply::From { name, text }) => {
            format!("{session_name} ← {}: {}", sanitize(name), sanitize(text))
        }
        ChatLine::Reply(_) => format!("{session_name} ← server: {text}"),
        ChatLine::UnknownReply => format!("{session_name} ← server: {text}  [not a line of this dialect]"),
        ChatLine::Blank => format!("{session_name} → server: [blank line]"),
    }
}

/// An event of a chat connection.
#[derive(Debug)]
struct ChatEvent {
    sender: ConversationSide,
    from_start: bool,
    kind: ChatEventKind,
}

#[derive(Debug)]
enum ChatEventKind {
    Message(FramedMessage),
    /// Number of the frame after the gap, and number of missing bytes.
    Gap(u64, u32),
    /// The conversation is over. `frame` is its last frame.
    End {
        frame: u64,
        /// The cause of the RST that refused the connection.
        refused: Option<ResetCause>,
        /// Whether the conversation had no data.
        was_silent: bool,
    },
}

impl ChatEvent {
    const fn frame(&self) -> u64 {
        match &self.kind {
            ChatEventKind::Message(message) => message.frame,
            ChatEventKind::Gap(frame, _) | ChatEventKind::End { frame, .. } => *frame,
        }
    }

    /// Memory of the event, in bytes.
    fn memory_bytes(&self) -> usize {
        EVENT_BYTES + if let ChatEventKind::Message(message) = &self.kind { message.bytes.capacity() } else { 0 }
    }
}

/// Splits the streams of open connections into messages, and stores them with other events until they are written.
#[derive(Debug, Default)]
struct ChatStreams {
    /// Open connections, by the number of their conversation.
    live: HashMap<u64, ChatConnection>,
    events: Vec<ChatEvent>,
    /// Memory of `events`, in bytes.
    bytes: usize,
    /// Memory of incomplete lines, in bytes.
    unfinished_bytes: usize,
    /// Number of ended directions framed by LF.
    by_lines: u64,
    /// Number of ended directions framed by segments.
    by_segments: u64,
}

/// The two directions of a connection.
#[derive(Debug)]
struct ChatConnection {
    sender: ConversationSide,
    from_start: bool,
    client: MessageFramer,
    server: MessageFramer,
}

impl ChatConnection {
    const fn unfinished_bytes(&self) -> usize {
        self.client.unfinished_bytes() + self.server.unfinished_bytes()
    }

    /// Ends both directions. Passes their incomplete lines to `emit`.
    fn end(&mut self, now: Option<Timestamp>, emit: &mut dyn FnMut(ChatEvent)) {
        let Self { sender, from_start, .. } = *self;
        for (from, framer) in [(Side::Client, &mut self.client), (Side::Server, &mut self.server)] {
            let sender = ConversationSide { side: from, ..sender };
            framer
                .end(now, &mut |message| emit(ChatEvent { sender, from_start, kind: ChatEventKind::Message(message) }));
        }
    }
}

impl ChatStreams {
    /// Removes and returns all stored events, in the order of frames.
    fn take_events(&mut self) -> Vec<ChatEvent> {
        self.bytes = 0;
        let mut events = mem::take(&mut self.events);
        events.sort_by_key(ChatEvent::frame);
        events
    }

    fn on_event(&mut self, event: StreamEvent<'_>) {
        let StreamEvent { sender, frame, time, item, from_start } = event;
        let (events, bytes_of_events) = (&mut self.events, &mut self.bytes);
        let mut store = |event: ChatEvent| {
            *bytes_of_events += event.memory_bytes();
            events.push(event);
        };
        let mut store_kind =
            |side, kind| store(ChatEvent { sender: ConversationSide { side, ..sender }, from_start, kind });
        let connection = self.live.entry(sender.number).or_insert_with(|| ChatConnection {
            sender,
            from_start,
            client: MessageFramer::default(),
            server: MessageFramer::default(),
        });
        let bytes_before = connection.unfinished_bytes();
        let (framer, other) = sender.side.own_and_other(&mut connection.client, &mut connection.server);
        match item {
            StreamItem::Data { bytes, .. } => {
                other.answered(&mut |message| store_kind(sender.side.other(), ChatEventKind::Message(message)));
                framer
                    .push(frame, time, bytes, &mut |message| store_kind(sender.side, ChatEventKind::Message(message)));
            }
            StreamItem::Gap { bytes: missing } => {
                framer.end(time, &mut |message| store_kind(sender.side, ChatEventKind::Message(message)));
                store_kind(sender.side, ChatEventKind::Gap(frame, missing));
            }
            StreamItem::Fin | StreamItem::Reset => {
                framer.end(time, &mut |message| store_kind(sender.side, ChatEventKind::Message(message)));
            }
        }
        self.unfinished_bytes = self.unfinished_bytes - bytes_before + connection.unfinished_bytes();
        if self.unfinished_bytes > UNFINISHED_MAX_BYTES {
            // End the longest lines until half of the memory is free, so that this search is rare.
            let mut longest: Vec<_> =
                self.live.values_mut().filter(|connection| connection.unfinished_bytes() > 0).collect();
            longest
                .sort_unstable_by_key(|connection| Reverse((connection.unfinished_bytes(), connection.sender.number)));
            for connection in longest {
                self.unfinished_bytes -= connection.unfinished_bytes();
                connection.end(time, &mut store);
                self.unfinished_bytes += connection.unfinished_bytes();
                if self.unfinished_bytes <= UNFINISHED_MAX_BYTES / 2 {
                    break;
                }
            }
        }
    }

    fn on_end(&mut self, conversation: &Conversation) {
        if conversation.transport != Transport::Tcp {
            return;
        }
        let Conversation {
            number,
            client,
            server,
            handshake,
            last_frame,
            last,
            reset_cause,
            from_client,
            from_server,
            ..
        } = *conversation;
        let sender = ConversationSide { transport: Transport::Tcp, number, side: Side::Server, client, server };
        let from_start = handshake != Handshake::None;
        let mut store = |event: ChatEvent| {
            self.bytes += event.memory_bytes();
            self.events.push(event);
        };
        if let Some(mut connection) = self.live.remove(&number) {
            self.unfinished_bytes -= connection.unfinished_bytes();
            connection.end(last, &mut store);
            for framing in [connection.client.framing(), connection.server.framing()] {
                match framing {
                    Some(Framing::Lines) => self.by_lines += 1,
                    Some(Framing::Segments) => self.by_segments += 1,
                    None => {}
                }
            }
        }
        let refused = reset_cause.filter(|_| handshake == Handshake::Refused);
        let was_silent = from_client.bytes + from_server.bytes == 0;
        store(ChatEvent { sender, from_start, kind: ChatEventKind::End { frame: last_frame, refused, was_silent } });
    }
}

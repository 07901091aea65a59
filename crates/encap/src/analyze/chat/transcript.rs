//! The transcript of every chat in a capture: each line with who says it to whom, and whether the protocol allows it.

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

/// Bytes of text that are sorted at once: more, and what came first is given out before all has been heard.
const SORTED_MAX_BYTES: usize = 16 * 1024 * 1024;
/// ChatEventKind of all connections is no whole line yet, in bytes of memory: more, and the longest are taken for unfinished.
const UNFINISHED_MAX_BYTES: usize = 8 * 1024 * 1024;
/// ChatEventKind an entry takes beside its text, in bytes.
const ENTRY_BYTES: usize = 256;

/// Hears the streams of a capture, and tells what is said in them.
#[derive(Debug, Default)]
pub struct Transcript {
    /// When the first frame was captured.
    start: Option<Timestamp>,
    talks: ChatStreams,
    /// The sessions that go on.
    sessions: HashMap<u64, ChatSession>,
    verdict: Verdict,
}

/// A line of a transcript. Every text in it is safe to show.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TranscriptEntry {
    /// The frame that brought it.
    pub frame: u64,
    /// When that was captured, from the first frame on.
    pub since: Option<Duration>,
    /// Who says what to whom; in brackets, what is not said by anybody.
    pub text: String,
    /// The rule that the line breaks.
    pub violation: Option<ViolationKind>,
}

impl fmt::Display for TranscriptEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.since.map(|since| format!("{}.{:06}", since.as_secs(), since.subsec_micros()));
        write!(f, "{:>6}  {:>14}  {}", self.frame, since.unwrap_or_default(), self.text)
    }
}

/// ChatEventKind there is to say of all chats of a capture together.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Sessions in the commands dialect.
    pub n_commands: u64,
    /// Sessions in the line dialect.
    pub n_line: u64,
    /// Those of them of which the server's port alone tells their dialect.
    pub n_by_port: u64,
    /// Conversations of which nothing tells that they are chats.
    pub n_unrecognised: u64,
    /// Directions whose messages are parted by LF.
    pub by_lines: u64,
    /// Directions whose messages are parted by segments.
    pub by_segments: u64,
    /// The first line of a server that another program than ours would say.
    pub foreign: Option<u64>,
    /// The first line that the protocol does not allow, and the number of the others.
    pub violations: Diagnostics<ViolationKind, 1>,
}

impl Verdict {
    /// Sessions in either dialect.
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
            writeln!(f, "conversations that are no chat, as far as can be told: {}", self.n_unrecognised)?;
        }
        if self.by_segments > 0 {
            writeln!(
                f,
                "messages are parted by LF in {} directions, and taken by segments in {}, which do not end theirs in LF",
                self.by_lines, self.by_segments,
            )?;
        }
        if let Some(frame) = self.foreign {
            writeln!(f, "the server is another program: from frame {frame} on, it words its lines in its own way")?;
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
    fn said(&mut self, said: StreamEvent<'_>) {
        self.talks.said(said);
    }

    fn over(&mut self, conversation: Conversation) {
        self.talks.over(&conversation);
    }
}

impl Transcript {
    /// Tells when a packet was captured: times are counted from the first of them.
    pub fn packet_at(&mut self, time: Option<Timestamp>) {
        self.start = self.start.or(time);
    }

    /// Whether more was heard than is to be held: [`Transcript::tell`] makes room.
    #[must_use]
    pub const fn is_long(&self) -> bool {
        self.talks.bytes > SORTED_MAX_BYTES
    }

    /// Gives out what was heard so far, in the order of frames.
    pub fn tell<E>(&mut self, mut give: impl FnMut(TranscriptEntry) -> Result<(), E>) -> Result<(), E> {
        let heard = self.talks.take();
        self.recognise(&heard);
        heard.iter().filter_map(|heard| self.entry(heard)).try_for_each(&mut give)
    }

    /// ChatEventKind there is to say of all together, once all was told.
    #[must_use]
    pub fn verdict(self) -> Verdict {
        let ChatStreams { by_lines, by_segments, .. } = self.talks;
        Verdict { by_lines, by_segments, ..self.verdict }
    }

    /// Finds the dialect of each conversation that has none yet.
    fn recognise(&mut self, heard: &[ChatEvent]) {
        // ChatEventKind is said tells more than a port.
        let found = |heard: &ChatEvent, by_port: bool| match &heard.what {
            ChatEventKind::Message(_) if by_port => dialect_of_port(heard.sender.server.port()),
            ChatEventKind::Message(message) => recognise(heard.sender.side, &message.bytes),
            ChatEventKind::Gap(..) | ChatEventKind::Over { .. } => None,
        };
        for by_port in [false, true] {
            for heard in heard {
                if let Some(dialect) = found(heard, by_port)
                    && let hash_map::Entry::Vacant(entry) = self.sessions.entry(heard.sender.number)
                {
                    entry.insert(ChatSession::new(dialect, heard.from_start));
                    self.verdict.n_by_port += u64::from(by_port);
                    match dialect {
                        Dialect::Commands => self.verdict.n_commands += 1,
                        Dialect::Line => self.verdict.n_line += 1,
                    }
                }
            }
        }
    }

    fn entry(&mut self, heard: &ChatEvent) -> Option<TranscriptEntry> {
        let ConversationSide { number, side, client, server, .. } = heard.sender;
        let remark = |frame, text| TranscriptEntry { frame, since: None, text, violation: None };
        let message = match &heard.what {
            ChatEventKind::Message(message) => message,
            ChatEventKind::Gap(frame, missing) => {
                self.sessions.get_mut(&number)?.lose_bytes();
                let text = format!("[{} of {client} ↔ {server}, from the {side}, missing here]", Bytes(*missing));
                return Some(remark(*frame, text));
            }
            ChatEventKind::Over { frame, refused, was_silent } => {
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
        let before = session.name().map(str::to_owned);
        let (turn, violation) = session.read_line(side, text);
        if session.spelling() == Spelling::Foreign {
            self.verdict.foreign.get_or_insert(message.frame);
        }
        let who = before
            .as_deref()
            .or(session.name())
            .filter(|name| !name.is_empty())
            .map_or_else(|| client.to_string(), |name| sanitize(name).into_owned());
        let said = line(&who, session, &turn, text);
        let unfinished = if message.is_unfinished { "  [unfinished]" } else { "" };
        if let Some(violation) = &violation {
            self.verdict.violations.add(ViolationPlace { frame: message.frame, client: who }, violation.clone());
        }
        let since = message.time.zip(self.start).and_then(|(time, start)| time.since(start));
        Some(TranscriptEntry { frame: message.frame, since, text: said + unfinished, violation })
    }
}

/// A line of the transcript: who says what to whom.
fn line(who: &str, session: &ChatSession, turn: &ChatLine<'_>, text: &str) -> String {
    let text = sanitize(text);
    match turn {
        ChatLine::Request(Command::Register { name }) => format!("{who} asks for the name {}", sanitize(name.as_str())),
        ChatLine::Request(Command::Msg { text }) => {
            let peer = session.peer().map_or(Cow::Borrowed("?"), sanitize);
            format!("{who} → {peer}: {}", sanitize(text.as_str()))
        }
        ChatLine::Request(Command::Tell { to, text }) => {
            format!("{who} → {}: {}", sanitize(to), sanitize(text.as_str()))
        }
        ChatLine::Request(_) => format!("{who} → server: {text}"),
        ChatLine::Malformed(error) => format!("{who} → server: {text}  [{error}]"),
        ChatLine::Reply(Reply::From { name, text }) => format!("{who} ← {}: {}", sanitize(name), sanitize(text)),
        ChatLine::Reply(_) => format!("{who} ← server: {text}"),
        ChatLine::UnknownReply => format!("{who} ← server: {text}  [no line of this dialect]"),
        ChatLine::Blank => format!("{who} → server: [a blank line]"),
    }
}

/// One thing that was heard, and where.
#[derive(Debug)]
struct ChatEvent {
    sender: ConversationSide,
    from_start: bool,
    what: ChatEventKind,
}

#[derive(Debug)]
enum ChatEventKind {
    Message(FramedMessage),
    /// So many bytes are not there.
    Gap(u64, u32),
    /// Nothing more comes after this frame.
    Over {
        frame: u64,
        refused: Option<ResetCause>,
        was_silent: bool,
    },
}

impl ChatEvent {
    const fn frame(&self) -> u64 {
        match &self.what {
            ChatEventKind::Message(message) => message.frame,
            ChatEventKind::Gap(frame, _) | ChatEventKind::Over { frame, .. } => *frame,
        }
    }

    /// ChatEventKind it takes, in bytes.
    fn weight(&self) -> usize {
        ENTRY_BYTES + if let ChatEventKind::Message(message) = &self.what { message.bytes.capacity() } else { 0 }
    }
}

/// ChatEventKind is said over each connection, parted into messages.
#[derive(Debug, Default)]
struct ChatStreams {
    live: HashMap<u64, ChatConnection>,
    heard: Vec<ChatEvent>,
    /// ChatEventKind they take, in bytes.
    bytes: usize,
    /// ChatEventKind is unfinished, in bytes of memory.
    unfinished_bytes: usize,
    /// Directions whose messages are parted by LF, and by segments.
    by_lines: u64,
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

    /// Gives out what is unfinished.
    fn end(&mut self, now: Option<Timestamp>, give: &mut dyn FnMut(ChatEvent)) {
        let Self { sender, from_start, .. } = *self;
        for (from, lines) in [(Side::Client, &mut self.client), (Side::Server, &mut self.server)] {
            let sender = ConversationSide { side: from, ..sender };
            lines
                .end(now, &mut |message| give(ChatEvent { sender, from_start, what: ChatEventKind::Message(message) }));
        }
    }
}

impl ChatStreams {
    /// ChatEventKind was heard so far, in the order of frames.
    fn take(&mut self) -> Vec<ChatEvent> {
        self.bytes = 0;
        let mut heard = mem::take(&mut self.heard);
        heard.sort_by_key(ChatEvent::frame);
        heard
    }

    fn said(&mut self, said: StreamEvent<'_>) {
        let StreamEvent { sender, frame, time, item, from_start } = said;
        let (heard, sum) = (&mut self.heard, &mut self.bytes);
        let mut keep = |one: ChatEvent| {
            *sum += one.weight();
            heard.push(one);
        };
        let mut give =
            |from, what| keep(ChatEvent { sender: ConversationSide { side: from, ..sender }, from_start, what });
        let talk = self.live.entry(sender.number).or_insert_with(|| ChatConnection {
            sender,
            from_start,
            client: MessageFramer::default(),
            server: MessageFramer::default(),
        });
        let before = talk.unfinished_bytes();
        let (lines, other) = match sender.side {
            Side::Client => (&mut talk.client, &mut talk.server),
            Side::Server => (&mut talk.server, &mut talk.client),
        };
        match item {
            StreamItem::Data { bytes, .. } => {
                other.answered(&mut |message| give(sender.side.other(), ChatEventKind::Message(message)));
                lines.push(frame, time, bytes, &mut |message| give(sender.side, ChatEventKind::Message(message)));
            }
            StreamItem::Gap { bytes: missing } => {
                lines.end(time, &mut |message| give(sender.side, ChatEventKind::Message(message)));
                give(sender.side, ChatEventKind::Gap(frame, missing));
            }
            StreamItem::Fin | StreamItem::Reset => {
                lines.end(time, &mut |message| give(sender.side, ChatEventKind::Message(message)))
            }
        }
        self.unfinished_bytes = self.unfinished_bytes - before + talk.unfinished_bytes();
        if self.unfinished_bytes > UNFINISHED_MAX_BYTES {
            let mut longest: Vec<_> = self.live.values_mut().filter(|talk| talk.unfinished_bytes() > 0).collect();
            longest.sort_unstable_by_key(|talk| Reverse((talk.unfinished_bytes(), talk.sender.number)));
            for talk in longest {
                self.unfinished_bytes -= talk.unfinished_bytes();
                talk.end(time, &mut keep);
                self.unfinished_bytes += talk.unfinished_bytes();
                if self.unfinished_bytes <= UNFINISHED_MAX_BYTES / 2 {
                    break;
                }
            }
        }
    }

    fn over(&mut self, conversation: &Conversation) {
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
        let mut keep = |heard: ChatEvent| {
            self.bytes += heard.weight();
            self.heard.push(heard);
        };
        if let Some(mut talk) = self.live.remove(&number) {
            self.unfinished_bytes -= talk.unfinished_bytes();
            talk.end(last, &mut keep);
            for framing in [talk.client.framing(), talk.server.framing()] {
                match framing {
                    Some(Framing::Lines) => self.by_lines += 1,
                    Some(Framing::Segments) => self.by_segments += 1,
                    None => {}
                }
            }
        }
        let refused = reset_cause.filter(|_| handshake == Handshake::Refused);
        let was_silent = from_client.bytes + from_server.bytes == 0;
        keep(ChatEvent { sender, from_start, what: ChatEventKind::Over { frame: last_frame, refused, was_silent } });
    }
}

//! `encap chat`: the transcript of a chat, and whether the protocol allows each line.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{HashMap, hash_map};
use std::io::{self, BufWriter, Write};
use std::mem;
use std::path::PathBuf;
use std::process::ExitCode;

use switchboard_encap::analyze::chat::{Framing, Lines, Message, Session, Spelling, Turn, dialect_of_port, recognise};
use switchboard_encap::analyze::{
    Conversation, Focus, Handshake, Item, Listener, Place, ResetCause, Said, Side, Streams, Transport,
};
use switchboard_encap::time::Timestamp;
use switchboard_protocol::{Command, Dialect, Reply, show};

use super::capture_file::{CaptureFile, count, safe, unused};
use super::failure::Failure;

/// A line breaks the protocol.
const EXIT_ILLEGAL: u8 = 1;
/// Bytes of text that are sorted at once: more, and what came first is shown before all has been read.
const SORTED_MAX_BYTES: usize = 16 * 1024 * 1024;
/// What of all connections is no whole line yet, in bytes of memory: more, and the longest are taken for unfinished.
const UNFINISHED_MAX_BYTES: usize = 8 * 1024 * 1024;
/// What an entry takes beside its text, in bytes.
const ENTRY_BYTES: usize = 256;

/// Prints the transcript of a chat, and names the first line that the protocol does not allow
///
/// Both dialects are read, known by what is said, or else by the server's port (12345 commands, 8080 line). Where a side
/// sends its messages without LF and is answered all the same, each segment is taken for one. Times are seconds from the
/// first frame. Exit status: 0 if all is as the protocol has it, 1 if not, 3 if there is no chat or the file cannot be read
/// to its end.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The capture, or - for standard input
    file: PathBuf,
    /// Only conversations with this port on either side
    #[arg(long)]
    port: Option<u16>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let mut file = CaptureFile::open(&args.file)?;
    let focus = args.port.map(|port| Focus { port: Some(port), ..Focus::default() });
    let mut streams = Streams::new(focus.into_iter().collect());
    let mut talks = Talks::default();
    let mut transcript = Transcript::new(BufWriter::new(io::stdout().lock()));
    file.read(|packet| {
        transcript.start = transcript.start.or(packet.time);
        if packet.remarks.len() > transcript.n_origin {
            transcript.origin.extend(safe(&packet.remarks[transcript.n_origin..]));
            transcript.n_origin = packet.remarks.len();
        }
        streams.packet(packet, &mut talks);
        if talks.bytes > SORTED_MAX_BYTES { transcript.print(&talks.take()) } else { Ok(()) }
    })?;
    let totals = streams.finish(&mut talks);
    transcript.print(&talks.take())?;
    transcript.end(&talks)?;
    let name = file.name();
    for remark in unused(&totals).into_iter().chain(file.remarks()) {
        eprintln!("encap: {name}: {remark}");
    }
    file.finish()?;
    if transcript.n_commands + transcript.n_line == 0 {
        return Err(Failure::NoChat { file: name });
    }
    Ok(if transcript.illegal.is_some() { ExitCode::from(EXIT_ILLEGAL) } else { ExitCode::SUCCESS })
}

/// One message and where it was said.
struct Entry {
    place: Place,
    from_start: bool,
    what: What,
}

enum What {
    Message(Message),
    /// So many bytes are not there.
    Gap(u64, u32),
    /// Nothing more comes after this frame.
    Over {
        frame: u64,
        refused: Option<ResetCause>,
        was_silent: bool,
    },
}

impl Entry {
    const fn frame(&self) -> u64 {
        match &self.what {
            What::Message(message) => message.frame,
            What::Gap(frame, _) | What::Over { frame, .. } => *frame,
        }
    }
}

/// What is said over each connection, parted into messages.
#[derive(Default)]
struct Talks {
    live: HashMap<u64, Talk>,
    entries: Vec<Entry>,
    /// What the entries take, in bytes.
    bytes: usize,
    /// What is unfinished, in bytes of memory.
    unfinished_bytes: usize,
    /// Directions whose messages are parted by LF, and by segments.
    by_lines: u64,
    by_segments: u64,
}

/// The two directions of a connection.
struct Talk {
    place: Place,
    from_start: bool,
    client: Lines,
    server: Lines,
}

impl Talk {
    const fn unfinished_bytes(&self) -> usize {
        self.client.unfinished_bytes() + self.server.unfinished_bytes()
    }

    /// Gives out what is unfinished.
    fn end(&mut self, now: Option<Timestamp>, give: &mut dyn FnMut(Entry)) {
        let Self { place, from_start, .. } = *self;
        for (from, lines) in [(Side::Client, &mut self.client), (Side::Server, &mut self.server)] {
            let place = Place { from, ..place };
            lines.end(now, &mut |message| give(Entry { place, from_start, what: What::Message(message) }));
        }
    }
}

impl Entry {
    /// What it takes, in bytes.
    fn weight(&self) -> usize {
        ENTRY_BYTES + if let What::Message(message) = &self.what { message.bytes.capacity() } else { 0 }
    }
}

impl Talks {
    /// The entries so far, in the order of their frames.
    fn take(&mut self) -> Vec<Entry> {
        self.bytes = 0;
        let mut entries = mem::take(&mut self.entries);
        entries.sort_by_key(Entry::frame);
        entries
    }
}

impl Listener for Talks {
    fn said(&mut self, said: Said<'_>) {
        let Said { place, frame, time, item, from_start } = said;
        let (entries, sum) = (&mut self.entries, &mut self.bytes);
        let mut keep = |entry: Entry| {
            *sum += entry.weight();
            entries.push(entry);
        };
        let mut give = |from, what| keep(Entry { place: Place { from, ..place }, from_start, what });
        let talk = self.live.entry(place.number).or_insert_with(|| Talk {
            place,
            from_start,
            client: Lines::default(),
            server: Lines::default(),
        });
        let before = talk.unfinished_bytes();
        let (lines, other) = match place.from {
            Side::Client => (&mut talk.client, &mut talk.server),
            Side::Server => (&mut talk.server, &mut talk.client),
        };
        match item {
            Item::Data { bytes, .. } => {
                other.answered(&mut |message| give(place.from.other(), What::Message(message)));
                lines.push(frame, time, bytes, &mut |message| give(place.from, What::Message(message)));
            }
            Item::Gap { bytes: missing } => {
                lines.end(time, &mut |message| give(place.from, What::Message(message)));
                give(place.from, What::Gap(frame, missing));
            }
            Item::Fin | Item::Reset => lines.end(time, &mut |message| give(place.from, What::Message(message))),
        }
        self.unfinished_bytes = self.unfinished_bytes - before + talk.unfinished_bytes();
        if self.unfinished_bytes > UNFINISHED_MAX_BYTES {
            let mut longest: Vec<_> = self.live.values_mut().filter(|talk| talk.unfinished_bytes() > 0).collect();
            longest.sort_unstable_by_key(|talk| Reverse((talk.unfinished_bytes(), talk.place.number)));
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

    fn over(&mut self, conversation: Conversation) {
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
        } = conversation;
        let place = Place { transport: Transport::Tcp, number, from: Side::Client, client, server };
        let from_start = handshake != Handshake::None;
        let mut keep = |entry: Entry| {
            self.bytes += entry.weight();
            self.entries.push(entry);
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
        let what = What::Over { frame: last_frame, refused, was_silent };
        keep(Entry { place: Place { from: Side::Server, ..place }, from_start, what });
    }
}

/// Prints what was said, and judges it.
struct Transcript<W> {
    out: W,
    /// What the capture says of itself, until that is said, and how much of it there was.
    origin: Vec<String>,
    n_origin: usize,
    /// When the first frame was captured.
    start: Option<Timestamp>,
    /// The sessions that go on.
    sessions: HashMap<u64, Session>,
    /// How many there were in each dialect.
    n_commands: u64,
    n_line: u64,
    /// Conversations of which nothing tells that they are chats.
    n_unrecognised: u64,
    /// The first line that the protocol does not allow, and why.
    illegal: Option<String>,
    /// How many more there are.
    n_illegal: u64,
    /// The first line of a server that another program than ours would say.
    foreign: Option<u64>,
}

impl<W: Write> Transcript<W> {
    fn new(out: W) -> Self {
        Self {
            out,
            origin: Vec::new(),
            n_origin: 0,
            start: None,
            sessions: HashMap::new(),
            n_commands: 0,
            n_line: 0,
            n_unrecognised: 0,
            illegal: None,
            n_illegal: 0,
            foreign: None,
        }
    }

    fn print(&mut self, entries: &[Entry]) -> io::Result<()> {
        for origin in self.origin.drain(..) {
            writeln!(self.out, "[{origin}]")?;
        }
        // What is said tells more than a port.
        let found = |entry: &Entry, by_port: bool| match &entry.what {
            What::Message(_) if by_port => dialect_of_port(entry.place.server.port()),
            What::Message(message) => recognise(entry.place.from, &message.bytes),
            What::Gap(..) | What::Over { .. } => None,
        };
        for by_port in [false, true] {
            for entry in entries {
                if let Some(dialect) = found(entry, by_port) {
                    let number = entry.place.number;
                    if let hash_map::Entry::Vacant(place) = self.sessions.entry(number) {
                        place.insert(Session::new(dialect, entry.from_start));
                        match dialect {
                            Dialect::Commands => self.n_commands += 1,
                            Dialect::Line => self.n_line += 1,
                        }
                    }
                }
            }
        }
        entries.iter().try_for_each(|entry| self.entry(entry))
    }

    fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        let Place { number, from, client, server, .. } = entry.place;
        let message = match &entry.what {
            What::Message(message) => message,
            What::Gap(frame, missing) => {
                let Some(session) = self.sessions.get_mut(&number) else { return Ok(()) };
                session.lose();
                return writeln!(
                    self.out,
                    "{frame:>6}  {:>14}  [{} of {client} ↔ {server}, from the {from}, missing here]",
                    "",
                    count(u64::from(*missing), "byte"),
                );
            }
            What::Over { frame, refused, was_silent } => {
                if self.sessions.remove(&number).is_none() && !was_silent {
                    self.n_unrecognised += 1;
                }
                let Some(cause) = refused else { return Ok(()) };
                return writeln!(self.out, "{frame:>6}  {:>14}  [{client} did not reach {server}: {cause}]", "");
            }
        };
        let text = String::from_utf8_lossy(&message.bytes);
        let text = text.strip_suffix('\r').unwrap_or(&text);
        let Some(session) = self.sessions.get_mut(&number) else { return Ok(()) };
        let before = session.name().map(str::to_owned);
        let (turn, violation) = session.hear(from, text);
        if session.spelling() == Spelling::Foreign {
            self.foreign.get_or_insert(message.frame);
        }
        let who = before
            .as_deref()
            .or(session.name())
            .filter(|name| !name.is_empty())
            .map_or_else(|| client.to_string(), |name| show::safe(name).into_owned());
        let said = line(&who, session, &turn, text);
        let since = message.time.zip(self.start).and_then(|(time, start)| time.since(start));
        let since = since.map_or_else(String::new, |since| format!("{}.{:06}", since.as_secs(), since.subsec_micros()));
        let unfinished = if message.is_unfinished { "  [unfinished]" } else { "" };
        writeln!(self.out, "{:>6}  {since:>14}  {said}{unfinished}", message.frame)?;
        if let Some(violation) = violation {
            let why = format!("frame {}, to {who}: {}", message.frame, show::safe(&violation.to_string()));
            match &self.illegal {
                None => self.illegal = Some(why),
                Some(_) => self.n_illegal += 1,
            }
        }
        Ok(())
    }

    fn end(&mut self, talks: &Talks) -> io::Result<()> {
        let (commands, line) = (self.n_commands, self.n_line);
        writeln!(self.out, "\nsessions: {commands} in the commands dialect, {line} in the line dialect")?;
        if self.n_unrecognised > 0 {
            writeln!(self.out, "conversations that are no chat, as far as can be told: {}", self.n_unrecognised)?;
        }
        if talks.by_segments > 0 {
            writeln!(
                self.out,
                "messages are parted by LF in {} directions, and taken by segments in {}, which do not end theirs in LF",
                talks.by_lines, talks.by_segments,
            )?;
        }
        if let Some(frame) = self.foreign {
            writeln!(
                self.out,
                "the server is another program: from frame {frame} on, it words its lines in its own way"
            )?;
        }
        match (&self.illegal, self.n_illegal) {
            (None, _) if commands + line == 0 => {}
            (None, _) => writeln!(self.out, "the protocol allows every line of the server")?,
            (Some(why), 0) => writeln!(self.out, "not allowed by the protocol: {why}")?,
            (Some(why), more) => writeln!(self.out, "not allowed by the protocol, first: {why} (and {more} more)")?,
        }
        self.out.flush()
    }
}

/// A line of the transcript: who says what to whom.
fn line(who: &str, session: &Session, turn: &Turn<'_>, text: &str) -> String {
    let text = show::safe(text);
    match turn {
        Turn::Asks(Command::Register { name }) => format!("{who} asks for the name {}", show::safe(name.as_str())),
        Turn::Asks(Command::Msg { text }) => {
            let peer = session.peer().map_or(Cow::Borrowed("?"), show::safe);
            format!("{who} → {peer}: {}", show::safe(text.as_str()))
        }
        Turn::Asks(Command::Tell { to, text }) => format!("{who} → {}: {}", show::safe(to), show::safe(text.as_str())),
        Turn::Asks(_) => format!("{who} → server: {text}"),
        Turn::Fails(error) => format!("{who} → server: {text}  [{error}]"),
        Turn::Says(Reply::From { name, text }) => format!("{who} ← {}: {}", show::safe(name), show::safe(text)),
        Turn::Says(_) => format!("{who} ← server: {text}"),
        Turn::Unknown => format!("{who} ← server: {text}  [no line of this dialect]"),
        Turn::Blank => format!("{who} → server: [a blank line]"),
    }
}

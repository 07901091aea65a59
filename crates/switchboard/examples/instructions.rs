//! Runs one operation of the message path many times, for a profiler that counts instructions.
//!
//! ```sh
//! cargo run --release --example instructions                            # lists the operations
//! cargo run --release --example instructions -- parse/msg-ascii 1024    # runs one of them 1024 times
//! ```
//!
//! `cargo xtask bench instructions` runs each operation twice under callgrind, with different numbers of repetitions.
//! The difference between the two counts is the cost of the extra repetitions, without start-up and preparation.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use switchboard_core::{CloseReason, Effects, Event, Full, SessionId, Switchboard};
use switchboard_protocol::limits::{LINE_MAX_BYTES, TEXT_MAX_BYTES};
use switchboard_protocol::{
    AfterReply, Command, Dialect, ErrorCode, LineDecoder, ReceivedBytes, Reply, Text, Username,
};

/// Number of lines in a full read of the server: 64 KiB in lines of 64 bytes.
const LINES: usize = 1024;

/// A message of 64 bytes, including the LF.
const MSG_ASCII: &[u8] = b"MSG the quick brown fox jumps over the lazy dog, and once again\n";
/// A message of as many bytes, with letters of two bytes each.
const MSG_HEBREW: &[u8] = "MSG דג סקרן שט בים זך ולפתע פגש חברים\n".as_bytes();
const _: () = assert!(MSG_ASCII.len() * LINES == 64 * 1024 && MSG_HEBREW.len() == MSG_ASCII.len());

/// Number of registered users besides the two that chat.
const OTHERS: usize = 100;

/// Number of distinct names for the sessions of [`Fixture::come_and_go`].
const VISITORS: usize = 256;

struct Operation {
    name: &'static str,
    /// Runs the operation the given number of times.
    run: fn(usize),
}

const OPERATIONS: &[Operation] = &[
    Operation { name: "decode/whole", run: |times| decode(times, &MSG_ASCII.repeat(LINES)) },
    Operation { name: "decode/cut", run: decode_cut },
    Operation { name: "parse/msg-ascii", run: |times| parse(times, Dialect::Commands, MSG_ASCII) },
    Operation { name: "parse/msg-hebrew", run: |times| parse(times, Dialect::Commands, MSG_HEBREW) },
    Operation { name: "parse/ping", run: |times| parse(times, Dialect::Commands, b"PING\n") },
    Operation { name: "parse/register-ascii", run: |times| parse(times, Dialect::Commands, b"REGISTER Noy\n") },
    Operation {
        name: "parse/register-hebrew",
        run: |times| parse(times, Dialect::Commands, "REGISTER נוי\n".as_bytes()),
    },
    Operation { name: "parse/unknown-verb", run: |times| parse(times, Dialect::Commands, b"SHOUT hello\n") },
    Operation { name: "parse/control-character", run: |times| parse(times, Dialect::Commands, b"MSG \x1b[31mred\n") },
    Operation { name: "parse/bad-name", run: |times| parse(times, Dialect::Commands, b"REGISTER a,b\n") },
    Operation { name: "parse-line/ascii", run: |times| parse(times, Dialect::Line, b"Elias: the quick brown fox\n") },
    Operation {
        name: "parse-line/hebrew",
        run: |times| parse(times, Dialect::Line, "אליאס: דג סקרן שט בים\n".as_bytes()),
    },
    Operation { name: "parse-line/missing-colon", run: |times| parse(times, Dialect::Line, b"the quick brown fox\n") },
    Operation { name: "handle/msg", run: |times| Fixture::new().repeat(times, &msg_command()) },
    Operation { name: "handle/tell", run: |times| Fixture::new().repeat(times, &tell_command()) },
    Operation { name: "handle/ping", run: |times| Fixture::new().repeat(times, &Command::Ping) },
    Operation { name: "handle/who", run: |times| Fixture::new().repeat(times, &Command::Who) },
    Operation { name: "handle/who-after-change", run: |times| Fixture::new().come_and_go(times, &[Command::Who]) },
    Operation { name: "handle/come-and-go", run: |times| Fixture::new().come_and_go(times, &[]) },
    Operation {
        name: "handle/connect-disconnect",
        run: |times| {
            let connect = Command::Connect { to: "Other0".into() };
            Fixture::new().come_and_go(times, &[connect, Command::Disconnect]);
        },
    },
    Operation { name: "encode/from", run: |times| encode(times, Dialect::Commands, &from_reply()) },
    Operation { name: "encode/msg-sent", run: |times| encode(times, Dialect::Commands, &Reply::MsgSent) },
    Operation { name: "encode/pong", run: |times| encode(times, Dialect::Commands, &Reply::Pong) },
    Operation { name: "encode/error", run: |times| encode(times, Dialect::Commands, &ErrorCode::UserNotFound.into()) },
    Operation { name: "encode-line/from", run: |times| encode(times, Dialect::Line, &from_reply()) },
    Operation { name: "encode-line/error", run: |times| encode(times, Dialect::Line, &ErrorCode::UserNotFound.into()) },
    Operation { name: "walk/msg", run: |times| walk(times, Dialect::Commands, MSG_ASCII) },
    Operation {
        name: "walk/line",
        run: |times| walk(times, Dialect::Line, b"Elias: the quick brown fox jumps over\n"),
    },
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let chosen = match &args[..] {
        [] => {
            for operation in OPERATIONS {
                println!("{}", operation.name);
            }
            return ExitCode::SUCCESS;
        }
        [name, times] => OPERATIONS.iter().find(|operation| operation.name == name).zip(times.parse().ok()),
        _ => None,
    };
    let Some((operation, times)) = chosen else {
        eprintln!("give an operation and a number of repetitions, or no argument to list the operations");
        return ExitCode::FAILURE;
    };
    (operation.run)(times);
    ExitCode::SUCCESS
}

/// Decodes `read` repeatedly, until the decoder has returned `lines` lines.
fn decode(lines: usize, read: &[u8]) {
    let mut decoder = LineDecoder::new(LINE_MAX_BYTES);
    let mut line_count = 0;
    while line_count < lines {
        let mut unread = ReceivedBytes::with_ascii_scan(black_box(read));
        while let Some(line) = decoder.next_line(&mut unread) {
            let _ = black_box(line);
            line_count += 1;
        }
    }
}

/// Decodes lines that each arrive in two reads: a read begins with the second half of a line, and ends with the first
/// half of the next line.
fn decode_cut(lines: usize) {
    let (head, tail) = MSG_ASCII.split_at(MSG_ASCII.len() / 2);
    decode(lines, &[tail, head].concat());
}

/// Decodes and parses a read of one line.
fn parse(times: usize, dialect: Dialect, line: &[u8]) {
    let mut decoder = LineDecoder::new(LINE_MAX_BYTES);
    for _ in 0..times {
        let mut unread = ReceivedBytes::with_ascii_scan(black_box(line));
        if let Some(Ok(line)) = decoder.next_line(&mut unread) {
            let _ = black_box(dialect.parse(line, true, TEXT_MAX_BYTES));
        }
    }
}

fn encode(times: usize, dialect: Dialect, reply: &Reply<'_>) {
    let mut out = Vec::with_capacity(LINE_MAX_BYTES);
    for _ in 0..times {
        out.clear();
        let _ = black_box(dialect.encode(black_box(reply), &mut out));
        black_box(&mut out);
    }
}

/// Decodes, parses, handles and encodes messages: all work for a message except input and output.
fn walk(times: usize, dialect: Dialect, line: &[u8]) {
    let Fixture { mut board, noy, .. } = Fixture::new();
    let read = line.repeat(LINES);
    let mut decoder = LineDecoder::new(LINE_MAX_BYTES);
    let mut effects = EncodeEffects { dialect, bytes: Vec::with_capacity(2 * LINES * MSG_ASCII.len()) };
    let mut line_count = 0;
    while line_count < times {
        let mut unread = ReceivedBytes::with_ascii_scan(black_box(&read[..]));
        while let Some(Ok(line)) = decoder.next_line(&mut unread) {
            line_count += 1;
            if let Ok(Some(command)) = dialect.parse(line, true, TEXT_MAX_BYTES) {
                board.handle(noy, Event::Command(command), &mut effects);
            }
        }
        black_box(&mut effects.bytes).clear();
    }
}

fn msg_command() -> Command<'static> {
    Command::Msg { text: text() }
}

fn tell_command() -> Command<'static> {
    Command::Tell { to: "Elias".into(), text: text() }
}

fn from_reply() -> Reply<'static> {
    Reply::From { name: "Noy".into(), text: text().as_str().to_owned().into() }
}

fn text() -> Text<'static> {
    let line = std::str::from_utf8(MSG_ASCII).expect("the line is ASCII").trim_end();
    Text::new(&line["MSG ".len()..], TEXT_MAX_BYTES).expect("the text is valid")
}

/// A switchboard with Noy and Elias in a chat, and other registered users.
struct Fixture {
    board: Switchboard,
    noy: SessionId,
    now: Instant,
}

impl Fixture {
    #[expect(clippy::disallowed_methods, reason = "any start time will do: no deadline passes here")]
    fn new() -> Self {
        let now = Instant::now();
        let mut board = Switchboard::with_capacity(Duration::from_mins(2), 2 * OTHERS);
        let mut admit = |name: &str| {
            let id = board.admit(now);
            let name = Username::new(name).expect("the name is valid");
            board.handle(id, Event::Command(Command::Register { name }), &mut DiscardEffects);
            id
        };
        let noy = admit("Noy");
        admit("Elias");
        for other in 0..OTHERS {
            admit(&format!("Other{other}"));
        }
        board.handle(noy, Event::Command(Command::Connect { to: "Elias".into() }), &mut DiscardEffects);
        Self { board, noy, now }
    }

    /// Sends `command` from Noy, `times` times.
    fn repeat(mut self, times: usize, command: &Command<'_>) {
        for _ in 0..times {
            // The command borrows its line, so a clone costs no more than a move.
            self.board.handle(self.noy, Event::Command(black_box(command).clone()), &mut DiscardEffects);
        }
    }

    /// Opens a session, registers a name, sends `commands` and closes the session, `times` times.
    fn come_and_go(mut self, times: usize, commands: &[Command<'_>]) {
        // Hash tables are seeded at random, so the cost of one name differs between processes. The mean cost of many
        // names is stable.
        let names: Vec<_> = (0..VISITORS)
            .map(|number| Username::new(&format!("Visitor{number}")).expect("the name is valid"))
            .collect();
        for name in names.iter().cycle().take(times) {
            let id = self.board.admit(self.now);
            let register = Command::Register { name: black_box(name).clone() };
            self.board.handle(id, Event::Opened, &mut DiscardEffects);
            self.board.handle(id, Event::Command(register), &mut DiscardEffects);
            for command in commands {
                self.board.handle(id, Event::Command(black_box(command).clone()), &mut DiscardEffects);
            }
            self.board.handle(id, Event::Closed(CloseReason::Quit), &mut DiscardEffects);
        }
    }
}

/// Effects that discard all replies, so that only the switchboard's own work is counted.
struct DiscardEffects;

impl Effects for DiscardEffects {
    fn send(&mut self, to: SessionId, reply: &Reply<'_>) -> Result<(), Full> {
        black_box((to, reply));
        Ok(())
    }

    fn send_line(&mut self, to: SessionId, line: &[u8]) -> Result<(), Full> {
        black_box((to, line));
        Ok(())
    }

    fn close(&mut self, session: SessionId, reason: CloseReason) {
        black_box((session, reason));
    }

    fn logs_messages(&self) -> bool {
        false
    }
}

/// Effects that encode all replies into one buffer.
struct EncodeEffects {
    dialect: Dialect,
    bytes: Vec<u8>,
}

impl Effects for EncodeEffects {
    fn send(&mut self, _to: SessionId, reply: &Reply<'_>) -> Result<(), Full> {
        match self.dialect.encode(reply, &mut self.bytes) {
            AfterReply::KeepOpen | AfterReply::Close => Ok(()),
        }
    }

    fn send_line(&mut self, _to: SessionId, line: &[u8]) -> Result<(), Full> {
        self.bytes.extend_from_slice(line);
        Ok(())
    }

    fn close(&mut self, session: SessionId, reason: CloseReason) {
        black_box((session, reason));
    }

    fn logs_messages(&self) -> bool {
        false
    }
}

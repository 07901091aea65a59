//! What each step of a message costs, one operation at a time, for a profiler that counts instructions.
//!
//! ```sh
//! cargo run --release --example instructions                            # which operations there are
//! cargo run --release --example instructions -- parse/msg-ascii 1024    # does one of them so many times
//! ```
//!
//! `cargo xtask bench instructions` runs each under callgrind, twice: what more repetitions take more is the operation,
//! and what it takes to start and to prepare is not counted.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use switchboard_core::{CloseReason, Effects, Event, Full, SessionId, Switchboard};
use switchboard_protocol::limits::{LINE_MAX_BYTES, TEXT_MAX_BYTES};
use switchboard_protocol::{
    AfterReply, Command, Dialect, ErrorCode, LineDecoder, ReceivedBytes, Reply, Text, Username,
};

/// How many lines a server reads at once: of 64 bytes, 64 KiB.
const LINES: usize = 1024;

/// A line of 64 bytes with its LF, in either script.
const MSG_ASCII: &[u8] = b"MSG the quick brown fox jumps over the lazy dog, and once again\n";
const MSG_HEBREW: &[u8] = "MSG דג סקרן שט בים זך ולפתע פגש חברים\n".as_bytes();
const _: () = assert!(MSG_ASCII.len() * LINES == 64 * 1024 && MSG_HEBREW.len() == MSG_ASCII.len());

/// How many are registered beside those who talk.
const OTHERS: usize = 100;

/// How many come and go, one after the other.
const VISITORS: usize = 256;

/// Something that is done many times over.
struct Operation {
    name: &'static str,
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
    Operation { name: "handle/msg", run: |times| Hall::new().repeat(times, &msg()) },
    Operation { name: "handle/tell", run: |times| Hall::new().repeat(times, &tell()) },
    Operation { name: "handle/ping", run: |times| Hall::new().repeat(times, &Command::Ping) },
    Operation { name: "handle/who", run: |times| Hall::new().repeat(times, &Command::Who) },
    Operation { name: "handle/who-after-change", run: |times| Hall::new().come_and_go(times, &[Command::Who]) },
    Operation { name: "handle/come-and-go", run: |times| Hall::new().come_and_go(times, &[]) },
    Operation {
        name: "handle/connect-disconnect",
        run: |times| {
            let connect = Command::Connect { to: "Other0".into() };
            Hall::new().come_and_go(times, &[connect, Command::Disconnect]);
        },
    },
    Operation { name: "encode/from", run: |times| encode(times, Dialect::Commands, &from()) },
    Operation { name: "encode/msg-sent", run: |times| encode(times, Dialect::Commands, &Reply::MsgSent) },
    Operation { name: "encode/pong", run: |times| encode(times, Dialect::Commands, &Reply::Pong) },
    Operation { name: "encode/error", run: |times| encode(times, Dialect::Commands, &ErrorCode::UserNotFound.into()) },
    Operation { name: "encode-line/from", run: |times| encode(times, Dialect::Line, &from()) },
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
        eprintln!("give an operation and how many times, or nothing to see which there are");
        return ExitCode::FAILURE;
    };
    (operation.run)(times);
    ExitCode::SUCCESS
}

/// Takes lines off `read`, again and again.
fn decode(lines: usize, read: &[u8]) {
    let mut decoder = LineDecoder::new(LINE_MAX_BYTES);
    let mut taken = 0;
    while taken < lines {
        let mut unread = ReceivedBytes::with_ascii_scan(black_box(read));
        while let Some(line) = decoder.next_line(&mut unread) {
            let _ = black_box(line);
            taken += 1;
        }
    }
}

/// Takes lines each of which arrives in two reads.
fn decode_cut(lines: usize) {
    let (head, tail) = MSG_ASCII.split_at(MSG_ASCII.len() / 2);
    decode(lines, &[tail, head].concat());
}

/// Reads a line that came alone.
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

/// Takes lines as they are read, to the replies as they are written: all that is done for a message but for moving it.
fn walk(times: usize, dialect: Dialect, line: &[u8]) {
    let Hall { mut board, noy, .. } = Hall::new();
    let read = line.repeat(LINES);
    let mut decoder = LineDecoder::new(LINE_MAX_BYTES);
    let mut outbox = Outbox { dialect, bytes: Vec::with_capacity(2 * LINES * MSG_ASCII.len()) };
    let mut taken = 0;
    while taken < times {
        let mut unread = ReceivedBytes::with_ascii_scan(black_box(&read[..]));
        while let Some(Ok(line)) = decoder.next_line(&mut unread) {
            taken += 1;
            if let Ok(Some(command)) = dialect.parse(line, true, TEXT_MAX_BYTES) {
                board.handle(noy, Event::Command(command), &mut outbox);
            }
        }
        black_box(&mut outbox.bytes).clear();
    }
}

fn msg() -> Command<'static> {
    Command::Msg { text: text() }
}

fn tell() -> Command<'static> {
    Command::Tell { to: "Elias".into(), text: text() }
}

fn from() -> Reply<'static> {
    Reply::From { name: "Noy".into(), text: text().as_str().to_owned().into() }
}

fn text() -> Text<'static> {
    let line = std::str::from_utf8(MSG_ASCII).expect("it is ASCII").trim_end();
    Text::new(&line["MSG ".len()..], TEXT_MAX_BYTES).expect("a good text")
}

/// A board with Noy and Elias in a chat, and others.
struct Hall {
    board: Switchboard,
    noy: SessionId,
    now: Instant,
}

impl Hall {
    #[expect(clippy::disallowed_methods, reason = "a board needs some time to begin with, whichever it is")]
    fn new() -> Self {
        let now = Instant::now();
        let mut board = Switchboard::with_capacity(Duration::from_mins(2), 2 * OTHERS);
        let mut admit = |name: &str| {
            let id = board.admit(now);
            let name = Username::new(name).expect("a good name");
            board.handle(id, Event::Command(Command::Register { name }), &mut Deaf);
            id
        };
        let noy = admit("Noy");
        admit("Elias");
        for other in 0..OTHERS {
            admit(&format!("Other{other}"));
        }
        board.handle(noy, Event::Command(Command::Connect { to: "Elias".into() }), &mut Deaf);
        Self { board, noy, now }
    }

    /// Has Noy say the same again and again.
    fn repeat(mut self, times: usize, command: &Command<'_>) {
        for _ in 0..times {
            // What a command is made of is a borrowed line, so that to clone it costs what to move it would.
            self.board.handle(self.noy, Event::Command(black_box(command).clone()), &mut Deaf);
        }
    }

    /// Has somebody come, take a name, say something, and go, again and again.
    fn come_and_go(mut self, times: usize, say: &[Command<'_>]) {
        // A name's place in a table is another in each process; where those of many are is much the same.
        let names: Vec<_> =
            (0..VISITORS).map(|at| Username::new(&format!("Visitor{at}")).expect("a good name")).collect();
        for name in names.iter().cycle().take(times) {
            let id = self.board.admit(self.now);
            let register = Command::Register { name: black_box(name).clone() };
            self.board.handle(id, Event::Opened, &mut Deaf);
            self.board.handle(id, Event::Command(register), &mut Deaf);
            for command in say {
                self.board.handle(id, Event::Command(black_box(command).clone()), &mut Deaf);
            }
            self.board.handle(id, Event::Closed(CloseReason::Quit), &mut Deaf);
        }
    }
}

/// Effects that take whatever is said, and do nothing with it: what is left is the board's own work.
struct Deaf;

impl Effects for Deaf {
    fn send(&mut self, to: SessionId, reply: &Reply<'_>) -> Result<(), Full> {
        black_box((to, reply));
        Ok(())
    }

    fn close(&mut self, session: SessionId, reason: CloseReason) {
        black_box((session, reason));
    }

    fn logs_messages(&self) -> bool {
        false
    }
}

/// Effects that write whatever is said, as a server does, to one buffer.
struct Outbox {
    dialect: Dialect,
    bytes: Vec<u8>,
}

impl Effects for Outbox {
    fn send(&mut self, _to: SessionId, reply: &Reply<'_>) -> Result<(), Full> {
        match self.dialect.encode(reply, &mut self.bytes) {
            AfterReply::KeepOpen | AfterReply::Close => Ok(()),
        }
    }

    fn close(&mut self, session: SessionId, reason: CloseReason) {
        black_box((session, reason));
    }

    fn logs_messages(&self) -> bool {
        false
    }
}

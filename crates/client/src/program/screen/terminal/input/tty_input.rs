//! The input of a Unix terminal.

use std::io::{self, Stdin};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use super::super::key_parser::{KeyParser, ParsedInput};
use super::super::unmarked_paste;
use super::TerminalEvent;

/// The bytes of one read. A terminal of Linux holds 4 KiB.
const READ_MAX_BYTES: usize = 4096;

/// The reads before the other parts of the program get their turn.
const READS_MAX: usize = 16;

/// The longest paste without marks, in keys. The keys of a longer paste become several pastes.
const UNMARKED_MAX_KEYS: usize = 128 * 1024;

/// After this time, the beginning of an escape sequence is a key of its own, such as Escape. The parts of a sequence
/// arrive closer together, unless the network loses one.
const SEQUENCE_TIMEOUT: Duration = Duration::from_millis(50);

/// The parts of a paste that is not marked arrive within this time. No person types an Enter so soon after a character.
const PASTE_GAP: Duration = Duration::from_millis(15);

/// Standard input, while it is a terminal in raw mode.
#[derive(Debug)]
pub(crate) struct Input {
    stdin: AsyncFd<Stdin>,
    resized: Signal,
    continued: Signal,
    received: Received,
}

/// The input that was read and not returned.
#[derive(Debug, Default)]
struct Received {
    parser: KeyParser,
    events: Vec<TerminalEvent>,
    /// When the last character was read.
    last_text_at: Option<Instant>,
    /// When the partial sequence, or the paste that is not marked, is over.
    deadline: Option<Instant>,
}

impl Input {
    /// Call this within a runtime.
    pub(crate) fn new() -> io::Result<Self> {
        #[expect(deprecated, reason = "its replacement is unsafe; standard input stays open while the program runs")]
        let stdin = AsyncFd::with_interest(io::stdin(), Interest::READABLE)?;
        Ok(Self {
            // No read blocks: `read_available` asks before each. So the terminal, which other programs share, needs no
            // mode that never blocks.
            stdin,
            resized: signal(SignalKind::window_change())?,
            continued: signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()))?,
            received: Received::default(),
        })
    }

    /// Waits for the next events, at least one. An error means that the terminal is gone. Cancel-safe.
    pub(crate) async fn next(&mut self) -> io::Result<Vec<TerminalEvent>> {
        let Self { stdin, resized, continued, received } = self;
        loop {
            if let Some(events) = received.take_events() {
                return Ok(events);
            }
            let deadline = received.deadline;
            tokio::select! {
                biased;
                readable = stdin.readable() => {
                    let mut readable = readable?;
                    if !read_available(readable.get_inner(), received)? {
                        readable.clear_ready();
                    }
                    received.set_deadline();
                }
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    received.end_waiting();
                }
                _ = resized.recv() => return Ok(vec![TerminalEvent::Resized]),
                _ = continued.recv() => return Ok(vec![TerminalEvent::Continued]),
            }
        }
    }

    /// Waits until the program was stopped and goes on.
    pub(crate) async fn continued(&mut self) {
        self.continued.recv().await;
    }
}

/// Reads the bytes that are available, up to a bound. Returns whether there may be more.
fn read_available(stdin: &Stdin, received: &mut Received) -> io::Result<bool> {
    let mut bytes = [0; READ_MAX_BYTES];
    for _ in 0..READS_MAX {
        let mut fds = [PollFd::new(stdin, PollFlags::IN)];
        match poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
            Ok(0) => return Ok(false),
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        match rustix::io::read(stdin, &mut bytes) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n_read) => received.parse(&bytes[..n_read]),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

impl Received {
    fn parse(&mut self, bytes: &[u8]) {
        let mut inputs = Vec::new();
        self.parser.parse(bytes, &mut inputs);
        self.events.extend(inputs.into_iter().map(TerminalEvent::from));
    }

    /// Returns the events, unless more may belong to them.
    fn take_events(&mut self) -> Option<Vec<TerminalEvent>> {
        let may_continue = self.deadline.is_some() && self.events.len() < UNMARKED_MAX_KEYS;
        if self.events.is_empty() || may_continue {
            return None;
        }
        Some(unmarked_paste::mark(std::mem::take(&mut self.events)))
    }

    /// Decides after a read whether to wait for more.
    fn set_deadline(&mut self) {
        let now = Instant::now();
        let chars = || self.events.iter().filter_map(unmarked_paste::typed_char);
        let has_text = chars().any(|c| c != '\n');
        let follows_text = has_text || self.last_text_at.is_some_and(|at| now - at < PASTE_GAP);
        let may_be_paste = follows_text && chars().any(|c| c == '\n');
        self.deadline =
            if self.parser.is_partial() { Some(now + SEQUENCE_TIMEOUT) } else { may_be_paste.then(|| now + PASTE_GAP) };
        if has_text {
            self.last_text_at = Some(now);
        }
    }

    fn end_waiting(&mut self) {
        self.deadline = None;
        let mut inputs = Vec::new();
        self.parser.end_partial(&mut inputs);
        self.events.extend(inputs.into_iter().map(TerminalEvent::from));
    }
}

impl From<ParsedInput> for TerminalEvent {
    fn from(input: ParsedInput) -> Self {
        match input {
            ParsedInput::Key(key) => Self::Key(key),
            ParsedInput::Paste(text) => Self::Paste(text),
            ParsedInput::Focus(has_focus) => Self::Focus(has_focus),
            ParsedInput::HasKeyboardProtocol => Self::HasKeyboardProtocol,
        }
    }
}

//! A terminal with a line being typed, and lines that arrive meanwhile.
//!
//! One thread runs the line editor, one prints. What arrives is printed above the line that is being typed, which the
//! editor then draws again: only whole lines are printed, so nothing is ever cut.
//!
//! The editor's printer writes straight to the terminal between two lines, and that would tear the next prompt if it
//! were drawn at that moment. So printing waits at a [`PrintGate`] that is open while a line is being edited.
//!
//! Only an editor that edits lets anything be printed, and the session that takes typed lines may be waiting to print. So
//! where the queue of typed lines is full, the gate is opened while the editor waits for room: nothing is being drawn
//! then, and what is printed goes straight to the terminal.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{
    Cmd, ColorMode, CompletionType, ConditionalEventHandler, Config, Editor, Event, EventContext, EventHandler,
    ExternalPrinter, KeyEvent, Movement, RepeatCount,
};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::completion::{EditorHelper, KnownNames};
use super::history;
use super::signals;
use super::user_line::UserLine;

const PROMPT: &str = "> ";

/// Lines that wait to be printed at most; whoever shows more, waits.
const SHOWN_LINES_MAX: usize = 256;

/// Typed lines that wait for the session at most: a paste of that many does not hold up the editor.
const TYPED_LINES_MAX: usize = 256;

/// How much is printed at once at most, in bytes: each print draws the line that is being typed again.
const PRINT_MAX_BYTES: usize = 64 * 1024;

/// How long the editor waits for a line that is being printed when it has ended a line of its own. What takes longer
/// waits for the editor in turn, and will be printed by it.
const PRINT_WAIT_MAX: Duration = Duration::from_millis(10);

/// How long the editor may take to end after a signal, and how often it is told.
const INTERRUPT_RETRY: (Duration, u32) = (Duration::from_millis(50), 20);

/// How long the last lines may take to be printed.
const LAST_LINES_TIMEOUT: Duration = Duration::from_secs(1);

/// The terminal, as the lines typed on it. Dropping it does not stop the editor: only the person at it does.
#[derive(Debug)]
pub(crate) struct EditorHandle {
    /// Lines, in order, without their end. `None` once the person has left (by `/quit`, Ctrl-D, or Ctrl-C on an empty
    /// line) and all lines were taken.
    pub(crate) lines: mpsc::Receiver<String>,
    /// Never changes, and fails once the person has exited, whatever lines wait to be taken.
    pub(crate) exited: watch::Receiver<()>,
    printed: oneshot::Receiver<()>,
}

/// Who types at a terminal that is none, and leaves when dropped.
#[cfg(test)]
pub(crate) type FakeTypist = (mpsc::Sender<String>, watch::Sender<()>);

/// The terminal, as what is shown on it.
#[derive(Clone, Debug)]
pub(crate) struct Screen(mpsc::Sender<String>);

impl EditorHandle {
    /// Starts to edit lines on standard input and output. `names` is what completes a name; without it, there are no
    /// verbs to complete either.
    pub(crate) fn start(names: Option<KnownNames>) -> rustyline::Result<(Self, Screen)> {
        let gate = Arc::new(PrintGate::default());
        let mut editor = new_editor(names, gate.clone())?;
        let external = editor.create_external_printer()?;

        let (typed, lines) = mpsc::channel(TYPED_LINES_MAX);
        let (here, exited) = watch::channel(());
        let (screen, shown) = mpsc::channel(SHOWN_LINES_MAX);
        let (last, printed) = oneshot::channel();
        let editing_gate = gate.clone();
        thread::Builder::new().name("edit".to_owned()).spawn(move || {
            run_editor(editor, &typed, &editing_gate);
            drop(here);
        })?;
        thread::Builder::new().name("print".to_owned()).spawn(move || {
            run_printer(external, shown, &gate);
            drop(last);
        })?;
        Ok((Self { lines, exited, printed }, Screen(screen)))
    }

    /// A terminal that is none: what is typed on it is sent, and what it shows is received.
    #[cfg(test)]
    pub(crate) fn fake() -> (Self, Screen, FakeTypist, mpsc::Receiver<String>) {
        let (typed, lines) = mpsc::channel(TYPED_LINES_MAX);
        let (here, exited) = watch::channel(());
        let (screen, shown) = mpsc::channel(SHOWN_LINES_MAX);
        (Self { lines, exited, printed: oneshot::channel().1 }, Screen(screen), (typed, here), shown)
    }

    /// Ends the editor in place of the person at it, so that the terminal is as it was and the history kept.
    pub(crate) async fn interrupt(&mut self) {
        self.lines.close();
        let (pause, times) = INTERRUPT_RETRY;
        for _ in 0..times {
            // Between two lines nobody hears it: so it is said until it is heard.
            signals::interrupt_editor();
            if timeout(pause, self.exited.changed()).await.is_ok() {
                return;
            }
        }
    }

    /// Waits, for a short time, until all that was shown is printed. Call it once every [`Screen`] is gone.
    pub(crate) async fn wait_until_printed(self) {
        let _ = timeout(LAST_LINES_TIMEOUT, self.printed).await;
    }
}

impl Screen {
    /// Shows `line`, which has no end and is safe to show, above the line that is being typed.
    pub(crate) async fn show(&self, line: String) {
        // An error means that the terminal is gone, and with it whoever would read the line.
        let _ = self.0.send(line).await;
    }
}

fn new_editor(names: Option<KnownNames>, gate: Arc<PrintGate>) -> rustyline::Result<Editor<EditorHelper, FileHistory>> {
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .history_ignore_space(true)
        .history_ignore_dups(true)?
        .color_mode(ColorMode::Disabled)
        .build();
    let mut editor = Editor::with_config(config)?;
    editor.set_helper(Some(EditorHelper::new(names, gate)));
    editor.bind_sequence(KeyEvent::ctrl('C'), EventHandler::Conditional(Box::new(ClearOrExit)));
    history::load(&mut editor);
    Ok(editor)
}

/// Edits line after line, until the person leaves.
fn run_editor(mut editor: Editor<EditorHelper, FileHistory>, typed: &mpsc::Sender<String>, gate: &PrintGate) {
    while !typed.is_closed() {
        let line = editor.readline(PROMPT);
        gate.close();
        match line {
            Ok(line) if UserLine::parse(&line, false) == UserLine::Quit => break,
            Ok(line) => {
                let _ = editor.add_history_entry(&line);
                if !send_lines(&line, typed, gate) {
                    break;
                }
            }
            Err(ReadlineError::Signal(_)) => {}
            Err(ReadlineError::Io(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    history::save(&mut editor);
    // Nothing is being edited any more, so nothing can be torn.
    gate.open_between_lines();
}

/// Hands over what was typed, which may be more than one line where it was pasted. Says whether the person stays: a pasted
/// `/quit` leaves like a typed one.
fn send_lines(text: &str, typed: &mpsc::Sender<String>, gate: &PrintGate) -> bool {
    for line in text.lines() {
        if UserLine::parse(line, false) == UserLine::Quit {
            return false;
        }
        match typed.try_send(line.to_owned()) {
            Ok(()) => {}
            Err(TrySendError::Full(line)) => {
                gate.open_between_lines();
                let sent = typed.blocking_send(line);
                gate.close();
                if sent.is_err() {
                    return false;
                }
            }
            Err(TrySendError::Closed(_)) => return false,
        }
    }
    true
}

/// Prints what is shown, as much at once as there is.
fn run_printer(mut printer: impl ExternalPrinter, mut shown: mpsc::Receiver<String>, gate: &PrintGate) {
    while let Some(line) = shown.blocking_recv() {
        let mut text = line;
        text.push('\n');
        while text.len() < PRINT_MAX_BYTES
            && let Ok(line) = shown.try_recv()
        {
            text.push_str(&line);
            text.push('\n');
        }
        if gate.print_when_open(|| printer.print(text)).is_err() {
            break;
        }
    }
}

/// Ctrl-C: forgets the line, or leaves if there is none.
struct ClearOrExit;

impl ConditionalEventHandler for ClearOrExit {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        Some(if context.line().is_empty() { Cmd::Interrupt } else { Cmd::Kill(Movement::WholeBuffer) })
    }
}

/// Lets lines be printed while a line is being edited, and while the editor waits between two; not while it begins or
/// ends one.
#[derive(Debug, Default)]
pub(crate) struct PrintGate {
    state: Mutex<PrintGateState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct PrintGateState {
    open: Option<PrintMode>,
    /// How the gate was open for what is being printed.
    printing: Option<PrintMode>,
}

/// How the gate is open, and so where a line goes that is printed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum PrintMode {
    /// Through the editor, which has a line to draw again. It may be busy with another such line.
    Editing,
    /// Straight to the terminal.
    BetweenLines,
}

impl PrintGate {
    /// A line is being edited.
    pub(crate) fn open_while_editing(&self) {
        self.open_as(PrintMode::Editing);
    }

    /// No line is being edited, and none will be before the gate is closed.
    fn open_between_lines(&self) {
        self.open_as(PrintMode::BetweenLines);
    }

    fn open_as(&self, open: PrintMode) {
        self.lock().open = Some(open);
        self.changed.notify_all();
    }

    /// Closes it, and waits until what is being printed is printed. What goes through the editor may be waiting for the
    /// editor to edit again, so it is waited for a moment at most.
    fn close(&self) {
        let mut state = self.lock();
        state.open = None;
        let through_editor = |state: &mut PrintGateState| state.printing == Some(PrintMode::Editing);
        let waited = self.changed.wait_timeout_while(state, PRINT_WAIT_MAX, through_editor);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let straight = |state: &mut PrintGateState| state.printing == Some(PrintMode::BetweenLines);
        drop(self.changed.wait_while(state, straight).unwrap_or_else(PoisonError::into_inner));
    }

    /// Prints once it is open.
    fn print_when_open<T>(&self, print: impl FnOnce() -> T) -> T {
        let mut state =
            self.changed.wait_while(self.lock(), |state| state.open.is_none()).unwrap_or_else(PoisonError::into_inner);
        state.printing = state.open;
        drop(state);
        let printed = print();
        self.lock().printing = None;
        self.changed.notify_all();
        printed
    }

    fn lock(&self) -> MutexGuard<'_, PrintGateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn what_is_printed_between_lines_is_printed_before_the_next_line() {
        let gate = PrintGate::default();
        let (go, gone) = channel();
        let printed = Mutex::new(false);
        gate.open_between_lines();
        thread::scope(|scope| {
            scope.spawn(|| {
                gate.print_when_open(|| {
                    go.send(()).expect("the test waits");
                    thread::sleep(3 * PRINT_WAIT_MAX);
                    *printed.lock().expect("no panic") = true;
                });
            });
            gone.recv().expect("it is printing");
            gate.close();
            assert!(*printed.lock().expect("no panic"));
        });
    }

    #[test]
    fn what_waits_for_the_editor_does_not_hold_it_up() {
        let gate = PrintGate::default();
        let (go, gone) = channel();
        let (resume, resumed) = channel();
        gate.open_while_editing();
        thread::scope(|scope| {
            let gate = &gate;
            scope.spawn(move || {
                gate.print_when_open(|| {
                    go.send(()).expect("the test waits");
                    resumed.recv().expect("the editor edits again");
                });
            });
            gone.recv().expect("it is printing");
            gate.close();
            resume.send(()).expect("it is waited for");
        });
    }

    #[test]
    fn what_was_pasted_is_handed_over_line_by_line_up_to_a_quit() {
        let gate = PrintGate::default();
        let (typed, mut lines) = mpsc::channel(TYPED_LINES_MAX);
        assert!(send_lines("one\ntwo", &typed, &gate));
        assert!(!send_lines("three\n/quit\nfour", &typed, &gate));
        drop(typed);
        let handed: Vec<_> = std::iter::from_fn(|| lines.blocking_recv()).collect();
        assert_eq!(handed, ["one", "two", "three"]);
    }

    #[test]
    fn with_a_full_queue_lines_are_printed_while_the_editor_waits() {
        let gate = PrintGate::default();
        let (typed, mut lines) = mpsc::channel(1);
        thread::scope(|scope| {
            scope.spawn(|| assert!(send_lines("one\ntwo\nthree", &typed, &gate)));
            // The session takes no line before it has printed one.
            gate.print_when_open(|| ());
            for line in ["one", "two", "three"] {
                assert_eq!(lines.blocking_recv().as_deref(), Some(line));
            }
        });
    }
}

//! A terminal with a line being typed, and lines that arrive meanwhile.
//!
//! One thread runs the line editor, one prints. What arrives is printed above the line that is being typed, which the
//! editor then draws again: only whole lines are printed, so nothing is ever cut.
//!
//! The editor's printer writes straight to the terminal between two lines, and that would tear the next prompt if it
//! were drawn at that moment. So printing waits at a [`Gate`] that is open while a line is being edited.
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

use super::completion::{Assistant, Names};
use super::history;
use super::signals;
use super::typed::Typed;

const PROMPT: &str = "> ";

/// Lines that wait to be printed at most; whoever shows more, waits.
const QUEUE_MAX: usize = 256;

/// Typed lines that wait for the session at most: a paste of that many does not hold up the editor.
const LINES_MAX: usize = 256;

/// How much is printed at once at most, in bytes: each print draws the line that is being typed again.
const PRINT_MAX_BYTES: usize = 64 * 1024;

/// How long the editor waits for a line that is being printed when it has ended a line of its own. What takes longer
/// waits for the editor in turn, and will be printed by it.
const PRINTING: Duration = Duration::from_millis(10);

/// How long the editor may take to end after a signal, and how often it is told.
const ENDING: (Duration, u32) = (Duration::from_millis(50), 20);

/// How long the last lines may take to be printed.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The terminal, as the lines typed on it. Dropping it does not stop the editor: only the person at it does.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// Lines, in order, without their end. `None` once the person has left (by `/quit`, Ctrl-D, or Ctrl-C on an empty
    /// line) and all lines were taken.
    pub(crate) lines: mpsc::Receiver<String>,
    /// Never changes, and fails once the person has left, whatever lines wait to be taken.
    pub(crate) left: watch::Receiver<()>,
    printed: oneshot::Receiver<()>,
}

/// Who types at a terminal that is none, and leaves when dropped.
#[cfg(test)]
pub(crate) type Typist = (mpsc::Sender<String>, watch::Sender<()>);

/// The terminal, as what is shown on it.
#[derive(Clone, Debug)]
pub(crate) struct Screen(mpsc::Sender<String>);

impl Terminal {
    /// Starts to edit lines on standard input and output. `names` is what completes a name; without it, there are no
    /// verbs to complete either.
    pub(crate) fn start(names: Option<Names>) -> rustyline::Result<(Self, Screen)> {
        let gate = Arc::new(Gate::default());
        let mut editor = editor(names, gate.clone())?;
        let external = editor.create_external_printer()?;

        let (typed, lines) = mpsc::channel(LINES_MAX);
        let (here, left) = watch::channel(());
        let (screen, shown) = mpsc::channel(QUEUE_MAX);
        let (last, printed) = oneshot::channel();
        let editing_gate = gate.clone();
        thread::Builder::new().name("edit".to_owned()).spawn(move || {
            edit(editor, &typed, &editing_gate);
            drop(here);
        })?;
        thread::Builder::new().name("print".to_owned()).spawn(move || {
            print(external, shown, &gate);
            drop(last);
        })?;
        Ok((Self { lines, left, printed }, Screen(screen)))
    }

    /// A terminal that is none: what is typed on it is sent, and what it shows is received.
    #[cfg(test)]
    pub(crate) fn fake() -> (Self, Screen, Typist, mpsc::Receiver<String>) {
        let (typed, lines) = mpsc::channel(LINES_MAX);
        let (here, left) = watch::channel(());
        let (screen, shown) = mpsc::channel(QUEUE_MAX);
        (Self { lines, left, printed: oneshot::channel().1 }, Screen(screen), (typed, here), shown)
    }

    /// Ends the editor in place of the person at it, so that the terminal is as it was and the history kept.
    pub(crate) async fn dismiss(&mut self) {
        self.lines.close();
        let (pause, times) = ENDING;
        for _ in 0..times {
            // Between two lines nobody hears it: so it is said until it is heard.
            signals::interrupt_editor();
            if timeout(pause, self.left.changed()).await.is_ok() {
                return;
            }
        }
    }

    /// Waits, for a short time, until all that was shown is printed. Call it once every [`Screen`] is gone.
    pub(crate) async fn printed(self) {
        let _ = timeout(LAST_LINES, self.printed).await;
    }
}

impl Screen {
    /// Shows `line`, which has no end and is safe to show, above the line that is being typed.
    pub(crate) async fn show(&self, line: String) {
        // An error means that the terminal is gone, and with it whoever would read the line.
        let _ = self.0.send(line).await;
    }
}

fn editor(names: Option<Names>, gate: Arc<Gate>) -> rustyline::Result<Editor<Assistant, FileHistory>> {
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .history_ignore_space(true)
        .history_ignore_dups(true)?
        .color_mode(ColorMode::Disabled)
        .build();
    let mut editor = Editor::with_config(config)?;
    editor.set_helper(Some(Assistant::new(names, gate)));
    editor.bind_sequence(KeyEvent::ctrl('C'), EventHandler::Conditional(Box::new(ClearOrLeave)));
    history::load(&mut editor);
    Ok(editor)
}

/// Edits line after line, until the person leaves.
fn edit(mut editor: Editor<Assistant, FileHistory>, typed: &mpsc::Sender<String>, gate: &Gate) {
    while !typed.is_closed() {
        let line = editor.readline(PROMPT);
        gate.close();
        match line {
            Ok(line) if Typed::read(&line, false) == Typed::Quit => break,
            Ok(line) => {
                let _ = editor.add_history_entry(&line);
                if !hand_over(&line, typed, gate) {
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
fn hand_over(text: &str, typed: &mpsc::Sender<String>, gate: &Gate) -> bool {
    for line in text.lines() {
        if Typed::read(line, false) == Typed::Quit {
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
fn print(mut printer: impl ExternalPrinter, mut shown: mpsc::Receiver<String>, gate: &Gate) {
    while let Some(line) = shown.blocking_recv() {
        let mut text = line;
        text.push('\n');
        while text.len() < PRINT_MAX_BYTES
            && let Ok(line) = shown.try_recv()
        {
            text.push_str(&line);
            text.push('\n');
        }
        if gate.pass(|| printer.print(text)).is_err() {
            break;
        }
    }
}

/// Ctrl-C: forgets the line, or leaves if there is none.
struct ClearOrLeave;

impl ConditionalEventHandler for ClearOrLeave {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        Some(if context.line().is_empty() { Cmd::Interrupt } else { Cmd::Kill(Movement::WholeBuffer) })
    }
}

/// Lets lines be printed while a line is being edited, and while the editor waits between two; not while it begins or
/// ends one.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct GateState {
    open: Option<Open>,
    /// How the gate was open for what is being printed.
    printing: Option<Open>,
}

/// How the gate is open, and so where a line goes that is printed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Open {
    /// Through the editor, which has a line to draw again. It may be busy with another such line.
    Editing,
    /// Straight to the terminal.
    BetweenLines,
}

impl Gate {
    /// A line is being edited.
    pub(crate) fn open(&self) {
        self.open_as(Open::Editing);
    }

    /// No line is being edited, and none will be before the gate is closed.
    fn open_between_lines(&self) {
        self.open_as(Open::BetweenLines);
    }

    fn open_as(&self, open: Open) {
        self.lock().open = Some(open);
        self.changed.notify_all();
    }

    /// Closes it, and waits until what is being printed is printed. What goes through the editor may be waiting for the
    /// editor to edit again, so it is waited for a moment at most.
    fn close(&self) {
        let mut state = self.lock();
        state.open = None;
        let through_editor = |state: &mut GateState| state.printing == Some(Open::Editing);
        let waited = self.changed.wait_timeout_while(state, PRINTING, through_editor);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let straight = |state: &mut GateState| state.printing == Some(Open::BetweenLines);
        drop(self.changed.wait_while(state, straight).unwrap_or_else(PoisonError::into_inner));
    }

    /// Prints once it is open.
    fn pass<T>(&self, print: impl FnOnce() -> T) -> T {
        let mut state =
            self.changed.wait_while(self.lock(), |state| state.open.is_none()).unwrap_or_else(PoisonError::into_inner);
        state.printing = state.open;
        drop(state);
        let printed = print();
        self.lock().printing = None;
        self.changed.notify_all();
        printed
    }

    fn lock(&self) -> MutexGuard<'_, GateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn what_is_printed_between_lines_is_printed_before_the_next_line() {
        let gate = Gate::default();
        let (go, gone) = channel();
        let printed = Mutex::new(false);
        gate.open_between_lines();
        thread::scope(|scope| {
            scope.spawn(|| {
                gate.pass(|| {
                    go.send(()).expect("the test waits");
                    thread::sleep(3 * PRINTING);
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
        let gate = Gate::default();
        let (go, gone) = channel();
        let (edit, edited) = channel();
        gate.open();
        thread::scope(|scope| {
            let gate = &gate;
            scope.spawn(move || {
                gate.pass(|| {
                    go.send(()).expect("the test waits");
                    edited.recv().expect("the editor edits again");
                });
            });
            gone.recv().expect("it is printing");
            gate.close();
            edit.send(()).expect("it is waited for");
        });
    }

    #[test]
    fn what_was_pasted_is_handed_over_line_by_line_up_to_a_quit() {
        let gate = Gate::default();
        let (typed, mut lines) = mpsc::channel(LINES_MAX);
        assert!(hand_over("one\ntwo", &typed, &gate));
        assert!(!hand_over("three\n/quit\nfour", &typed, &gate));
        drop(typed);
        let handed: Vec<_> = std::iter::from_fn(|| lines.blocking_recv()).collect();
        assert_eq!(handed, ["one", "two", "three"]);
    }

    #[test]
    fn with_a_full_queue_lines_are_printed_while_the_editor_waits() {
        let gate = Gate::default();
        let (typed, mut lines) = mpsc::channel(1);
        thread::scope(|scope| {
            scope.spawn(|| assert!(hand_over("one\ntwo\nthree", &typed, &gate)));
            // The session takes no line before it has printed one.
            gate.pass(|| ());
            for line in ["one", "two", "three"] {
                assert_eq!(lines.blocking_recv().as_deref(), Some(line));
            }
        });
    }
}

//! The gate at which the printing thread waits for the editor.
//!
//! While no line is being edited, the editor's printer writes directly to the terminal. If the editor drew its next
//! prompt at that moment, the two outputs would mix. So the printing thread waits at the gate, which is open while a
//! line is being edited.
//!
//! A closed gate could cause a deadlock: if the queue of typed lines is full, the editor waits for the session, the
//! session may wait for the printing thread, and the printing thread would wait at the gate. So the editor opens the
//! gate while it waits for room in the queue. It draws nothing in this time, so the printing thread can write directly
//! to the terminal.
//!
//! The gate also interrupts the edited line, so that the editor begins it again with another prompt. No print is in
//! progress at that moment, because the editor erases the old prompt.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::signals;

/// After a line, the editor waits at most this long for a print in progress. A print that takes longer is itself
/// waiting for the editor, and the editor executes it when it edits the next line.
const PRINT_WAIT_MAX: Duration = Duration::from_millis(10);

/// The time after which the edited line is interrupted again, if it did not end. The editor drops an interrupt that
/// arrives together with a change of the terminal's size.
const INTERRUPT_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// The maximum number of interrupts of one line. A search in the history takes no interrupt until it ends.
const INTERRUPTS_MAX: u32 = 4;

/// Allows printing while a line is being edited and while the editor waits between two lines. Blocks printing while the
/// editor begins or ends a line.
#[derive(Debug, Default)]
pub(crate) struct PrintGate {
    state: Mutex<PrintGateState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct PrintGateState {
    /// `None` while the gate is closed.
    open: Option<PrintMode>,
    /// The mode of the print in progress.
    printing: Option<PrintMode>,
    /// Whether the edited line must end as soon as the editor has no more input. The gate stays closed until then.
    is_ending: bool,
    /// The number of times that the edited line was interrupted.
    n_interrupts: u32,
    /// When the edited line was last interrupted.
    interrupted_at: Option<Instant>,
}

impl PrintGateState {
    /// Interrupts the edited line, unless it was interrupted a moment ago.
    fn interrupt(&mut self) {
        let is_due = self.interrupted_at.is_none_or(|at| at.elapsed() >= INTERRUPT_AGAIN_AFTER);
        if is_due && self.n_interrupts < INTERRUPTS_MAX {
            self.n_interrupts += 1;
            self.interrupted_at = Some(Instant::now());
            signals::interrupt_editor();
        }
    }

    /// Interrupts the edited line if the terminal has no input. The editor would prefer the interrupt to the input, so
    /// it would read nothing.
    fn interrupt_without_input(&mut self) {
        if !is_input_pending() {
            self.interrupt();
        }
    }
}

/// Whether the terminal has input that the editor has not read.
pub(crate) fn is_input_pending() -> bool {
    #[cfg(unix)]
    return rustix::io::ioctl_fionread(std::io::stdin()).is_ok_and(|n_bytes| n_bytes > 0);
    #[cfg(not(unix))]
    false
}

/// How lines are printed while the gate is open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum PrintMode {
    /// The editor prints the lines and redraws the edited line.
    Editing,
    /// The printing thread writes directly to the terminal.
    BetweenLines,
}

impl PrintGate {
    /// Prepares a new line. With `end_when_input_is_empty`, the editor interrupts the line as soon as it has no more
    /// input. The chat of the prompt must be read after this call, so that no later [`PrintGate::restart_line`] is
    /// missed.
    pub(crate) fn begin_line(&self, end_when_input_is_empty: bool) {
        let mut state = self.lock();
        state.is_ending = end_when_input_is_empty && signals::CAN_INTERRUPT_EDITOR;
        (state.n_interrupts, state.interrupted_at) = (0, None);
    }

    /// Opens the gate when the editor draws the line, or interrupts the line if it must end.
    pub(crate) fn open_while_editing(&self) {
        let mut state = self.lock();
        if state.is_ending {
            state.interrupt_without_input();
        } else {
            state.open = Some(PrintMode::Editing);
            self.changed.notify_all();
        }
    }

    /// Interrupts the line if it must end. Call this for each key, because some keys change nothing and draw nothing.
    pub(crate) fn handle_key(&self) {
        let mut state = self.lock();
        if state.is_ending {
            state.interrupt_without_input();
        }
    }

    /// Whether the gate interrupted the line that was edited last.
    pub(crate) fn has_interrupted(&self) -> bool {
        self.lock().n_interrupts > 0
    }

    /// Opens the gate when no line is being edited. The editor must close it before the next line.
    pub(crate) fn open_between_lines(&self) {
        self.lock().open = Some(PrintMode::BetweenLines);
        self.changed.notify_all();
    }

    /// Makes the editor begin its line again. Only the printing thread may call this, so that no print is in progress.
    pub(crate) fn restart_line(&self) {
        if !signals::CAN_INTERRUPT_EDITOR {
            return;
        }
        let mut state = self.lock();
        match state.open {
            // The editor has no line, and it reads the new state before it begins the next line.
            Some(PrintMode::BetweenLines) => {}
            Some(PrintMode::Editing) => {
                state.open = None;
                state.is_ending = true;
                state.interrupt();
            }
            // If a line has begun and is not drawn yet, drawing it interrupts it.
            None => state.is_ending = true,
        }
    }

    /// Closes the gate and waits for a print in progress. A print through the editor may itself wait until the editor
    /// edits the next line, so the wait for such a print is limited.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.open = None;
        let prints_through_editor = |state: &mut PrintGateState| state.printing == Some(PrintMode::Editing);
        let waited = self.changed.wait_timeout_while(state, PRINT_WAIT_MAX, prints_through_editor);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let prints_directly = |state: &mut PrintGateState| state.printing == Some(PrintMode::BetweenLines);
        drop(self.changed.wait_while(state, prints_directly).unwrap_or_else(PoisonError::into_inner));
    }

    /// Waits until the gate is open, then calls `print`.
    pub(crate) fn print_when_open<T>(&self, print: impl FnOnce() -> T) -> T {
        let mut state = self.lock();
        while state.open.is_none() {
            let waited = self.changed.wait_timeout(state, INTERRUPT_AGAIN_AFTER);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if state.open.is_none() && state.is_ending {
                state.interrupt();
            }
        }
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
    use std::thread;

    use super::*;

    #[test]
    fn close_waits_for_a_print_between_lines() {
        let gate = PrintGate::default();
        let (started_tx, started) = channel();
        let printed = Mutex::new(false);
        gate.open_between_lines();
        thread::scope(|scope| {
            scope.spawn(|| {
                gate.print_when_open(|| {
                    started_tx.send(()).expect("the test waits");
                    thread::sleep(3 * PRINT_WAIT_MAX);
                    *printed.lock().expect("no panic") = true;
                });
            });
            started.recv().expect("the print starts");
            gate.close();
            assert!(*printed.lock().expect("no panic"));
        });
    }

    #[test]
    fn close_does_not_wait_long_for_a_print_through_the_editor() {
        let gate = PrintGate::default();
        let (started_tx, started) = channel();
        let (resume, resumed) = channel();
        gate.begin_line(false);
        gate.open_while_editing();
        thread::scope(|scope| {
            let gate = &gate;
            scope.spawn(move || {
                gate.print_when_open(|| {
                    started_tx.send(()).expect("the test waits");
                    resumed.recv().expect("the editor resumes");
                });
            });
            started.recv().expect("the print starts");
            // This call must return before the print ends.
            gate.close();
            resume.send(()).expect("the print waits");
        });
    }
}

//! The terminal of the full-screen chat: takes it, draws on it, reads from it, and gives it back.
//!
//! The program gives the terminal back when it ends: after the chat, an error, a signal or a
//! panic. It also does so before it stops for the shell (Ctrl-Z), and takes the terminal again afterwards. The signals
//! STOP and TSTP of another process stop the program at once, without this; the next CONT repairs the screen.
//!
//! On Windows this module uses crossterm for the input and is not tested there.

mod color_depth;
mod input;
mod key_parser;
mod modes;
mod notification;
mod output;
mod unmarked_paste;

#[cfg(all(test, target_os = "linux"))]
mod tests;

use std::io::{self, Write as _};
use std::time::Duration;

use ratatui_core::terminal::{Frame, Terminal as RatatuiTerminal};
use ratatui_crossterm::CrosstermBackend;
use tokio::time::timeout;

pub(crate) use color_depth::ColorDepth;
use input::Input;
pub(crate) use input::TerminalEvent;
use modes::TerminalModes;
pub(crate) use modes::can_be_filled;
use notification::NotificationProtocol;
use output::{FrameBuffer, FrameWriter};

/// Begins a frame: the terminal shows it as a whole at its end, if it knows this mode, and hides the cursor meanwhile.
const FRAME_BEGIN: &[u8] = b"\x1b[?2026h\x1b[?25l";

/// Ends a frame.
const FRAME_END: &[u8] = b"\x1b[?2026l";

/// A program that runs on for this time after it has asked to be stopped has no shell that could continue it.
const STOP_TIMEOUT: Duration = Duration::from_millis(100);

/// The terminal, while the program fills it. Dropping it gives the terminal back.
pub(crate) struct Terminal {
    /// The first field, so that it is dropped first.
    _modes: TerminalModes,
    screen: RatatuiTerminal<CrosstermBackend<FrameBuffer>>,
    /// The bytes of the next frame, which the backend of `screen` fills.
    frame: FrameBuffer,
    writer: FrameWriter,
    input: Input,
    notifications: Option<NotificationProtocol>,
}

impl Terminal {
    /// Takes the terminal of standard input and output.
    pub(crate) fn take(colors: ColorDepth) -> io::Result<Self> {
        // crossterm reads NO_COLOR by itself, but `--color always` has priority.
        ratatui_crossterm::crossterm::style::force_color_output(colors != ColorDepth::None);
        let frame = FrameBuffer::default();
        let screen = RatatuiTerminal::new(CrosstermBackend::new(frame.clone()))?;
        let input = Input::new()?;
        let modes = TerminalModes::take()?;
        let notifications = NotificationProtocol::of_environment();
        let writer = FrameWriter::default();
        Ok(Self { _modes: modes, screen, frame, writer, input, notifications })
    }

    /// Waits for the next events, or until the terminal has taken the frame. In the second case, there are no events.
    /// An error means that the terminal is gone. Cancel-safe.
    pub(crate) async fn next(&mut self) -> io::Result<Vec<TerminalEvent>> {
        tokio::select! {
            biased;
            events = self.input.next() => events,
            written = self.writer.written() => written.map(|()| Vec::new()),
        }
    }

    /// The columns and rows.
    pub(crate) fn size(&self) -> io::Result<(u16, u16)> {
        let size = self.screen.size()?;
        Ok((size.width, size.height))
    }

    /// Whether a frame may be drawn: the terminal has taken the one before.
    pub(crate) fn is_ready(&self) -> bool {
        self.writer.is_ready()
    }

    /// Draws a frame. Only the cells that differ from the frame before are written. Does nothing while no frame may be
    /// drawn.
    pub(crate) fn draw(&mut self, render: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        modes::check_taken()?;
        if !self.is_ready() {
            return Ok(());
        }
        self.frame.write_all(FRAME_BEGIN)?;
        self.screen.draw(render)?;
        self.frame.write_all(FRAME_END)?;
        self.writer.write(self.frame.take());
        Ok(())
    }

    /// Rings the bell with the next frame.
    pub(crate) fn ring_bell(&mut self) {
        self.frame.push(b"\x07");
    }

    /// Shows a notification on the desktop with the next frame, if the terminal is known to do so.
    pub(crate) fn notify(&mut self, title: &str, body: &str) {
        if let Some(protocol) = self.notifications {
            self.frame.push(protocol.encode(title, body).as_bytes());
        }
    }

    /// The terminal knows the keyboard protocol of kitty: asks it to tell Shift-Enter from Enter.
    pub(crate) fn enable_keyboard_protocol(&mut self) {
        modes::enable_keyboard_protocol(&mut self.frame);
    }

    /// Stops the program, as Ctrl-Z does elsewhere, and takes the terminal again when the shell continues it.
    pub(crate) async fn suspend(&mut self) -> io::Result<()> {
        modes::give_back();
        modes::stop_process_group();
        let _ = timeout(STOP_TIMEOUT, self.input.continued()).await;
        self.take_again()
    }

    /// Repairs the screen after a stop from outside.
    pub(crate) fn repair(&mut self) -> io::Result<()> {
        modes::give_back();
        self.take_again()
    }

    fn take_again(&mut self) -> io::Result<()> {
        modes::take_again()?;
        self.redraw()
    }

    /// Forgets the earlier frame, so that the next one is drawn completely.
    pub(crate) fn redraw(&mut self) -> io::Result<()> {
        let area = self.screen.size()?.into();
        self.screen.resize(area)
    }
}

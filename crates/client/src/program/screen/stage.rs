//! The terminal with its clock: the events of the user, and the times of the frames.
//!
//! A frame shows all changes since the one before. Under load, 60 frames a second are drawn; a change after a pause is
//! shown at once. The keyboard comes before everything else, so a flood of messages delays a typed character by at most
//! one event of the network and one frame.

use std::io;
use std::time::Duration;

use ratatui_core::terminal::Frame;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

use super::clock::Clock;
use super::event::Event;
use super::moment::Moment;
use super::terminal::{Terminal, TerminalEvent};

/// The shortest time between two frames.
const FRAME_INTERVAL: Duration = Duration::from_millis(16);

/// The time between two ticks, by which the chat updates its clock and countdowns.
const TICK_INTERVAL: Duration = Duration::from_secs(1);

/// The terminal with its clock. Each caller's loop draws, waits for the next events of the user or of another source,
/// and handles them.
pub(crate) struct Stage {
    terminal: Terminal,
    clock: Clock,
    ticks: Interval,
    needs_frame: bool,
    next_frame_at: Instant,
}

impl Stage {
    pub(crate) fn new(terminal: Terminal) -> Self {
        let mut ticks = interval(TICK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { terminal, clock: Clock::start(), ticks, needs_frame: true, next_frame_at: Instant::now() }
    }

    pub(crate) fn terminal(&mut self) -> &mut Terminal {
        &mut self.terminal
    }

    pub(crate) fn now(&self) -> Moment {
        self.clock.now()
    }

    /// Something has changed that the next frame must show.
    pub(crate) fn request_frame(&mut self) {
        self.needs_frame = true;
    }

    /// Draws a frame if something has changed and a frame is due. Call this before each [`Stage::next`].
    pub(crate) fn draw_if_due(&mut self, render: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        let now = Instant::now();
        if self.needs_frame && self.terminal.is_ready() && self.next_frame_at <= now {
            self.next_frame_at = now + FRAME_INTERVAL;
            self.needs_frame = false;
            self.terminal.draw(render)?;
        }
        Ok(())
    }

    /// Waits for the next events of the user and of the clock, or until a frame is due. In the second case, there are no
    /// events. An error means that the terminal is gone. Cancel-safe.
    pub(crate) async fn next(&mut self) -> io::Result<Vec<Event>> {
        let is_frame_wanted = self.needs_frame && self.terminal.is_ready();
        tokio::select! {
            biased;
            arrived = self.terminal.next() => {
                let arrived = arrived?;
                // There are none if the terminal has taken a frame.
                self.needs_frame |= !arrived.is_empty();
                let mut events = Vec::with_capacity(arrived.len());
                for event in arrived {
                    events.extend(handle_terminal_event(&mut self.terminal, event)?);
                }
                Ok(events)
            }
            () = sleep_until(self.next_frame_at), if is_frame_wanted => Ok(Vec::new()),
            _ = self.ticks.tick() => {
                self.needs_frame = true;
                Ok(vec![Event::Tick])
            }
        }
    }
}

/// Handles the events that concern only the terminal, and converts the others.
fn handle_terminal_event(terminal: &mut Terminal, event: TerminalEvent) -> io::Result<Option<Event>> {
    Ok(Some(match event {
        TerminalEvent::Key(key) => Event::Key(key),
        TerminalEvent::Paste(text) => Event::Paste(text),
        TerminalEvent::Focus(has_focus) => Event::Focus(has_focus),
        TerminalEvent::Resized => {
            let (columns, rows) = terminal.size()?;
            Event::Resized { columns, rows }
        }
        TerminalEvent::Continued => {
            terminal.repair()?;
            return Ok(None);
        }
        TerminalEvent::HasKeyboardProtocol => {
            terminal.enable_keyboard_protocol();
            return Ok(None);
        }
    }))
}

//! The main loop of the full-screen chat: keys first, then the network, and a frame when something has changed.
//!
//! A frame shows all changes since the one before. Under load, 60 frames a second are drawn; a change after a pause is
//! shown at once. So a flood of messages delays a typed character by at most one batch of messages and one frame.

use std::io;
use std::time::Duration;

use ratatui_core::terminal::Frame;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::clock::Clock;
use super::event::{Effect, Event, NetworkEvent};
use super::moment::Moment;
use super::terminal::{Terminal, TerminalEvent};

/// The shortest time between two frames.
const FRAME_INTERVAL: Duration = Duration::from_millis(16);

/// The time between two ticks, by which the chat updates its clock and countdowns.
const TICK_INTERVAL: Duration = Duration::from_secs(1);

/// The number of network events after which the keyboard gets its turn.
const NETWORK_BATCH_MAX: usize = 256;

/// The state of the chat, which decides everything.
pub(crate) trait Chat {
    /// Handles an event, and returns its effects.
    fn handle(&mut self, event: Event, now: Moment) -> Vec<Effect>;

    /// Draws the state.
    fn draw(&self, frame: &mut Frame<'_>);
}

/// Runs the chat until it quits. `perform` performs the effects that do not concern the terminal. An error means that
/// the terminal is gone.
pub(crate) async fn run(
    terminal: &mut Terminal,
    clock: Clock,
    network: &mut mpsc::Receiver<NetworkEvent>,
    chat: &mut impl Chat,
    mut perform: impl FnMut(Effect),
) -> io::Result<()> {
    let mut ticks = interval(TICK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut news = Vec::new();
    let mut is_network_open = true;
    let mut effects = Vec::new();
    let mut needs_frame = true;
    let mut next_frame_at = Instant::now();
    loop {
        if needs_frame && terminal.is_ready() && next_frame_at <= Instant::now() {
            next_frame_at = Instant::now() + FRAME_INTERVAL;
            terminal.draw(|frame| chat.draw(frame))?;
            needs_frame = false;
        }
        tokio::select! {
            biased;
            events = terminal.next() => {
                for event in events? {
                    needs_frame = true;
                    if let Some(event) = handle_terminal_event(terminal, event)? {
                        effects.extend(chat.handle(event, clock.now()));
                    }
                }
            }
            () = sleep_until(next_frame_at), if needs_frame && terminal.is_ready() => {}
            n_events = network.recv_many(&mut news, NETWORK_BATCH_MAX), if is_network_open => {
                is_network_open = n_events > 0;
                needs_frame = true;
                let now = clock.now();
                effects.extend(news.drain(..).flat_map(|event| chat.handle(Event::Network(event), now)));
            }
            _ = ticks.tick() => {
                needs_frame = true;
                effects.extend(chat.handle(Event::Tick, clock.now()));
            }
        }
        for effect in effects.drain(..) {
            match effect {
                Effect::Bell => terminal.ring_bell(),
                Effect::Notify { title, body } => terminal.notify(&title, &body),
                Effect::Redraw => terminal.redraw()?,
                Effect::Suspend => terminal.suspend().await?,
                Effect::Quit => return Ok(()),
                effect => perform(effect),
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

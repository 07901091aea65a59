//! The input of a Windows console, by crossterm. Not tested.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;

use crossterm::event::{Event, EventStream, KeyEventKind};
use futures_core::Stream as _;

use super::super::unmarked_paste;
use super::TerminalEvent;

/// Standard input, while it is a console in raw mode.
#[derive(Debug)]
pub(crate) struct Input {
    events: EventStream,
}

impl Input {
    /// Call this within a runtime.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { events: EventStream::new() })
    }

    /// Waits for the next events, at least one. An error means that the terminal is gone. Cancel-safe.
    pub(crate) async fn next(&mut self) -> io::Result<Vec<TerminalEvent>> {
        let mut arrived = Vec::new();
        poll_fn(|context| {
            loop {
                match Pin::new(&mut self.events).poll_next(context) {
                    Poll::Ready(Some(Ok(event))) => arrived.extend(to_terminal_event(event)),
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                    Poll::Ready(None) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                    Poll::Pending if arrived.is_empty() => return Poll::Pending,
                    Poll::Pending => return Poll::Ready(Ok(())),
                }
            }
        })
        .await?;
        Ok(unmarked_paste::mark(arrived))
    }

    /// Windows stops no programs.
    pub(crate) async fn continued(&mut self) {}
}

fn to_terminal_event(event: Event) -> Option<TerminalEvent> {
    Some(match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => TerminalEvent::Key(key),
        Event::Paste(text) => TerminalEvent::Paste(text.replace("\r\n", "\n").replace('\r', "\n")),
        Event::FocusGained => TerminalEvent::Focus(true),
        Event::FocusLost => TerminalEvent::Focus(false),
        Event::Resize(..) => TerminalEvent::Resized,
        Event::Key(_) | Event::Mouse(_) => return None,
    })
}

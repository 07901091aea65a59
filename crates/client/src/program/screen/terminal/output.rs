//! Frames on their way to the terminal.
//!
//! A thread of the runtime writes them, so that a terminal that takes no bytes stops neither the keyboard nor the
//! network. The next frame is drawn when the terminal has taken the one before, and then shows the latest state.

use std::cell::RefCell;
use std::future::pending;
use std::io::{self, Write};
use std::rc::Rc;

use tokio::task::{JoinHandle, spawn_blocking};

use super::modes;

/// The bytes of the next frame. All clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct FrameBuffer(Rc<RefCell<Vec<u8>>>);

impl FrameBuffer {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.0.borrow_mut().extend_from_slice(bytes);
    }

    /// Takes the bytes.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.0.take()
    }
}

impl Write for FrameBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
        Ok(bytes.len())
    }

    /// Does nothing: the backend flushes several times during a frame.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes one frame after the other.
#[derive(Debug, Default)]
pub(super) struct FrameWriter {
    writing: Option<JoinHandle<io::Result<()>>>,
}

impl FrameWriter {
    /// Whether the frame before is written.
    pub(super) fn is_ready(&self) -> bool {
        self.writing.is_none()
    }

    /// Waits until the frame is written. If there is none, the future never completes, so that another branch of
    /// `select!` can run. Cancel-safe.
    pub(super) async fn written(&mut self) -> io::Result<()> {
        let Some(writing) = &mut self.writing else { return pending().await };
        let result = writing.await;
        self.writing = None;
        result.map_err(io::Error::other)?
    }

    /// Begins to write a frame. The frame before must be written.
    pub(super) fn write(&mut self, frame: Vec<u8>) {
        debug_assert!(self.is_ready(), "frames must not overtake each other");
        self.writing = Some(spawn_blocking(move || {
            let mut stdout = io::stdout().lock();
            // The screen of the shell must not get a late frame.
            if !modes::is_taken() {
                return Ok(());
            }
            stdout.write_all(&frame)?;
            stdout.flush()
        }));
    }
}

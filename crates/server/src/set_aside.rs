//! Lines of a session that are set aside, because the outbox of their target is congested.
//!
//! A line of the line dialect names its target. If the target reads slowly, its lines are set aside, and the session's
//! lines to other targets go on. The lines to one target keep their order. In the commands dialect, a session writes to
//! one peer, so the whole session is paused instead ([`throttle`](crate::throttle)).

use std::sync::Arc;
use std::task::Waker;

use switchboard_core::{CloseReason, SessionId};
use tokio::time::Instant;

use crate::outbox::{Outbox, Watermarks};
use crate::throttle::CongestedTarget;

/// Once this many bytes are set aside, the server reads no more from the session. 256 KiB: as much as the default soft
/// mark of an outbox. The last line may exceed the bound.
pub(crate) const BYTES_MAX: usize = 256 * 1024;

/// Maximum number of congested targets of a session. The pauses for all of them are checked whenever the session is
/// polled. For a further target, the whole session is paused.
const TARGETS_MAX: usize = 64;

/// The congested targets of one session, and the lines to them.
#[derive(Debug, Default)]
pub(crate) struct SetAside {
    targets: Vec<TargetLines>,
    /// Total number of bytes of the lines.
    bytes: usize,
    /// Why the session ends when no lines are left: the client has ended its input.
    pub(crate) end_of_input: Option<CloseReason>,
}

/// The lines to one congested target.
#[derive(Debug)]
struct TargetLines {
    session: SessionId,
    congestion: CongestedTarget,
    /// Whole lines, as the client could have sent them.
    lines: Vec<u8>,
}

impl SetAside {
    pub(crate) fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    pub(crate) fn has_lines(&self) -> bool {
        self.bytes > 0
    }

    /// Whether the server reads no more lines of the session.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= BYTES_MAX
    }

    /// When the first target's pause ends.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.targets.iter().map(|target| target.congestion.until()).min()
    }

    /// Sets a line to `session` aside if this target is congested. Returns false if it is not.
    pub(crate) fn add(&mut self, session: SessionId, name: &str, text: &str) -> bool {
        let Some(target) = self.targets.iter_mut().find(|target| target.session == session) else { return false };
        let old_len = target.lines.len();
        for part in [name, ":", text, "\n"] {
            target.lines.extend_from_slice(part.as_bytes());
        }
        self.bytes += target.lines.len() - old_len;
        true
    }

    /// Pauses the lines of `from` to a target with a congested outbox. Returns the outbox if there are too many
    /// targets.
    pub(crate) fn pause(
        &mut self,
        from: SessionId,
        session: SessionId,
        outbox: Arc<Outbox>,
        waker: &Waker,
        watermarks: Watermarks,
    ) -> Result<(), Arc<Outbox>> {
        let known = self.targets.iter().position(|target| target.session == session);
        if known.is_none() && self.targets.len() == TARGETS_MAX {
            return Err(outbox);
        }
        let Some(congestion) = CongestedTarget::pause(from, outbox, waker, watermarks) else { return Ok(()) };
        match known.and_then(|index| self.targets.get_mut(index)) {
            Some(target) => target.congestion = congestion,
            None => self.targets.push(TargetLines { session, congestion, lines: Vec::new() }),
        }
        Ok(())
    }

    /// The target whose pause is over, and its lines. A target without lines is removed when its pause is over.
    pub(crate) fn next_ready(
        &mut self,
        from: SessionId,
        waker: &Waker,
        watermarks: Watermarks,
    ) -> Option<(SessionId, Vec<u8>)> {
        let mut ready = None;
        self.targets.retain_mut(|target| {
            if ready.is_some() || !target.congestion.is_pause_over(from, waker, watermarks) {
                return true;
            }
            target.congestion.resume(from);
            if target.lines.is_empty() {
                return false;
            }
            ready = Some((target.session, std::mem::take(&mut target.lines)));
            true
        });
        ready
    }

    /// Gives the lines back that a turn did not handle. `handled`: number of bytes at their front that it did handle.
    pub(crate) fn give_back(&mut self, session: SessionId, mut lines: Vec<u8>, handled: usize) {
        self.bytes -= handled;
        if let Some(target) = self.targets.iter_mut().find(|target| target.session == session) {
            lines.drain(..handled);
            // The bound counts the lines, so the buffer must not stay much larger than they are.
            if lines.capacity() > 2 * lines.len() {
                lines.shrink_to_fit();
            }
            target.lines = lines;
        }
    }

    /// Drops all lines. The outboxes no longer count the session `from` as a sender.
    pub(crate) fn clear(&mut self, from: SessionId) {
        for target in self.targets.drain(..) {
            target.congestion.resume(from);
        }
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use switchboard_protocol::{AfterReply, Dialect};

    use super::*;

    #[test]
    fn handled_lines_hold_no_memory() {
        let congested = Watermarks { soft_bytes: 0, hard_bytes: usize::MAX };
        let uncongested = Watermarks { soft_bytes: usize::MAX, hard_bytes: usize::MAX };
        let outbox: Arc<Outbox> = Arc::new(Outbox::new(Dialect::Line, 0, tokio::io::empty()));
        let mut writer = outbox.open(true).expect("the session goes on");
        let appended = writer.append(congested, |_, queue| {
            queue.push(b'\n');
            AfterReply::KeepOpen
        });
        appended.expect("there is room");
        assert!(writer.close().is_none(), "the task is awake");
        let mut ids = slotmap::SlotMap::with_key();
        let (from, to): (SessionId, SessionId) = (ids.insert(()), ids.insert(()));
        let mut set_aside = SetAside::default();
        set_aside.pause(from, to, outbox, Waker::noop(), congested).expect("this is the first target");
        while !set_aside.is_full() {
            assert!(set_aside.add(to, "Elias", "hi"), "the target is known");
        }
        let (target, lines) = set_aside.next_ready(from, Waker::noop(), uncongested).expect("the pause is over");
        let handled = lines.len() - 9;
        set_aside.give_back(target, lines, handled);
        assert_eq!(set_aside.bytes, 9);
        let capacity = set_aside.targets[0].lines.capacity();
        assert!(capacity <= 18, "{capacity} bytes are allocated");
    }
}

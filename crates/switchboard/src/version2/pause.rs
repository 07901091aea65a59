//! Paused sessions: those that have so many replies to come that their further commands are read later.

use crate::board::Switchboard;
use crate::effects::StoreEffects;
use crate::session::SessionId;

/// Maximum outputs of a session in the commit queue, before its further commands wait. A client leaves at most 1,024
/// messages unanswered (protocol-2 promise 2).
const QUEUED_OUTPUTS_MAX: usize = 1024;

/// Maximum items in a session's lane, before its further commands wait.
const LANE_MAX: usize = 1024;

/// While more bytes of records are queued, the sessions that have queued some wait: 32 MiB is a third of a second of
/// messages at the rate at which a disk takes them.
const QUEUED_BYTES_MAX: usize = 32 * 1024 * 1024;

impl Switchboard {
    /// Whether further commands of the session must wait. If so, [`StoreEffects::resume`] tells when they may go on.
    pub fn is_paused(&mut self, session: SessionId) -> bool {
        let is_paused = self.must_pause(session);
        if let Some(state) = self.version2.sessions.get_mut(&session) {
            state.is_paused = is_paused;
        }
        is_paused
    }

    /// The client has sent its last line. Returns whether replies to its lines are not complete: then the session goes
    /// on until they are, and [`StoreEffects::resume`] tells when.
    pub fn end_of_input(&mut self, session: SessionId) -> bool {
        if let Some(state) = self.version2.sessions.get_mut(&session) {
            state.is_ending = true;
        }
        self.is_paused(session)
    }

    fn must_pause(&self, session: SessionId) -> bool {
        self.version2.sessions.get(&session).is_some_and(|state| {
            (state.is_being_identified() && state.deferred.is_some())
                || state.awaits_record
                || (state.is_ending && state.is_owed_lines())
                || state.queued_outputs >= QUEUED_OUTPUTS_MAX
                || state.lane.len() >= LANE_MAX
                || (state.queued_outputs > 0 && self.version2.queued_bytes > QUEUED_BYTES_MAX)
        })
    }

    /// Lets [`Self::resume_sessions`] look at a session, whose reason for a pause may have gone. A session that is
    /// paused because of the bytes of all records has output in the queue, so it is looked at when this is released.
    pub(super) fn check_pause(&mut self, session: SessionId) {
        if self.version2.sessions.get(&session).is_some_and(|state| state.is_paused) {
            self.version2.pauses_to_check.push(session);
        }
    }

    /// Resumes the sessions of [`Self::check_pause`] that need not wait any more.
    pub(super) fn resume_sessions(&mut self, effects: &mut impl StoreEffects) {
        while let Some(session) = self.version2.pauses_to_check.pop() {
            if !self.must_pause(session)
                && let Some(state) = self.version2.sessions.get_mut(&session)
                && std::mem::take(&mut state.is_paused)
            {
                effects.resume(session);
            }
        }
    }
}

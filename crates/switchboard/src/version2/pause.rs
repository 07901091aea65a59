//! Paused sessions: those that have so many replies to come that their further commands are read later.

use super::state::{IdentityStep, SessionState};
use crate::board::Switchboard;
use crate::change::ConversationId;
use crate::conversation::Progress;
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
        if is_paused {
            self.version2.paused.insert(session);
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

    pub(super) fn must_pause(&self, session: SessionId) -> bool {
        self.version2.sessions.get(&session).is_some_and(|state| {
            state.identity.as_ref().is_some_and(IdentityStep::pauses)
                || state.is_redacting
                || (state.is_ending && self.owes_lines(session, state))
                || state.queued_outputs >= QUEUED_OUTPUTS_MAX
                || state.lane.len() >= LANE_MAX
                || (state.queued_outputs > 0 && self.version2.queued_bytes > QUEUED_BYTES_MAX)
        })
    }

    /// Whether a session has to receive further lines for its requests so far.
    pub(super) fn owes_lines(&self, session: SessionId, state: &SessionState) -> bool {
        let is_replaying = |id: &ConversationId| {
            let conversation = self.version2.ledger.conversations.get(id);
            let viewer = conversation.and_then(|conversation| conversation.viewers.get(&session));
            viewer.is_some_and(|viewer| viewer.progress != Progress::Live)
        };
        state.queued_outputs > 0 || !state.lane.is_empty() || state.open.iter().any(is_replaying)
    }

    /// Resumes the sessions that need not wait any more.
    pub(super) fn resume_sessions(&mut self, effects: &mut impl StoreEffects) {
        let ready: Vec<_> = self.version2.paused.iter().copied().filter(|&session| !self.must_pause(session)).collect();
        for session in ready {
            self.version2.paused.remove(&session);
            effects.resume(session);
        }
    }
}

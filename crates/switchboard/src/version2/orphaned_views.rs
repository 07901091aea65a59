//! Views of deleted rooms whose sessions were not notified yet. `work` notifies them in parts.
//!
//! A room may have thousands of viewers, and a failure of the store may leave many rooms to delete. A session is notified
//! before its next reply.

use std::collections::BTreeMap;

use switchboard_protocol::version2::{GapReason, Reply};

use crate::board::Switchboard;
use crate::change::ConversationId;
use crate::conversation::Conversation;
use crate::effects::StoreEffects;
use crate::session::SessionId;

/// The orphaned views, each with whether it has missed records.
#[derive(Debug, Default)]
pub(super) struct OrphanedViews(BTreeMap<(SessionId, ConversationId), bool>);

impl OrphanedViews {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first orphaned view of a session.
    fn first_of(&self, session: SessionId) -> Option<(ConversationId, bool)> {
        let of_session = (session, ConversationId(0))..=(session, ConversationId(u64::MAX));
        self.0.range(of_session).next().map(|(&(_, id), &is_behind)| (id, is_behind))
    }

    /// The session has ended.
    pub(super) fn forget(&mut self, session: SessionId, id: ConversationId) {
        self.0.remove(&(session, id));
    }
}

impl Switchboard {
    /// Orphans all views of a room that is gone.
    pub(super) fn orphan_views(&mut self, id: ConversationId, removed: Conversation) {
        let views =
            removed.viewers.into_iter().map(|(session, viewer)| ((session, id), viewer.next <= removed.durable));
        self.version2.orphaned_views.0.extend(views);
    }

    /// Ends at most `views_max` orphaned views.
    pub(super) fn end_orphaned_views(&mut self, views_max: usize, effects: &mut impl StoreEffects) {
        for _ in 0..views_max {
            let Some(((session, id), is_behind)) = self.version2.orphaned_views.0.pop_first() else { break };
            self.end_view(session, id, is_behind, effects);
            if self.version2.orphaned_views.first_of(session).is_none() {
                self.advance_lane(session, effects);
            }
        }
        self.close_overflowed(effects);
    }

    /// Ends the orphaned views of a session. The caller advances its lane.
    pub(super) fn end_orphaned_views_of(&mut self, session: SessionId, effects: &mut impl StoreEffects) {
        while let Some((id, is_behind)) = self.version2.orphaned_views.first_of(session) {
            self.version2.orphaned_views.forget(session, id);
            self.end_view(session, id, is_behind, effects);
        }
    }

    /// Ends the view of a conversation that is gone. The session hears whether it has missed records. The caller advances
    /// the lane, whose replies may have waited for records of the conversation.
    pub(super) fn end_view(
        &mut self,
        session: SessionId,
        id: ConversationId,
        is_behind: bool,
        effects: &mut impl StoreEffects,
    ) {
        let target = self.target_name(id, session);
        if is_behind {
            let lost =
                Reply::Gap { target: (&*target).into(), from: 0, to: 0, reason: GapReason::Lost, is_past: false };
            self.send_now(session, &lost, effects);
        }
        self.send_now(session, &Reply::CloseOk { target: target.into() }, effects);
        self.forget_viewer(session, id, effects);
    }
}

//! Orphaned views: a room is gone, and some sessions that had it open have not heard so.
//!
//! A room has thousands of viewers, so they hear in parts that it is gone. A session hears so before its next reply.

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

    /// The session has ended.
    pub(super) fn forget(&mut self, session: SessionId, id: ConversationId) {
        self.0.remove(&(session, id));
    }
}

impl Switchboard {
    /// Ends all views of a room that is gone. If these are many, [`Switchboard::work`] ends them.
    pub(super) fn orphan_views(&mut self, id: ConversationId, removed: Conversation, effects: &mut impl StoreEffects) {
        let is_direct = removed.viewers.len() <= self.version2.settings.direct_viewers_max;
        for (session, viewer) in removed.viewers {
            let is_behind = viewer.next <= removed.durable;
            if is_direct {
                self.end_view(session, id, is_behind, effects);
            } else {
                self.version2.orphaned_views.0.insert((session, id), is_behind);
            }
        }
    }

    /// Ends at most `views_max` orphaned views.
    pub(super) fn end_orphaned_views(&mut self, views_max: usize, effects: &mut impl StoreEffects) {
        for _ in 0..views_max {
            let Some(((session, id), is_behind)) = self.version2.orphaned_views.0.pop_first() else { break };
            self.end_view(session, id, is_behind, effects);
        }
        self.close_overflowed(effects);
    }

    /// Ends the orphaned views of a session.
    pub(super) fn end_orphaned_views_of(&mut self, session: SessionId, effects: &mut impl StoreEffects) {
        let of_session = (session, ConversationId(0))..=(session, ConversationId(u64::MAX));
        while let Some((&(_, id), &is_behind)) = self.version2.orphaned_views.0.range(of_session.clone()).next() {
            self.version2.orphaned_views.forget(session, id);
            self.end_view(session, id, is_behind, effects);
        }
    }

    /// Ends the view of a conversation that is gone. The session hears whether it has missed records.
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
        self.remove_viewer(session, id, effects);
    }
}

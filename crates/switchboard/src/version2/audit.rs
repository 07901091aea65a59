//! The audit log: a room in which the server tells the operators what happens, and the reports of users.
//!
//! The room is made with the first operator. Its members are the operators, and nobody else learns that it exists: its
//! name is reserved, also while there is no such room.

use std::sync::Arc;

use switchboard_protocol::ErrorCode;
use switchboard_protocol::limits::TEXT_MAX_BYTES;
use switchboard_protocol::version2::{DoneVerb, Reply, Target};

use super::commit_queue::PendingReply;
use super::operator::Operated;
use super::say::NewRecord;
use super::state::LaneRead;
use crate::board::Switchboard;
use crate::change::{
    AccountId, ConversationId, ConversationKind, GuestAccess, Member, Record, RecordKind, RoomSettings, Standing,
};
use crate::effects::StoreEffects;
use crate::session::SessionId;

/// The name of the room.
pub(super) const AUDIT_LOG: &str = "#audit";

/// Maximum reports of an account or a guest in an hour: more than somebody writes who means them.
const REPORTS_MAX: u64 = 20;

const HOUR_MILLIS: u64 = 60 * 60 * 1000;

/// Who does something that the audit log tells.
#[derive(Clone, Debug)]
pub(super) struct Actor {
    session: SessionId,
    account: Option<AccountId>,
    pub(super) name: Arc<str>,
}

impl Actor {
    /// The operator at the control socket.
    pub(super) fn control() -> Self {
        // No session has this id.
        Self { session: SessionId::default(), account: None, name: "control".into() }
    }
}

impl Switchboard {
    /// The user of a session.
    pub(super) fn actor(&self, session: SessionId) -> Result<Actor, ErrorCode> {
        Ok(Actor { session, account: self.account_of(session), name: self.own_name(session)?.into() })
    }

    /// `ACCOUNT OPERATOR`: makes an account an operator, or an ordinary account again.
    pub(super) fn set_operator(
        &mut self,
        name: &str,
        is_operator: bool,
        effects: &mut impl StoreEffects,
    ) -> Result<Operated, ErrorCode> {
        let id = self.version2.ledger.accounts.find(name).ok_or(ErrorCode::UserNotFound)?;
        let account = self.version2.ledger.accounts.get(id).ok_or(ErrorCode::UserNotFound)?;
        let (was_operator, name) = (account.is_operator, account.name.to_string());
        let operated = Operated { account: Some(id), name, tokens: 0, sessions: 0 };
        if was_operator == is_operator {
            return Ok(operated);
        }
        let log = match self.version2.ledger.audit_log {
            Some(log) => log,
            // A room of an earlier version of the server may have the name.
            None if self.version2.ledger.find_room(AUDIT_LOG).is_some() => return Err(ErrorCode::InvalidRoom),
            None => {
                let kind = ConversationKind::Room { name: AUDIT_LOG.to_owned() };
                let settings = RoomSettings {
                    is_audit_log: true,
                    is_invite_only: true,
                    guests: GuestAccess::None,
                    ..RoomSettings::default()
                };
                self.version2.ledger.create(kind, settings, effects)
            }
        };
        self.version2.ledger.set_operator(id, is_operator, effects);
        if is_operator {
            let joined = self.version2.ledger.conversations[&log].last + 1;
            let member = Member { standing: Standing::Member, joined, ..Member::default() };
            self.version2.ledger.set_member(log, id, member, effects);
            let new_record = NewRecord { author: Some(id), ..NewRecord::new(RecordKind::Joined, "", None) };
            self.append_record(SessionId::default(), log, new_record, effects);
        } else {
            self.remove_from_room(SessionId::default(), log, id, None, effects);
        }
        Ok(operated)
    }

    /// Appends an action to the audit log. Returns whether there is an audit log.
    pub(super) fn append_audit(
        &mut self,
        actor: &Actor,
        text: &str,
        reply: Option<PendingReply>,
        effects: &mut impl StoreEffects,
    ) -> bool {
        let Some(log) = self.version2.ledger.audit_log else { return false };
        let text = &text[..text.floor_char_boundary(TEXT_MAX_BYTES)];
        let new_record = NewRecord { named: Some(&actor.name), ..NewRecord::new(RecordKind::Audit, text, reply) };
        let new_record = NewRecord { author: actor.account, ..new_record };
        self.append_record(actor.session, log, new_record, effects);
        true
    }

    /// `REPORT`.
    pub(super) fn report(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        seq: u64,
        reason: &str,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let conversation = self.readable(from, target)?;
        if self.version2.ledger.audit_log.is_none() {
            // Nobody would read it.
            return Err(ErrorCode::NotSupported);
        }
        self.can_store()?;
        if let Some(state) = self.version2.sessions.get_mut(&from) {
            state.awaits_record = true;
        }
        self.ask_in_lane(from, LaneRead::Report { conversation, seq, reason: reason.to_owned() }, effects);
        Ok(())
    }

    /// Writes a report and the reported record into the audit log.
    pub(super) fn report_record(
        &mut self,
        from: SessionId,
        id: ConversationId,
        seq: u64,
        reason: &str,
        record: Option<&Record>,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let record = record.filter(|record| record.kind == RecordKind::Message).ok_or(ErrorCode::RecordNotFound)?;
        let actor = self.actor(from)?;
        self.check_quota(from, 2, reason.len() + record.text.len(), effects)?;
        self.count_report(from, effects)?;
        self.may_store(from, reason.len(), effects)?;
        let target = self.target_name(id, from);
        let space = if reason.is_empty() { "" } else { " " };
        self.append_audit(&actor, &format!("REPORT {target} {seq}{space}{reason}"), None, effects);
        if let Some(log) = self.version2.ledger.audit_log {
            self.may_store(from, record.text.len(), effects)?;
            let quoted = NewRecord {
                author: record.account,
                named: Some(&record.author),
                ..NewRecord::new(RecordKind::Quoted, &record.text, None)
            };
            self.append_record(SessionId::default(), log, quoted, effects);
        }
        self.reply_after_change(from, &Reply::Done { verb: DoneVerb::Report, target: target.into(), seq });
        Ok(())
    }

    /// Counts a report of the session, if it may send one more within this hour.
    fn count_report(&mut self, from: SessionId, effects: &impl StoreEffects) -> Result<(), ErrorCode> {
        let now = effects.wall_clock().0;
        let Some((usage, _)) = self.usages(from).into_iter().flatten().next() else { return Ok(()) };
        let reports = &mut usage.reports;
        // A clock that was set back begins anew, too.
        if now.checked_sub(reports.start).is_none_or(|passed| passed >= HOUR_MILLIS) {
            (reports.start, reports.count) = (now, 0);
        }
        if reports.count >= REPORTS_MAX {
            return Err(ErrorCode::TryLater);
        }
        reports.count += 1;
        Ok(())
    }
}

//! Lists, read markers, blocks, and who comes and goes.

use std::ops::Bound;

use switchboard_protocol::ErrorCode;
use switchboard_protocol::version2::{self, Reply, Target};

use super::commit_queue::QueuedOutput;
use super::news::ReadMarker;
use super::state::{LaneItem, List, ListCursor};
use super::{WATCHERS_MAX, error_line};
use crate::board::Switchboard;
use crate::change::{AccountId, Change, ConversationId, ConversationKind, Member, Standing};
use crate::conversation::Conversation;
use crate::effects::StoreEffects;
use crate::session::SessionId;

/// A list is sent in parts of about this length, whenever the outbox has room.
const LIST_PART_BYTES: usize = 32 * 1024;

/// Maximum entries of a list that one part looks at: an entry that is not for the reader costs time, too.
const LIST_PART_ENTRIES: usize = 1024;

/// Maximum bytes of the names in a `READERS`, so that the line is no longer than the longest request.
const READERS_BYTES_MAX: usize = 3_840;

/// Maximum accounts that an account does not hear.
const BLOCKED_MAX: usize = 1_000;

impl Switchboard {
    /// `CONVERSATIONS`: those in which the account is a member.
    pub(super) fn list_conversations(&mut self, from: SessionId, effects: &mut impl StoreEffects) {
        self.send_list(from, ListCursor::Conversations(None), effects);
    }

    /// The line that tells a member how far a conversation is, and how far the member has read.
    pub(super) fn conversation_line(&self, account: AccountId, id: ConversationId) -> Vec<u8> {
        let mut line = Vec::new();
        let ledger = &self.version2.ledger;
        if let Some(conversation) = ledger.conversations.get(&id) {
            Reply::Conversation {
                target: ledger.target_name(id, Some(account)).into(),
                epoch: conversation.epoch.to_string().into(),
                first: conversation.first_for_readers(),
                last: conversation.durable,
                read: conversation.members.get(&account).map_or(0, |member| member.read.min(conversation.durable)),
            }
            .encode(&mut line);
        }
        line
    }

    /// `ROOMS`: those that the session may know of.
    pub(super) fn list_rooms(&mut self, from: SessionId, effects: &mut impl StoreEffects) {
        self.send_list(from, ListCursor::Rooms(None), effects);
    }

    /// `MEMBERS`.
    pub(super) fn list_members(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let id = self.readable(from, target)?;
        self.send_list(from, ListCursor::Members(id, None), effects);
        Ok(())
    }

    fn send_list(&mut self, to: SessionId, cursor: ListCursor, effects: &mut impl StoreEffects) {
        self.send_in_lane(to, LaneItem::List(List { cursor, count: 0, is_waiting: false }), effects);
    }

    /// Sends a part of the first list that waits.
    pub(super) fn continue_list(&mut self, effects: &mut impl StoreEffects) {
        if let Some(session) = self.version2.lists.pop_front()
            && let Some(state) = self.version2.sessions.get_mut(&session)
        {
            if let Some(LaneItem::List(list)) = state.lane.front_mut() {
                list.is_waiting = false;
            }
            self.advance_lane(session, effects);
        }
    }

    /// Sends the next part of the list that was first in the lane. The rest waits for its turn, so that one event does
    /// not send a long list at once.
    pub(super) fn send_list_part(&mut self, session: SessionId, list: List, effects: &mut impl StoreEffects) {
        let mut lines = Vec::new();
        let rest = self.next_lines(session, list, &mut lines);
        if let (Some(rest), Some(state)) = (rest, self.version2.sessions.get_mut(&session)) {
            state.lane.push_front(LaneItem::List(rest));
            self.version2.lists.push_back(session);
        }
        if !lines.is_empty() {
            self.send_line(session, &lines, effects);
        }
    }

    /// Appends the next lines of a list. Returns the rest of the list, unless this is its end.
    fn next_lines(&self, session: SessionId, list: List, out: &mut Vec<u8>) -> Option<List> {
        let List { cursor, mut count, .. } = list;
        let mut entries = 0;
        let mut is_full = |out: &Vec<u8>| {
            entries += 1;
            entries >= LIST_PART_ENTRIES || out.len() >= LIST_PART_BYTES
        };
        let ledger = &self.version2.ledger;
        let account = self.account_of(session);
        let cursor = match cursor {
            ListCursor::Rooms(sent) => {
                let mut rooms = ledger.rooms_after(sent.as_deref());
                let reached = rooms.find_map(|(name, id)| {
                    count += u64::from(self.push_room(session, id, out));
                    is_full(out).then(|| name.into())
                });
                let Some(reached) = reached else {
                    Reply::RoomsOk { count }.encode(out);
                    return None;
                };
                ListCursor::Rooms(Some(reached))
            }
            ListCursor::Conversations(sent) => {
                let mut ids = account.into_iter().flat_map(|account| ledger.conversations_after(account, sent));
                let reached = ids.find(|&id| {
                    count += u64::from(account.is_some_and(|account| self.push_conversation(account, id, out)));
                    is_full(out)
                });
                let Some(reached) = reached else {
                    Reply::ConversationsOk { count }.encode(out);
                    return None;
                };
                ListCursor::Conversations(Some(reached))
            }
            ListCursor::Members(id, sent) => {
                let target = ledger.target_name(id, account);
                let conversation = self.still_readable(id, session, &target, out)?;
                let start = sent.map_or(Bound::Unbounded, Bound::Excluded);
                let reached = conversation.members.range((start, Bound::Unbounded)).find_map(|(&account, member)| {
                    if let Some(stored) = ledger.accounts.get(account) {
                        let standing = standing_on_the_wire(member.standing);
                        Reply::Member { target: (&*target).into(), name: (&*stored.name).into(), standing }.encode(out);
                        count += 1;
                    }
                    is_full(out).then_some(account)
                });
                reached.map_or(ListCursor::Guests(id, None), |reached| ListCursor::Members(id, Some(reached)))
            }
            ListCursor::Guests(id, sent) => {
                let target = ledger.target_name(id, account);
                let conversation = self.still_readable(id, session, &target, out)?;
                let start = sent.map_or(Bound::Unbounded, Bound::Excluded);
                let reached = conversation.viewers.range((start, Bound::Unbounded)).find_map(|(&viewer, _)| {
                    count += u64::from(self.push_guest(viewer, &target, out));
                    is_full(out).then_some(viewer)
                });
                let Some(reached) = reached else {
                    Reply::MembersOk { target: target.into(), count }.encode(out);
                    return None;
                };
                ListCursor::Guests(id, Some(reached))
            }
        };
        Some(List { cursor, count, is_waiting: true })
    }

    /// Appends the line of a room, if the session may know of it.
    fn push_room(&self, session: SessionId, id: ConversationId, out: &mut Vec<u8>) -> bool {
        let conversation = &self.version2.ledger.conversations[&id];
        let ConversationKind::Room { name } = &conversation.kind else { return false };
        let account = self.account_of(session);
        let is_known = match conversation.standing(account) {
            Some(standing) => standing != Standing::Banned,
            None => self.may_read(session, id) || (account.is_some() && !conversation.settings.is_invite_only),
        };
        if is_known {
            let members = conversation.members.member_count() as u64;
            let topic = conversation.settings.topic.as_str().into();
            Reply::Room { target: name.into(), members, topic }.encode(out);
        }
        is_known
    }

    /// Appends the line of a conversation, if the account is a member.
    fn push_conversation(&self, account: AccountId, id: ConversationId, out: &mut Vec<u8>) -> bool {
        let conversation = &self.version2.ledger.conversations[&id];
        // A direct conversation is worth a line once somebody has said something.
        let is_empty_direct = !conversation.is_room() && conversation.durable == 0;
        let is_member = conversation.standing(Some(account)).is_some_and(Standing::is_member);
        if is_member && !is_empty_direct {
            out.extend(self.conversation_line(account, id));
        }
        is_member && !is_empty_direct
    }

    /// The conversation of a `MEMBERS`. If the reader may not read it any more, an `ERROR` ends the list.
    fn still_readable(
        &self,
        id: ConversationId,
        reader: SessionId,
        target: &str,
        out: &mut Vec<u8>,
    ) -> Option<&Conversation> {
        let conversation = self.version2.ledger.conversations.get(&id);
        let readable = conversation.filter(|_| self.may_read(reader, id));
        if readable.is_none() {
            out.extend(error_line(None, ErrorCode::NotAMember, Some(target)));
        }
        readable
    }

    /// Appends the line of a viewer that is a guest: guests are in a room as long as they have it open.
    fn push_guest(&self, viewer: SessionId, target: &str, out: &mut Vec<u8>) -> bool {
        let name = self.sessions.get(viewer).and_then(|session| session.name());
        let name = name.filter(|_| self.account_of(viewer).is_none());
        if let Some(name) = name {
            let standing = version2::Standing::Guest;
            Reply::Member { target: target.into(), name: name.into(), standing }.encode(out);
        }
        name.is_some()
    }

    /// `READ`: moves the read marker of the account forward.
    pub(super) fn mark_read(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        seq: u64,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let account = self.own_account(from)?;
        let id = self.find_conversation(from, target)?;
        let conversation = &self.version2.ledger.conversations[&id];
        let member = conversation.members.get(&account).copied().filter(|member| member.standing.is_member());
        let member = member.ok_or(ErrorCode::NotAMember)?;
        let read = seq.min(conversation.last).max(member.read);
        let reply = Reply::ReadOk { target: self.target_name(id, from).into(), seq: read };
        if read == member.read {
            self.reply_after_change(from, &reply);
            return Ok(());
        }
        self.can_store()?;
        self.version2.ledger.set_member(id, account, Member { read, ..member }, effects);
        let mut line = Vec::new();
        reply.encode(&mut line);
        let marker = ReadMarker { account, conversation: id, seq: read };
        let target = self.version2.target.take();
        self.enqueue(from, QueuedOutput::ReadMarker(from, marker, target, line));
        Ok(())
    }

    /// `READERS`: the members who have read up to `seq`.
    pub(super) fn readers(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        seq: u64,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let id = self.readable(from, target)?;
        let ledger = &self.version2.ledger;
        let members = ledger.conversations[&id].members.iter();
        let readers = members.filter(|(_, member)| member.standing.is_member() && member.read >= seq);
        let mut bytes = 0;
        let mut names = readers.filter_map(|(&account, _)| ledger.accounts.get(account).map(|account| &*account.name));
        let mut fitting = names.by_ref().take_while(|name| {
            bytes += name.len() + 1;
            bytes <= READERS_BYTES_MAX
        });
        let listed: Vec<String> = fitting.by_ref().map(str::to_owned).collect();
        let has_more = bytes > READERS_BYTES_MAX;
        let target = ledger.target_name(id, self.account_of(from)).into();
        self.reply(from, &Reply::Readers { target, seq, names: listed.into(), has_more }, effects);
        Ok(())
    }

    /// `BLOCK` or `UNBLOCK`: the account no longer hears another one, or hears it again.
    pub(super) fn block(
        &mut self,
        from: SessionId,
        who: &Target<'_>,
        is_blocked: bool,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let own = self.own_account(from)?;
        let other = self.person(who)?;
        if other == own {
            return Err(ErrorCode::SelfConnect);
        }
        self.can_store()?;
        let ledger = &mut self.version2.ledger;
        let shown = ledger.accounts.get(other).map(|account| account.name.to_string()).unwrap_or_default();
        let Some(account) = ledger.accounts.get_mut(own) else { return Ok(()) };
        if is_blocked && account.blocked.len() >= BLOCKED_MAX && !account.blocked.contains(&other) {
            return Err(ErrorCode::TooManyBlocked);
        }
        let has_changed = if is_blocked { account.blocked.insert(other) } else { account.blocked.remove(&other) };
        if has_changed {
            ledger.append(Change::BlockSet { account: own, blocked: other, is_blocked }, effects);
        }
        let name = shown.into();
        let reply = if is_blocked { Reply::BlockOk { name } } else { Reply::UnblockOk { name } };
        self.reply_after_change(from, &reply);
        Ok(())
    }

    /// `WATCH` or `UNWATCH`.
    pub(super) fn watch(
        &mut self,
        from: SessionId,
        is_watching: bool,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let watchers = &mut self.version2.watchers;
        if is_watching {
            if watchers.len() >= WATCHERS_MAX && !watchers.contains(&from) {
                return Err(ErrorCode::TooManyWatchers);
            }
            watchers.insert(from);
        } else {
            watchers.remove(&from);
        }
        self.reply(from, if is_watching { &Reply::WatchOk } else { &Reply::UnwatchOk }, effects);
        Ok(())
    }
}

fn standing_on_the_wire(standing: Standing) -> version2::Standing {
    match standing {
        Standing::Banned => version2::Standing::Banned,
        Standing::Invited => version2::Standing::Invited,
        Standing::Member => version2::Standing::Member,
        Standing::Moderator => version2::Standing::Moderator,
        Standing::Owner => version2::Standing::Owner,
    }
}

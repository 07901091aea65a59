//! News: lines that tell the devices of members how far a conversation has gone, and how far their account has read.
//!
//! A room has up to 5,000 members, so the news of a conversation go out in parts. Only the newest state matters: news
//! that come meanwhile join those that are not out yet.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use switchboard_protocol::version2::Reply;

use crate::accounts::Account;
use crate::board::Switchboard;
use crate::change::{AccountId, ConversationId, Standing};
use crate::conversation::Conversation;
use crate::effects::StoreEffects;
use crate::ledger::Ledger;
use crate::session::SessionId;

/// Maximum missed lines that a session gets at once, when its outbox has room again.
const MISSED_LINES_MAX: usize = 256;

/// The conversations with news.
#[derive(Debug, Default)]
pub(super) struct News {
    rounds: BTreeMap<ConversationId, Round>,
    /// The same conversations, in the order of their turns.
    turns: VecDeque<ConversationId>,
}

/// One round through the members of a conversation.
#[derive(Debug)]
struct Round {
    /// The session that has written all new records. It is not told of them.
    only_author: Option<SessionId>,
    /// The last member that was told.
    cursor: Option<AccountId>,
    /// The round has begun after this member, so it ends there.
    start: Option<AccountId>,
    /// The round has passed the last member, and has gone on with the first.
    has_wrapped: bool,
}

impl News {
    /// The conversation has new records, all of `author` if there is one. The round begins anew, with the next member.
    pub(super) fn add(&mut self, id: ConversationId, author: Option<SessionId>) {
        if let Some(round) = self.rounds.get_mut(&id) {
            round.only_author = round.only_author.filter(|_| round.only_author == author);
            (round.start, round.has_wrapped) = (round.cursor, false);
        } else {
            self.rounds.insert(id, Round { only_author: author, cursor: None, start: None, has_wrapped: false });
            self.turns.push_back(id);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }
}

/// A read marker that an account has moved.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadMarker {
    pub(super) account: AccountId,
    pub(super) conversation: ConversationId,
    pub(super) seq: u64,
}

/// The newest durable read markers that the other devices of the account have not received yet, each with the session
/// that moved it.
#[derive(Debug, Default)]
pub(super) struct Markers(BTreeMap<(AccountId, ConversationId), (u64, SessionId)>);

impl Markers {
    pub(super) fn add(&mut self, session: SessionId, marker: ReadMarker) {
        self.0.insert((marker.account, marker.conversation), (marker.seq, session));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Switchboard {
    /// Tells each connected device of a member, which does not have the conversation open, that there are new records.
    /// A session that has written all of them knows that already. Ends after about `work_max` members and lines.
    pub(super) fn send_news(&mut self, work_max: usize, effects: &mut impl StoreEffects) {
        let mut work = 0;
        while work < work_max
            && let Some(id) = self.version2.news.turns.pop_front()
            && let Some(mut round) = self.version2.news.rounds.remove(&id)
        {
            work += 1;
            let is_complete = self.advance_round(id, &mut round, &mut work, work_max, effects);
            if !is_complete {
                self.version2.news.rounds.insert(id, round);
                self.version2.news.turns.push_back(id);
            }
            self.close_overflowed(effects);
        }
    }

    /// Tells the next members of a round. Returns whether the round is complete.
    fn advance_round(
        &mut self,
        id: ConversationId,
        round: &mut Round,
        work: &mut usize,
        work_max: usize,
        effects: &mut impl StoreEffects,
    ) -> bool {
        let Some(conversation) = self.version2.ledger.conversations.get(&id) else { return true };
        let mut told = Vec::new();
        let is_complete = loop {
            if *work >= work_max {
                break false;
            }
            let after = round.cursor.map_or(Bound::Unbounded, Bound::Excluded);
            let until = round.start.filter(|_| round.has_wrapped).map_or(Bound::Unbounded, Bound::Included);
            // A range must not end before it begins.
            let is_over = round.has_wrapped && round.cursor >= round.start;
            let next = if is_over { None } else { conversation.members.range((after, until)).next() };
            let Some((&account, _)) = next else {
                if round.has_wrapped || round.start.is_none() {
                    break true;
                }
                (round.cursor, round.has_wrapped) = (None, true);
                continue;
            };
            *work += 1;
            round.cursor = Some(account);
            let Some(stored) = self.version2.ledger.accounts.get(account) else { continue };
            if !is_told(&self.version2.ledger, conversation, account) {
                continue;
            }
            let hears_otherwise =
                |session: &SessionId| conversation.viewers.contains_key(session) || round.only_author == Some(*session);
            let before = told.len();
            told.extend(stored.sessions().filter(|s| !hears_otherwise(s)).map(|session| (session, account)));
            *work += told.len() - before;
        };
        for (session, account) in told {
            self.send_conversation_line(session, account, id, effects);
        }
        is_complete
    }

    fn send_conversation_line(
        &mut self,
        session: SessionId,
        account: AccountId,
        id: ConversationId,
        effects: &mut impl StoreEffects,
    ) {
        if effects.has_room(session) {
            let line = self.conversation_line(account, id);
            self.send_line(session, &line, effects);
        } else {
            self.miss_news(session, id, effects);
        }
    }

    /// Tells a session of a conversation's news as soon as its outbox has room, if it is still to be told then.
    pub(super) fn miss_news(&mut self, session: SessionId, id: ConversationId, effects: &mut impl StoreEffects) {
        if let Some(state) = self.version2.sessions.get_mut(&session) {
            state.missed_news.insert(id);
            effects.notify_of_room(session);
        }
    }

    /// Tells the other devices of accounts of moved read markers. Ends after about `work_max` of them.
    pub(super) fn send_markers(&mut self, work_max: usize, effects: &mut impl StoreEffects) {
        let mut work = 0;
        while work < work_max
            && let Some(((account, id), (seq, mover))) = self.version2.markers.0.pop_first()
        {
            let sessions = self.version2.ledger.accounts.get(account).into_iter().flat_map(Account::sessions);
            let others: Vec<_> = sessions.filter(|&session| session != mover).collect();
            work += 1 + others.len();
            for session in others {
                self.send_marker(session, id, seq, effects);
            }
            self.close_overflowed(effects);
        }
    }

    fn send_marker(&mut self, session: SessionId, id: ConversationId, seq: u64, effects: &mut impl StoreEffects) {
        if effects.has_room(session) {
            let target = self.target_name(id, session).into();
            self.send_now(session, &Reply::Read { target, seq }, effects);
        } else if let Some(state) = self.version2.sessions.get_mut(&session) {
            state.missed_markers.insert(id, seq);
            effects.notify_of_room(session);
        }
    }

    /// Sends the news and markers that a session has missed because its outbox had no room.
    pub(super) fn send_missed_lines(&mut self, session: SessionId, effects: &mut impl StoreEffects) {
        let Some(account) = self.account_of(session) else { return };
        for _ in 0..MISSED_LINES_MAX {
            let Some(state) = self.version2.sessions.get_mut(&session) else { return };
            if state.missed_news.is_empty() && state.missed_markers.is_empty() {
                return;
            }
            if !effects.has_room(session) {
                break;
            }
            if let Some((id, seq)) = state.missed_markers.pop_first() {
                self.send_marker(session, id, seq, effects);
            } else if let Some(id) = state.missed_news.pop_first() {
                let conversation = self.version2.ledger.conversations.get(&id);
                let is_news = conversation.is_some_and(|conversation| {
                    is_told(&self.version2.ledger, conversation, account)
                        && !conversation.viewers.contains_key(&session)
                });
                if is_news {
                    self.send_conversation_line(session, account, id, effects);
                }
            }
        }
        // The rest follows as soon as other sessions had their turns.
        effects.notify_of_room(session);
    }
}

/// Whether an account is told of the news of a conversation: it is a member, and has not blocked the other one.
fn is_told(ledger: &Ledger, conversation: &Conversation, account: AccountId) -> bool {
    let has_blocked = |other| ledger.accounts.get(account).is_some_and(|account| account.blocked.contains(&other));
    conversation.standing(Some(account)).is_some_and(Standing::is_member)
        && !conversation.other(account).is_some_and(has_blocked)
}

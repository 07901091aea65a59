//! Join links: a word with which each account that has it may join a room.

use sha2::{Digest as _, Sha256};
use switchboard_protocol::ErrorCode;
use switchboard_protocol::version2::{DoneVerb, Period, Reply, Secret, Target};

use super::commit_queue::PendingReply;
use super::rooms::end_of;
use super::say::NewRecord;
use crate::board::Switchboard;
use crate::change::{ConversationId, Epoch, Link, RecordKind, Standing, TokenHash};
use crate::effects::StoreEffects;
use crate::session::SessionId;

/// Maximum join links of a room.
const LINKS_MAX: usize = 100;

impl Switchboard {
    /// `LINK`: a moderator makes a join link.
    pub(super) fn link(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        period: Option<Period>,
        uses: Option<u64>,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let (id, _) = self.room_as(from, target, Standing::is_moderator)?;
        if self.version2.ledger.conversations[&id].links.len() >= LINKS_MAX {
            return Err(ErrorCode::RoomFull);
        }
        self.may_store(from, 0, effects)?;
        let link = Link { until: period.map(|period| end_of(period, effects)), uses_left: uses };
        // Each epoch adds 64 random bits in 13 characters.
        let word = Secret::new(&format!("{}{}", Epoch(effects.random()), Epoch(effects.random())));
        self.version2.ledger.set_link(id, hash(&word), Some(link), effects);
        let limits = [period.map(|period| period.to_string()), uses.map(|uses| uses.to_string())];
        let limits: Vec<_> = limits.into_iter().flatten().collect();
        let limits = if limits.is_empty() { "on".to_owned() } else { limits.join(" ") };
        self.append_record(from, id, NewRecord::new(RecordKind::Set, &format!("link {limits}"), None), effects);
        let target = self.target_name(id, from).into();
        self.reply_after_change(from, &Reply::LinkOk { target, invitation: word });
        Ok(())
    }

    /// `UNLINK`: a moderator ends a join link, or all of the room.
    pub(super) fn unlink(
        &mut self,
        from: SessionId,
        target: &Target<'_>,
        word: Option<&Secret>,
        effects: &mut impl StoreEffects,
    ) -> Result<(), ErrorCode> {
        let (id, _) = self.room_as(from, target, Standing::is_moderator)?;
        let conversation = &self.version2.ledger.conversations[&id];
        let hashes: Vec<_> = match word {
            Some(word) => self.find_link(id, word).into_iter().map(|(hash, _)| hash).collect(),
            None => conversation.links.keys().copied().collect(),
        };
        if hashes.is_empty() {
            let last = conversation.last;
            self.done_after_change(from, id, DoneVerb::Unlink, last);
            return Ok(());
        }
        self.may_store(from, 0, effects)?;
        for hash in hashes {
            self.version2.ledger.set_link(id, hash, None, effects);
        }
        let reply = Some(PendingReply::Done(DoneVerb::Unlink));
        self.append_record(from, id, NewRecord::new(RecordKind::Set, "link off", reply), effects);
        Ok(())
    }

    /// The link of a room with this word.
    pub(super) fn find_link(&self, id: ConversationId, word: &Secret) -> Option<(TokenHash, Link)> {
        let hash = hash(word);
        let conversation = self.version2.ledger.conversations.get(&id)?;
        conversation.links.get(&hash).map(|&link| (hash, link))
    }

    /// An account joins by a link.
    pub(super) fn use_link(
        &mut self,
        id: ConversationId,
        hash: TokenHash,
        link: Link,
        effects: &mut impl StoreEffects,
    ) {
        if let Some(uses_left) = link.uses_left {
            let left = Link { uses_left: Some(uses_left.saturating_sub(1)), ..link };
            self.version2.ledger.set_link(id, hash, Some(left).filter(|link| link.uses_left != Some(0)), effects);
        }
    }
}

fn hash(word: &Secret) -> TokenHash {
    TokenHash(Sha256::digest(word.expose()).into())
}

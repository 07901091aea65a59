//! One batch of changes as one transaction.

use std::collections::HashMap;

use rusqlite::{
    CachedStatement, Connection, Error, ErrorCode, Params, Result, Transaction, TransactionBehavior, params,
};
use switchboard_core::change::{
    Ban, BanTarget, Change, ConversationId, ConversationKind, Credential, DeviceId, GuestAccess, LastSent, Link,
    Person, Record, RoomSettings, Sanction, SanctionKind, Standing, UnixMillis,
};

use super::failure::Place;
use super::{record_row, redaction};
use crate::error::StoreError;
use crate::ledger::unfit;

pub(crate) const BANNED_NAME: i64 = 0;
pub(crate) const BANNED_ACCOUNT: i64 = 1;
pub(crate) const BANNED_ADDRESSES: i64 = 2;

/// A transaction into which changes are written.
pub(crate) struct Batch<'a> {
    transaction: &'a Transaction<'a>,
    insert_record: CachedStatement<'a>,
    next_record: i64,
    indexed: i64,
    /// The conversations to which records were added: one update for each of them, not for each record.
    appended: HashMap<ConversationId, Appended>,
    /// The highest `n` of each device: likewise.
    sent: HashMap<(DeviceId, ConversationId), LastSent>,
}

/// Records that were added to a conversation.
struct Appended {
    /// The last record before them.
    before: u64,
    last: u64,
    last_at: UnixMillis,
}

impl<'a> Batch<'a> {
    /// Writes the changes in one transaction, and returns the id of the next record.
    pub(crate) fn commit(
        connection: &mut Connection,
        place: &Place,
        next_record: i64,
        indexed: i64,
        changes: &[Change],
    ) -> Result<i64, StoreError> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = transaction.map_err(|error| place.error(&error))?;
        let next_record = {
            let mut batch = Batch::new(&transaction, next_record, indexed).map_err(|error| place.error(&error))?;
            for change in changes {
                match batch.apply(change) {
                    Ok(true) => {}
                    Ok(false) => return Err(unfit(change)),
                    Err(error) if is_constraint(&error) => return Err(unfit(change)),
                    Err(error) => return Err(place.error(&error)),
                }
            }
            match batch.flush() {
                Ok(true) => batch.next_record,
                Ok(false) => return Err(unfit_records()),
                Err(error) if is_constraint(&error) => return Err(unfit_records()),
                Err(error) => return Err(place.error(&error)),
            }
        };
        transaction.commit().map_err(|error| place.error(&error))?;
        Ok(next_record)
    }

    fn new(transaction: &'a Transaction<'a>, next_record: i64, indexed: i64) -> Result<Self> {
        Ok(Self {
            transaction,
            insert_record: transaction.prepare_cached(record_row::INSERT)?,
            next_record,
            indexed,
            appended: HashMap::new(),
            sent: HashMap::new(),
        })
    }

    /// Writes a change, and returns whether it fits the stored state.
    fn apply(&mut self, change: &Change) -> Result<bool> {
        match change {
            Change::RecordAppended(record) => return self.append(record),
            Change::AccountCreated { account, name, credential } => {
                let (password, key) = credential_columns(credential);
                let id = account.0.cast_signed();
                self.run(
                    "INSERT INTO accounts (id, name, password, key) VALUES (?1, ?2, ?3, ?4)",
                    params![id, name, password, key],
                )?;
                self.run("UPDATE counters SET next_account = max(next_account, ?1 + 1)", [id])?;
            }
            Change::CredentialSet { account, credential } => {
                let (password, key) = credential_columns(credential);
                let values = params![account.0.cast_signed(), password, key];
                return self.run_for_one("UPDATE accounts SET password = ?2, key = ?3 WHERE id = ?1", values);
            }
            Change::AccountDeleted { account } => {
                // The waiting rows of its devices would otherwise come back.
                if !self.flush()? {
                    return Ok(false);
                }
                self.set_ban(&BanTarget::Account(*account), None)?;
                return self.run_for_one("DELETE FROM accounts WHERE id = ?1", [account.0.cast_signed()]);
            }
            Change::DeviceAdded { device, account, name } => {
                let id = device.0.cast_signed();
                let values = params![id, account.0.cast_signed(), name];
                self.run("INSERT INTO devices (id, account, name) VALUES (?1, ?2, ?3)", values)?;
                self.run("UPDATE counters SET next_device = max(next_device, ?1 + 1)", [id])?;
            }
            Change::TokenSet { device, hash } => {
                let values = params![device.0.cast_signed(), &hash.0[..]];
                return self.run_for_one("UPDATE devices SET token = ?2 WHERE id = ?1", values);
            }
            Change::DeviceRemoved { device } => {
                if !self.flush()? {
                    return Ok(false);
                }
                self.run("DELETE FROM devices WHERE id = ?1", [device.0.cast_signed()])?;
            }
            Change::BlockSet { account, blocked, is_blocked } => {
                let pair = [account.0.cast_signed(), blocked.0.cast_signed()];
                let statement = if *is_blocked {
                    "INSERT INTO blocks (account, blocked) VALUES (?1, ?2) ON CONFLICT DO NOTHING"
                } else {
                    "DELETE FROM blocks WHERE account = ?1 AND blocked = ?2"
                };
                self.run(statement, pair)?;
            }
            Change::OperatorSet { account, is_operator } => {
                let values = params![account.0.cast_signed(), is_operator];
                return self.run_for_one("UPDATE accounts SET is_operator = ?2 WHERE id = ?1", values);
            }
            Change::BanSet { target, ban } => self.set_ban(target, ban.as_ref())?,
            Change::ConversationCreated { conversation, kind, epoch, settings } => {
                self.create_conversation(conversation.0.cast_signed(), kind, epoch.0.cast_signed(), settings)?;
            }
            Change::SettingsSet { conversation, settings } => {
                let id = conversation.0.cast_signed();
                return self.set_settings(id, settings);
            }
            Change::MemberSet { conversation, account, member } => {
                self.run(
                    "INSERT INTO members (conversation, account, standing, read, joined, until)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                     ON CONFLICT DO UPDATE SET standing = excluded.standing, read = excluded.read,
                     joined = excluded.joined, until = excluded.until",
                    params![
                        conversation.0.cast_signed(),
                        account.0.cast_signed(),
                        standing_number(member.standing),
                        member.read.cast_signed(),
                        member.joined.cast_signed(),
                        member.until.map(|until| until.0.cast_signed())
                    ],
                )?;
            }
            Change::MemberRemoved { conversation, account } => {
                let pair = [conversation.0.cast_signed(), account.0.cast_signed()];
                self.run("DELETE FROM members WHERE conversation = ?1 AND account = ?2", pair)?;
            }
            Change::SanctionSet { conversation, person, sanction } => {
                self.set_sanction(conversation.0.cast_signed(), person, sanction.as_ref())?;
            }
            Change::LinkSet { conversation, hash, link } => {
                self.set_link(conversation.0.cast_signed(), &hash.0, link.as_ref())?;
            }
            Change::Redacted { conversation, target, by } => {
                redaction::write(self.transaction, *conversation, target, *by, self.indexed)?;
            }
            Change::Expired { conversation, first } => return self.expire(*conversation, *first),
            Change::ConversationDeleted { conversation } => return self.delete_conversation(*conversation),
        }
        Ok(true)
    }

    fn append(&mut self, record: &Record) -> Result<bool> {
        let before = record.seq.wrapping_sub(1);
        let appended =
            self.appended.entry(record.conversation).or_insert(Appended { before, last: before, last_at: record.at });
        if appended.last != before {
            return Ok(false);
        }
        (appended.last, appended.last_at) = (record.seq, record.at);
        record_row::insert(&mut self.insert_record, self.next_record, record)?;
        self.next_record += 1;
        if let Some(sent) = record.sent {
            self.sent.insert((sent.device, record.conversation), LastSent { n: sent.n, seq: record.seq });
        }
        Ok(true)
    }

    /// Writes the rows that wait for the end of the batch. Returns whether the records follow those before them.
    fn flush(&mut self) -> Result<bool> {
        let mut update = self
            .transaction
            .prepare_cached("UPDATE heads SET last = ?2, last_at = ?4 WHERE conversation = ?1 AND last = ?3")?;
        for (conversation, appended) in self.appended.drain() {
            let values = [conversation.0, appended.last, appended.before, appended.last_at.0].map(u64::cast_signed);
            if update.execute(values)? != 1 {
                return Ok(false);
            }
        }
        let mut upsert = self.transaction.prepare_cached(
            "INSERT INTO device_sent (device, conversation, n, seq) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET n = excluded.n, seq = excluded.seq",
        )?;
        for ((device, conversation), last) in self.sent.drain() {
            upsert.execute([device.0, conversation.0, last.n, last.seq].map(u64::cast_signed))?;
        }
        Ok(true)
    }

    fn create_conversation(
        &mut self,
        id: i64,
        kind: &ConversationKind,
        epoch: i64,
        settings: &RoomSettings,
    ) -> Result<()> {
        let (room, [low, high]) = match kind {
            ConversationKind::Room { name } => (Some(name), [None; 2]),
            ConversationKind::Direct(accounts) => (None, accounts.map(|account| Some(account.0.cast_signed()))),
        };
        self.run(
            "INSERT INTO conversations (id, room, low_account, high_account, epoch, topic, is_invite_only, guests)
             VALUES (?1, ?2, ?3, ?4, ?5, '', 0, 0)",
            params![id, room, low, high, epoch],
        )?;
        self.set_settings(id, settings)?;
        self.run("INSERT INTO heads (conversation, first, last) VALUES (?1, 1, 0)", [id])?;
        self.run("UPDATE counters SET next_conversation = max(next_conversation, ?1 + 1)", [id])?;
        Ok(())
    }

    fn set_settings(&mut self, id: i64, settings: &RoomSettings) -> Result<bool> {
        let RoomSettings { topic, is_invite_only, guests, keep_days, keep_records, slow_seconds, is_audit_log } =
            settings;
        let keep_records = keep_records.map(u64::cast_signed);
        self.run_for_one(
            "UPDATE conversations
             SET topic = ?2, is_invite_only = ?3, guests = ?4, keep_days = ?5, keep_records = ?6, slow_seconds = ?7,
                 is_audit_log = ?8
             WHERE id = ?1",
            params![
                id,
                topic,
                is_invite_only,
                guests_number(*guests),
                keep_days,
                keep_records,
                slow_seconds,
                is_audit_log
            ],
        )
    }

    fn set_sanction(&mut self, conversation: i64, person: &Person, sanction: Option<&Sanction>) -> Result<()> {
        let (account, guest) = match person {
            Person::Account(account) => (Some(account.0.cast_signed()), None),
            Person::Guest(name) => (None, Some(&**name)),
        };
        self.run(
            "DELETE FROM room_sanctions WHERE conversation = ?1 AND account IS ?2 AND guest IS ?3",
            params![conversation, account, guest],
        )?;
        if let Some(Sanction { kind, until }) = sanction {
            let until = until.map(|until| until.0.cast_signed());
            self.run(
                "INSERT INTO room_sanctions (conversation, account, guest, kind, until) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![conversation, account, guest, sanction_number(*kind), until],
            )?;
        }
        Ok(())
    }

    fn set_link(&mut self, conversation: i64, hash: &[u8; 32], link: Option<&Link>) -> Result<()> {
        match link {
            Some(Link { until, uses_left }) => {
                let (until, uses_left) = (until.map(|until| until.0.cast_signed()), uses_left.map(u64::cast_signed));
                self.run(
                    "INSERT INTO links (conversation, hash, until, uses_left) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT DO UPDATE SET until = excluded.until, uses_left = excluded.uses_left",
                    params![conversation, &hash[..], until, uses_left],
                )
            }
            None => {
                self.run("DELETE FROM links WHERE conversation = ?1 AND hash = ?2", params![conversation, &hash[..]])
            }
        }?;
        Ok(())
    }

    fn set_ban(&mut self, target: &BanTarget, ban: Option<&Ban>) -> Result<()> {
        let (kind, value) = ban_columns(target);
        match ban {
            Some(Ban { reason, until, by, at }) => {
                let (until, at) = (until.map(|until| until.0.cast_signed()), at.0.cast_signed());
                self.run(
                    "INSERT INTO bans (kind, value, reason, until, by, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                     ON CONFLICT DO UPDATE
                     SET reason = excluded.reason, until = excluded.until, by = excluded.by, at = excluded.at",
                    params![kind, value, reason, until, by, at],
                )
            }
            None => self.run("DELETE FROM bans WHERE kind = ?1 AND value = ?2", params![kind, value]),
        }?;
        Ok(())
    }

    /// Moves the first record. Its rows are deleted later.
    fn expire(&mut self, conversation: ConversationId, first: u64) -> Result<bool> {
        if !self.flush()? {
            return Ok(false);
        }
        let fits = self.run_for_one(
            "UPDATE heads SET first = max(first, ?2) WHERE conversation = ?1 AND ?2 <= last + 1",
            [conversation.0, first].map(u64::cast_signed),
        )?;
        self.run("INSERT OR IGNORE INTO expiring (conversation) VALUES (?1)", [conversation.0.cast_signed()])?;
        Ok(fits)
    }

    /// Deletes the rows of a conversation that the core loads. Its records are deleted later, like expired ones.
    fn delete_conversation(&mut self, conversation: ConversationId) -> Result<bool> {
        // The waiting rows would otherwise come back.
        if !self.flush()? {
            return Ok(false);
        }
        let id = [conversation.0.cast_signed()];
        let fits = self
            .run_for_one("UPDATE conversations SET is_deleted = 1, topic = '' WHERE id = ?1 AND is_deleted = 0", id)?;
        self.run("UPDATE heads SET first = last + 1 WHERE conversation = ?1", id)?;
        self.run("DELETE FROM members WHERE conversation = ?1", id)?;
        self.run("DELETE FROM room_sanctions WHERE conversation = ?1", id)?;
        self.run("DELETE FROM links WHERE conversation = ?1", id)?;
        self.run("DELETE FROM device_sent WHERE conversation = ?1", id)?;
        self.run("DELETE FROM redactions WHERE conversation = ?1", id)?;
        self.run("INSERT OR IGNORE INTO expiring (conversation) VALUES (?1)", id)?;
        Ok(fits)
    }

    fn run(&mut self, statement: &str, values: impl Params) -> Result<usize> {
        self.transaction.prepare_cached(statement)?.execute(values)
    }

    /// Runs a statement that must change one row. Returns whether it did.
    fn run_for_one(&mut self, statement: &str, values: impl Params) -> Result<bool> {
        Ok(self.run(statement, values)? == 1)
    }
}

/// Whether a change does not fit the state that SQLite checks: keys, and references.
fn is_constraint(error: &Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation)
}

fn unfit_records() -> StoreError {
    StoreError::Unfit { change: "records of a conversation or device that does not exist, or out of order".to_owned() }
}

fn credential_columns(credential: &Credential) -> (Option<&str>, Option<&[u8]>) {
    match credential {
        Credential::Password(hash) => (Some(hash), None),
        Credential::Key(key) => (None, Some(key)),
    }
}

/// The number of a standing in the file. It keeps its meaning for ever.
pub(crate) fn standing_number(standing: Standing) -> i64 {
    match standing {
        Standing::Banned => 0,
        Standing::Invited => 1,
        Standing::Member => 2,
        Standing::Moderator => 3,
        Standing::Owner => 4,
    }
}

/// The kind of a ban's target in the file, and the target as text. They keep their meaning for ever.
fn ban_columns(target: &BanTarget) -> (i64, String) {
    match target {
        BanTarget::Name(folded) => (BANNED_NAME, folded.to_string()),
        BanTarget::Account(account) => (BANNED_ACCOUNT, account.0.to_string()),
        BanTarget::Addresses(prefix) => (BANNED_ADDRESSES, prefix.to_string()),
    }
}

/// The number of a kind of sanction in the file. It keeps its meaning for ever.
pub(crate) fn sanction_number(kind: SanctionKind) -> i64 {
    match kind {
        SanctionKind::Banned => 0,
        SanctionKind::Muted => 1,
    }
}

/// The number of a setting for guests in the file. It keeps its meaning for ever.
pub(crate) fn guests_number(guests: GuestAccess) -> i64 {
    match guests {
        GuestAccess::None => 0,
        GuestAccess::Read => 1,
        GuestAccess::Write => 2,
    }
}

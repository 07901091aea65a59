//! Reads everything but the records.

use rusqlite::types::Type;
use rusqlite::{Connection, Error, Result, Row};
use switchboard_core::change::{
    AccountId, Ban, BanTarget, ConversationId, ConversationKind, Credential, DeviceId, Epoch, GuestAccess, LastSent,
    Link, Member, NextIds, Person, RoomSettings, Sanction, SanctionKind, Snapshot, Standing, StoredAccount,
    StoredConversation, StoredDevice, TokenHash, UnixMillis,
};

use super::batch::{BANNED_ACCOUNT, BANNED_ADDRESSES, BANNED_NAME, guests_number, sanction_number, standing_number};
use super::record_row::unsigned;

/// Reads a snapshot. Its tables are read in order of their ids, so each list is filled by one pass.
pub(crate) fn load(connection: &mut Connection) -> Result<Snapshot> {
    let transaction = connection.transaction()?;
    let mut accounts: Vec<StoredAccount> = list(&transaction, "SELECT * FROM accounts ORDER BY id", account)?;
    let mut conversations: Vec<StoredConversation> = list(
        &transaction,
        "SELECT * FROM conversations JOIN heads ON heads.conversation = conversations.id WHERE is_deleted = 0 ORDER BY id",
        conversation,
    )?;
    let owner = |account: &StoredAccount| account.account.0;
    attach(
        &transaction,
        "SELECT account, id, name, token FROM devices ORDER BY account, id",
        &mut accounts,
        owner,
        |account, row| {
            let token = row.get::<_, Option<[u8; 32]>>(3)?.map(TokenHash);
            account.devices.push(StoredDevice { device: DeviceId(unsigned(row, 1)?), name: row.get(2)?, token });
            Ok(())
        },
    )?;
    attach(
        &transaction,
        "SELECT account, blocked FROM blocks ORDER BY account, blocked",
        &mut accounts,
        owner,
        |account, row| {
            account.blocked.push(AccountId(unsigned(row, 1)?));
            Ok(())
        },
    )?;
    let owner = |conversation: &StoredConversation| conversation.conversation.0;
    attach(
        &transaction,
        "SELECT conversation, account, standing, read, joined, until FROM members ORDER BY conversation, account",
        &mut conversations,
        owner,
        |conversation, row| {
            let (read, joined) = (unsigned(row, 3)?, unsigned(row, 4)?);
            let member = Member { standing: standing(row, 2)?, read, joined, until: time(row, 5)? };
            conversation.members.push((AccountId(unsigned(row, 1)?), member));
            Ok(())
        },
    )?;
    attach(
        &transaction,
        "SELECT conversation, account, guest, kind, until FROM room_sanctions
         ORDER BY conversation, account IS NULL, account, guest",
        &mut conversations,
        owner,
        |conversation, row| {
            let person = match row.get::<_, Option<String>>(2)? {
                Some(guest) => Person::Guest(guest.into()),
                None => Person::Account(AccountId(unsigned(row, 1)?)),
            };
            conversation.sanctions.push((person, Sanction { kind: sanction_kind(row, 3)?, until: time(row, 4)? }));
            Ok(())
        },
    )?;
    attach(
        &transaction,
        "SELECT conversation, hash, until, uses_left FROM links ORDER BY conversation, hash",
        &mut conversations,
        owner,
        |conversation, row| {
            let uses_left = row.get::<_, Option<i64>>(3)?.map(i64::cast_unsigned);
            conversation.links.push((TokenHash(row.get(1)?), Link { until: time(row, 2)?, uses_left }));
            Ok(())
        },
    )?;
    attach(
        &transaction,
        "SELECT conversation, device, n, seq FROM device_sent ORDER BY conversation, device",
        &mut conversations,
        owner,
        |conversation, row| {
            let last = LastSent { n: unsigned(row, 2)?, seq: unsigned(row, 3)? };
            conversation.sent.push((DeviceId(unsigned(row, 1)?), last));
            Ok(())
        },
    )?;
    let mut bans = list(&transaction, "SELECT kind, value, reason, until, by, at FROM bans", ban)?;
    // As text, ids are in another order.
    bans.sort_by(|(first, _), (second, _)| first.cmp(second));
    let next_ids = "SELECT next_account, next_device, next_conversation FROM counters";
    let next_ids = transaction.query_row(next_ids, [], |row| {
        Ok(NextIds { account: unsigned(row, 0)?, device: unsigned(row, 1)?, conversation: unsigned(row, 2)? })
    })?;
    transaction.commit()?;
    Ok(Snapshot { accounts, conversations, bans, next_ids })
}

fn list<T>(connection: &Connection, select: &str, read: fn(&Row<'_>) -> Result<T>) -> Result<Vec<T>> {
    connection.prepare(select)?.query_map([], read)?.collect()
}

/// Passes each row to the item whose id is the row's first column. Both are in order of the ids.
fn attach<T>(
    connection: &Connection,
    select: &str,
    items: &mut [T],
    id: impl Fn(&T) -> u64,
    mut add: impl FnMut(&mut T, &Row<'_>) -> Result<()>,
) -> Result<()> {
    let mut select = connection.prepare(select)?;
    let mut rows = select.query([])?;
    let mut items = items.iter_mut().peekable();
    while let Some(row) = rows.next()? {
        let owner = unsigned(row, 0)?;
        while items.next_if(|item| id(item) < owner).is_some() {}
        // A row without an owner would be against a foreign key.
        if let Some(item) = items.peek_mut()
            && id(item) == owner
        {
            add(item, row)?;
        }
    }
    Ok(())
}

fn account(row: &Row<'_>) -> Result<StoredAccount> {
    let credential = match row.get::<_, Option<String>>("password")? {
        Some(hash) => Credential::Password(hash),
        None => Credential::Key(row.get("key")?),
    };
    let account = AccountId(row.get::<_, i64>("id")?.cast_unsigned());
    Ok(StoredAccount {
        account,
        name: row.get("name")?,
        credential,
        devices: Vec::new(),
        blocked: Vec::new(),
        is_operator: row.get("is_operator")?,
    })
}

fn ban(row: &Row<'_>) -> Result<(BanTarget, Ban)> {
    let value: String = row.get(1)?;
    let unreadable =
        |error: Box<dyn std::error::Error + Send + Sync>| Error::FromSqlConversionFailure(1, Type::Text, error);
    let target = match row.get(0)? {
        BANNED_NAME => BanTarget::Name(value.into()),
        BANNED_ACCOUNT => BanTarget::Account(AccountId(value.parse().map_err(|error| unreadable(Box::new(error)))?)),
        BANNED_ADDRESSES => BanTarget::Addresses(value.parse().map_err(|error| unreadable(Box::new(error)))?),
        other => return Err(Error::IntegralValueOutOfRange(0, other)),
    };
    let ban = Ban { reason: row.get(2)?, until: time(row, 3)?, by: row.get(4)?, at: UnixMillis(unsigned(row, 5)?) };
    Ok((target, ban))
}

fn conversation(row: &Row<'_>) -> Result<StoredConversation> {
    let number = |column: &str| row.get::<_, i64>(column).map(i64::cast_unsigned);
    let kind = match row.get::<_, Option<String>>("room")? {
        Some(name) => ConversationKind::Room { name },
        None => ConversationKind::Direct([AccountId(number("low_account")?), AccountId(number("high_account")?)]),
    };
    let settings = RoomSettings {
        topic: row.get("topic")?,
        is_invite_only: row.get("is_invite_only")?,
        guests: guests(row)?,
        keep_days: row.get("keep_days")?,
        keep_records: row.get::<_, Option<i64>>("keep_records")?.map(i64::cast_unsigned),
        slow_seconds: row.get("slow_seconds")?,
        is_audit_log: row.get("is_audit_log")?,
    };
    Ok(StoredConversation {
        conversation: ConversationId(number("id")?),
        kind,
        epoch: Epoch(number("epoch")?),
        settings,
        first: number("first")?,
        last: number("last")?,
        last_at: UnixMillis(number("last_at")?),
        members: Vec::new(),
        sanctions: Vec::new(),
        links: Vec::new(),
        sent: Vec::new(),
    })
}

fn guests(row: &Row<'_>) -> Result<GuestAccess> {
    let number: i64 = row.get("guests")?;
    let all = [GuestAccess::None, GuestAccess::Read, GuestAccess::Write];
    let found = all.into_iter().find(|guests| guests_number(*guests) == number);
    found.ok_or(Error::IntegralValueOutOfRange(0, number))
}

/// A time that may be absent.
fn time(row: &Row<'_>, column: usize) -> Result<Option<UnixMillis>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(|time| UnixMillis(time.cast_unsigned())))
}

fn sanction_kind(row: &Row<'_>, column: usize) -> Result<SanctionKind> {
    let number: i64 = row.get(column)?;
    let all = [SanctionKind::Banned, SanctionKind::Muted];
    let found = all.into_iter().find(|kind| sanction_number(*kind) == number);
    found.ok_or(Error::IntegralValueOutOfRange(column, number))
}

fn standing(row: &Row<'_>, column: usize) -> Result<Standing> {
    let number: i64 = row.get(column)?;
    let all = [Standing::Banned, Standing::Invited, Standing::Member, Standing::Moderator, Standing::Owner];
    let found = all.into_iter().find(|standing| standing_number(*standing) == number);
    found.ok_or(Error::IntegralValueOutOfRange(column, number))
}

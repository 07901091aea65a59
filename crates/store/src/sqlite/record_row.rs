//! A record as a row of the table `records`.

use rusqlite::types::Type;
use rusqlite::{Error, Result, Row, Statement, params};
use switchboard_core::change::{AccountId, ConversationId, DeviceId, Record, RecordKind, Sent, UnixMillis};

/// The columns of a record, in the order in which [`read`] takes them. `{prefix}` is the table, with a dot.
macro_rules! columns {
    ($prefix:literal) => {
        concat!(
            $prefix,
            "conversation, ",
            $prefix,
            "seq, ",
            $prefix,
            "at, ",
            $prefix,
            "account, ",
            $prefix,
            "author, ",
            $prefix,
            "kind, ",
            $prefix,
            "text, ",
            $prefix,
            "device, ",
            $prefix,
            "n, ",
            $prefix,
            "previous_seq, ",
            $prefix,
            "redacted_by"
        )
    };
}
pub(crate) use columns;

/// The statement for [`insert`].
pub(crate) const INSERT: &str =
    concat!("INSERT INTO records (id, ", columns!(""), ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)");

/// Inserts a record with the statement [`INSERT`].
pub(crate) fn insert(statement: &mut Statement<'_>, id: i64, record: &Record) -> Result<()> {
    let sent = record.sent.as_ref();
    statement.execute(params![
        id,
        record.conversation.0.cast_signed(),
        record.seq.cast_signed(),
        record.at.0.cast_signed(),
        record.account.map(|account| account.0.cast_signed()),
        &*record.author,
        record.kind as u8,
        &*record.text,
        sent.map(|sent| sent.device.0.cast_signed()),
        sent.map(|sent| sent.n.cast_signed()),
        sent.map(|sent| sent.previous_seq.cast_signed()),
        record.redacted_by.map(u64::cast_signed),
    ])?;
    Ok(())
}

/// Reads a record from a row with these columns.
pub(crate) fn read(row: &Row<'_>) -> Result<Record> {
    let sent = match row.get::<_, Option<i64>>(7)? {
        Some(device) => Some(Sent {
            device: DeviceId(device.cast_unsigned()),
            n: unsigned(row, 8)?,
            previous_seq: unsigned(row, 9)?,
        }),
        None => None,
    };
    Ok(Record {
        conversation: ConversationId(unsigned(row, 0)?),
        seq: unsigned(row, 1)?,
        at: UnixMillis(unsigned(row, 2)?),
        account: row.get::<_, Option<i64>>(3)?.map(|account| AccountId(account.cast_unsigned())),
        author: text(row, 4)?.into(),
        kind: kind(row, 5)?,
        text: text(row, 6)?.into(),
        sent,
        redacted_by: row.get::<_, Option<i64>>(10)?.map(i64::cast_unsigned),
    })
}

/// Reads a number whose 64 bits were stored as a signed number.
pub(crate) fn unsigned(row: &Row<'_>, column: usize) -> Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

/// Borrows a text.
pub(crate) fn text<'a>(row: &'a Row<'_>, column: usize) -> Result<&'a str> {
    let value = row.get_ref(column)?;
    value.as_str().map_err(|error| Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}

/// Reads the kind of a record.
pub(crate) fn kind(row: &Row<'_>, column: usize) -> Result<RecordKind> {
    let number: i64 = row.get(column)?;
    let kind = RecordKind::ALL.into_iter().find(|kind| i64::from(*kind as u8) == number);
    kind.ok_or(Error::IntegralValueOutOfRange(column, number))
}

/// The largest number of a column that is not above `number`, for comparisons in SQL.
pub(crate) fn at_most(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

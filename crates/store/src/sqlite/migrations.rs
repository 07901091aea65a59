//! The versions of the schema.

use rusqlite::{Connection, TransactionBehavior};

use super::failure::Place;
use crate::error::StoreError;

/// `SWBD` in ASCII. It marks a file as a store of this program, also for `file` and other tools.
const APPLICATION_ID: i64 = 0x5357_4244;

/// The steps from each version to the next. A released step does not change any more.
const STEPS: [&str; 4] = [
    include_str!("schema.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
    include_str!("schema_4.sql"),
];

/// The version that this program writes.
const VERSION: i64 = 4;
const _: () = assert!(VERSION == STEPS.len().cast_signed() as i64);

/// Checks that the file is empty, or a store of this or an earlier version. Nothing is written.
pub(crate) fn check_origin(connection: &Connection, place: &Place) -> Result<(), StoreError> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let origin = || Ok((number("application_id")?, number("user_version")?, number("page_count")?));
    match origin().map_err(|error| place.error(&error))? {
        (APPLICATION_ID, found, _) if found > VERSION => {
            Err(StoreError::WrongVersion { place: place.0.clone(), found, known: VERSION })
        }
        (APPLICATION_ID, ..) => Ok(()),
        // A crash may have ended the creation after the first page.
        (0, 0, _) if is_without_tables(connection).map_err(|error| place.error(&error))? => Ok(()),
        _ => Err(StoreError::Foreign { place: place.0.clone() }),
    }
}

fn is_without_tables(connection: &Connection) -> Result<bool, rusqlite::Error> {
    connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))
}

/// Takes the steps that the file lacks, each in one transaction.
pub(crate) fn migrate(connection: &mut Connection, place: &Place) -> Result<(), StoreError> {
    try_migrate(connection).map_err(|error| place.error(&error))
}

fn try_migrate(connection: &mut Connection) -> Result<(), rusqlite::Error> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for (version, step) in (1..).zip(STEPS) {
        if version > found {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute_batch(step)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", version)?;
            transaction.commit()?;
        }
    }
    Ok(())
}

//! Measures commits: records a second, and processor time for each record.
//!
//! ```sh
//! cargo run --release -p switchboard-store --example throughput -- /path/on/the/disk/to/measure
//! cargo run --release -p switchboard-store --example throughput -- /path many             # takes some minutes
//! cargo run --release -p switchboard-store --example throughput -- /path many 1000000     # fewer records
//! cargo run --release -p switchboard-store --example throughput -- /path bare             # takes some minutes
//! cargo run --release -p switchboard-store --example throughput -- /path fill             # takes some minutes
//! ```
//!
//! The first form commits batches of 1, 64 and 1,024 messages of 200 bytes to an empty store. Beside each figure is the
//! limit of the machine: the same bytes, appended to a file and synced with fdatasync, in the same batches.
//!
//! The other forms first store 5 million records, or another number, in 10,000 conversations. `many` then measures
//! commits to random conversations, the time to open and load the store, and reads. `bare` compares the store with a
//! loop of `INSERT` statements: both add batches of 1,024 records to the same file, in turns. `fill` keeps the store, as the
//! directory `many`, for `cargo xtask bench store`.

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Statement, params};
use rustix::time::{ClockId, clock_gettime};
use switchboard_core::change::{
    AccountId, Change, ConversationId, ConversationKind, Credential, DeviceId, Epoch, GuestAccess, Record, RecordKind,
    RoomSettings, Sent, UnixMillis,
};
use switchboard_store::{ReadLimit, SqliteOptions, SqliteStore, Store};

/// The length of each message, in bytes.
const TEXT_BYTES: usize = 200;

/// For how long each figure is measured.
const DURATION: Duration = Duration::from_secs(3);

/// The store of the second form.
const MANY_CONVERSATIONS: u64 = 10_000;
const MANY_RECORDS: u64 = 5_000_000;

/// The turns of the store and of bare SQLite, and the size of their batches.
const BARE_TURNS: usize = 5;
const BARE_DURATION: Duration = Duration::from_secs(8);
const BARE_BATCH: usize = 1024;

/// The settings of the stores that are measured.
const OPTIONS: SqliteOptions = SqliteOptions { search: false };

const LIMIT: ReadLimit = ReadLimit { records: 256, bytes: 1 << 20 };

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let parent = arguments.next().ok_or("name a directory on the disk to measure")?;
    let parent = Path::new(&parent);
    let directory = tempfile::tempdir_in(parent)?;
    let Some(form) = arguments.next() else { return on_an_empty_store(directory.path()) };
    let records = arguments.next().map_or(Ok(MANY_RECORDS), |number| number.to_string_lossy().parse())?;
    match form.to_str() {
        Some("many") => among_many_records(directory.path(), records),
        Some("bare") => beside_bare_sqlite(directory.path(), records),
        Some("fill") => filled_store(&parent.join("many"), records).map(drop),
        _ => Err(format!("{}: leave it out, or write many, bare or fill", form.display()).into()),
    }
}

/// Messages to some conversations, each from a device that numbers them.
struct Messages {
    conversations: Range<u64>,
    /// The last record of each conversation.
    lasts: Vec<u64>,
    text: String,
    author: Arc<str>,
}

impl Messages {
    /// An account, its device and the conversations, which are created in `store`.
    fn new(store: &mut SqliteStore, conversations: u64) -> Result<Self, Box<dyn Error>> {
        let credential = Credential::Key([0; 32]);
        let account = Change::AccountCreated { account: AccountId(1), name: "Noy".to_owned(), credential };
        let device = Change::DeviceAdded { device: DeviceId(1), account: AccountId(1), name: "main".to_owned() };
        let rooms = (1..=conversations).map(|id| Change::ConversationCreated {
            conversation: ConversationId(id),
            kind: ConversationKind::Room { name: format!("#room-{id}") },
            epoch: Epoch(fastrand::u64(..)),
            settings: RoomSettings { guests: GuestAccess::Write, ..RoomSettings::default() },
        });
        store.commit(&[account, device].into_iter().chain(rooms).collect::<Vec<_>>())?;
        let lasts = vec![0; usize::try_from(conversations)?];
        let words = ["the", "quick", "brown", "fox", "jumps", "over", "lazy", "dog"];
        let mut text = String::new();
        while text.len() < TEXT_BYTES {
            text.push_str(words[fastrand::usize(..words.len())]);
            text.push(' ');
        }
        text.truncate(TEXT_BYTES);
        Ok(Self { conversations: 1..conversations + 1, lasts, text, author: "Noy".into() })
    }

    /// Replaces `batch` by one of this size, to random conversations.
    fn fill(&mut self, batch: &mut Vec<Change>, size: usize) {
        batch.clear();
        for _ in 0..size {
            let conversation = fastrand::u64(self.conversations.clone());
            self.append(batch, conversation);
        }
    }

    fn append(&mut self, batch: &mut Vec<Change>, conversation: u64) {
        let Some(last) = usize::try_from(conversation - 1).ok().and_then(|index| self.lasts.get_mut(index)) else {
            return;
        };
        *last += 1;
        batch.push(Change::RecordAppended(Arc::new(Record {
            conversation: ConversationId(conversation),
            seq: *last,
            at: UnixMillis(1_796_000_000_000 + *last),
            account: Some(AccountId(1)),
            author: Arc::clone(&self.author),
            kind: RecordKind::Message,
            text: self.text.as_str().into(),
            sent: Some(Sent { device: DeviceId(1), n: *last, previous_seq: *last - 1 }),
            redacted_by: None,
        })));
    }
}

fn on_an_empty_store(directory: &Path) -> Result<(), Box<dyn Error>> {
    println!("an empty store, one conversation:");
    let mut store = SqliteStore::open(directory.join("one"), OPTIONS)?;
    let mut messages = Messages::new(&mut store, 1)?;
    for size in [1, 64, 1024] {
        commits(&mut store, &mut messages, size)?;
        limit(&directory.join("appended"), size)?;
    }
    println!("the search, which is indexed in the pauses:");
    drop(store);
    let mut store = SqliteStore::open(directory.join("one"), SqliteOptions { search: true })?;
    let meter = Meter::start();
    let mut steps = 0;
    while meter.began.elapsed() < DURATION && store.maintain()? {
        steps += 1;
    }
    // Each step indexes 256 of these records.
    meter.print("index", steps * 256, steps);
    drop(store);

    println!("an empty store, 10,000 conversations:");
    let mut store = SqliteStore::open(directory.join("many"), OPTIONS)?;
    let mut messages = Messages::new(&mut store, MANY_CONVERSATIONS)?;
    for size in [64, 1024] {
        commits(&mut store, &mut messages, size)?;
    }
    Ok(())
}

fn among_many_records(directory: &Path, records: u64) -> Result<(), Box<dyn Error>> {
    let path = directory.join("many");
    let (mut store, mut messages) = filled_store(&path, records)?;
    for size in [1, 64, 1024] {
        commits(&mut store, &mut messages, size)?;
    }
    let began = now();
    let snapshot = store.load()?;
    println!("  load: {} conversations in {:?}", snapshot.conversations.len(), began.elapsed());
    let mut reader = store.reader()?;
    let mut times = Vec::new();
    for _ in 0..5000 {
        let conversation = ConversationId(fastrand::u64(messages.conversations.clone()));
        let began = now();
        let limit = ReadLimit { records: 50, ..LIMIT };
        let page = reader.records_before(conversation, u64::MAX, limit)?;
        times.push(began.elapsed());
        assert_eq!(page.records.len(), 50, "use more records");
    }
    times.sort_unstable();
    println!("  last 50 of a conversation: p50 {:?}, p99 {:?}", times[2500], times[4950]);
    let began = now();
    let mut records = 0;
    for conversation in 1..=100 {
        records += reader.records(ConversationId(conversation), 200..=299, LIMIT)?.records.len();
    }
    println!("  {records} records of 100 conversations in {:?}", began.elapsed());
    drop(reader);
    drop(store);
    let began = now();
    let mut store = SqliteStore::open(&path, OPTIONS)?;
    store.load()?;
    println!("  open and load: {:?}", began.elapsed());
    Ok(())
}

/// Makes a store with this number of records.
fn filled_store(path: &Path, records: u64) -> Result<(SqliteStore, Messages), Box<dyn Error>> {
    let mut store = SqliteStore::open(path, OPTIONS)?;
    let mut messages = Messages::new(&mut store, MANY_CONVERSATIONS)?;
    println!("filling the store with {records} records in {MANY_CONVERSATIONS} conversations:");
    let meter = Meter::start();
    let mut batch = Vec::new();
    for _ in 0..records / 4096 {
        messages.fill(&mut batch, 4096);
        store.commit(&batch)?;
    }
    meter.print("batches of 4096", records, records / 4096);
    Ok((store, messages))
}

/// Lets the store and bare SQLite add records to the same file in turns, and prints the ratio of their medians.
fn beside_bare_sqlite(directory: &Path, records: u64) -> Result<(), Box<dyn Error>> {
    let path = directory.join("many");
    let (store, mut messages) = filled_store(&path, records)?;
    let file = store.file().to_owned();
    // Each turn begins with an empty log, because closing the file moves the log to the database.
    drop(store);
    let (mut rates, mut bare_rates) = (Vec::new(), Vec::new());
    for _ in 0..BARE_TURNS {
        let mut store = SqliteStore::open(&path, OPTIONS)?;
        let commit = |batch: &[Change]| Ok(store.commit(batch).map(drop)?);
        rates.push(rate(commit, &mut messages, "the store", BARE_BATCH, BARE_DURATION)?);
        drop(store);

        let bare = bare_connection(&file)?;
        let mut id: i64 = bare.query_row("SELECT max(id) FROM records", [], |row| row.get(0))?;
        let mut insert = bare.prepare(BARE_INSERT)?;
        let commit = |batch: &[Change]| commit_bare(&bare, &mut insert, &mut id, batch);
        bare_rates.push(rate(commit, &mut messages, "bare SQLite", BARE_BATCH, BARE_DURATION)?);
        drop(insert);
        // The store refuses a record that does not follow the last one.
        bare.execute_batch(
            "UPDATE heads SET last = (SELECT max(seq) FROM records WHERE records.conversation = heads.conversation)",
        )?;
    }
    for rates in [&mut rates, &mut bare_rates] {
        rates.sort_unstable_by(f64::total_cmp);
    }
    let middle = BARE_TURNS / 2;
    println!(
        "  medians of {BARE_TURNS} turns: {:.0} records/s in the store, {:.0} in bare SQLite, ratio {:.2}",
        rates[middle],
        bare_rates[middle],
        rates[middle] / bare_rates[middle]
    );
    Ok(())
}

/// Opens the database as the store does.
fn bare_connection(file: &Path) -> Result<Connection, Box<dyn Error>> {
    let connection = Connection::open(file)?;
    for (pragma, value) in [("cache_size", -16 * 1024), ("wal_autocheckpoint", 16_000)] {
        connection.pragma_update(None, pragma, value)?;
    }
    for (pragma, value) in
        [("journal_mode", "wal"), ("synchronous", "full"), ("foreign_keys", "on"), ("secure_delete", "on")]
    {
        connection.pragma_update(None, pragma, value)?;
    }
    Ok(connection)
}

const BARE_INSERT: &str = "INSERT INTO records (id, conversation, seq, at, account, author, kind, text, device, n,
    previous_seq) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

/// Inserts the records of a batch in one transaction, and nothing else.
fn commit_bare(
    connection: &Connection,
    insert: &mut Statement<'_>,
    id: &mut i64,
    batch: &[Change],
) -> Result<(), Box<dyn Error>> {
    let transaction = connection.unchecked_transaction()?;
    for change in batch {
        let Change::RecordAppended(record) = change else { continue };
        *id += 1;
        let sent = record.sent.as_ref();
        insert.execute(params![
            *id,
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
        ])?;
    }
    Ok(transaction.commit()?)
}

/// Commits batches of this size for a while, and prints the figures.
fn commits(store: &mut SqliteStore, messages: &mut Messages, size: usize) -> Result<(), Box<dyn Error>> {
    let commit = |batch: &[Change]| Ok(store.commit(batch).map(drop)?);
    rate(commit, messages, &format!("batches of {size}"), size, DURATION).map(drop)
}

/// Calls `commit` with batches of this size for a while, and prints the figures. Returns the records a second.
fn rate(
    mut commit: impl FnMut(&[Change]) -> Result<(), Box<dyn Error>>,
    messages: &mut Messages,
    what: &str,
    size: usize,
    duration: Duration,
) -> Result<f64, Box<dyn Error>> {
    let (mut batch, mut times) = (Vec::new(), Vec::new());
    let mut meter = Meter::start();
    let began = meter.began;
    while began.elapsed() < duration {
        let before = Meter::start();
        messages.fill(&mut batch, size);
        // Making the messages is not a part of the figure.
        meter.exclude(&before);
        let began = now();
        commit(&batch)?;
        times.push(began.elapsed());
    }
    let rate = meter.print(what, (times.len() * size) as u64, times.len() as u64);
    times.sort_unstable();
    let at = |permille: usize| times[(times.len() - 1) * permille / 1000];
    println!("    a commit: p50 {:.1?}, p99 {:.1?}, p99.9 {:.1?}, longest {:.1?}", at(500), at(990), at(999), at(1000));
    Ok(rate)
}

/// Appends as many bytes as the records of a batch have, and syncs them.
fn limit(path: &Path, size: usize) -> Result<(), Box<dyn Error>> {
    let mut file = File::create(path)?;
    let bytes = vec![b'x'; size * TEXT_BYTES];
    let (mut records, mut commits) = (0, 0);
    let meter = Meter::start();
    while meter.began.elapsed() < DURATION {
        file.write_all(&bytes)?;
        file.sync_data()?;
        records += size as u64;
        commits += 1;
    }
    meter.print("  append and fdatasync alone", records, commits);
    Ok(())
}

/// Measures elapsed time and processor time.
struct Meter {
    began: Instant,
    cpu: Duration,
    excluded: Duration,
    excluded_cpu: Duration,
}

impl Meter {
    fn start() -> Self {
        Self { began: now(), cpu: cpu(), excluded: Duration::ZERO, excluded_cpu: Duration::ZERO }
    }

    /// Excludes the time since `before` began.
    fn exclude(&mut self, before: &Self) {
        self.excluded += before.began.elapsed();
        self.excluded_cpu += cpu().saturating_sub(before.cpu);
    }

    /// Prints the figures, and returns the records a second.
    #[expect(clippy::cast_precision_loss, reason = "figures are shown to a few digits")]
    fn print(&self, what: &str, records: u64, commits: u64) -> f64 {
        let elapsed = self.began.elapsed().saturating_sub(self.excluded).as_secs_f64();
        let cpu = cpu().saturating_sub(self.cpu + self.excluded_cpu).as_secs_f64() * 1e6;
        let rate = records as f64 / elapsed;
        let (each, commit) = (cpu / records as f64, elapsed * 1e6 / commits as f64);
        println!("  {what:28} {rate:>10.0} records/s  {each:>7.2} µs CPU each  {commit:>8.0} µs a commit");
        rate
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Instant {
    Instant::now()
}

/// The processor time of this process.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

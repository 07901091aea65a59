//! The writer: groups, failures, recovery, and the end.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use switchboard_core::change::{Change, ConversationId, Snapshot};

use super::home::{ALL, Home, append, record, room, seqs};
use crate::{FaultyStore, Generation, Operation, Outcome, ReadLimit, Reader, Store, StoreError, Trimmed, Writer};

const ROOM: ConversationId = ConversationId(1);

/// Long enough that only a fault reaches it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A store that stops before each commit until the test lets it go on, and tells the test the size of each batch.
struct GatedStore {
    store: Box<dyn Store>,
    batches: Sender<usize>,
    go_on: Receiver<()>,
}

impl Store for GatedStore {
    fn is_durable(&self) -> bool {
        self.store.is_durable()
    }

    fn load(&mut self) -> Result<Snapshot, StoreError> {
        self.store.load()
    }

    fn commit(&mut self, batch: &[Change]) -> Result<Vec<Trimmed>, StoreError> {
        self.batches.send(batch.len()).unwrap();
        self.go_on.recv().unwrap();
        self.store.commit(batch)
    }

    fn reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        self.store.reader()
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        self.store.reopen()
    }

    fn check_writable(&mut self) -> Result<(), StoreError> {
        self.store.check_writable()
    }

    fn maintain(&mut self) -> Result<bool, StoreError> {
        self.store.maintain()
    }
}

fn start(store: impl Store + 'static) -> (Writer, Receiver<Outcome>) {
    let (sender, outcomes) = mpsc::channel();
    // At the end of a test, nobody receives.
    let writer = Writer::start(Box::new(store), move |outcome| drop(sender.send(outcome))).unwrap();
    (writer, outcomes)
}

fn next(outcomes: &Receiver<Outcome>) -> Outcome {
    outcomes.recv_timeout(PATIENCE).expect("the writer reports an outcome")
}

fn durable(position: u64) -> Outcome {
    Outcome::Durable { position, trimmed: Vec::new() }
}

fn full() -> StoreError {
    StoreError::Full { place: "here".into() }
}

fn broken() -> StoreError {
    StoreError::Unavailable { place: "here".into(), reason: "a test".to_owned() }
}

/// Errors that will come, in order.
type Plan = Arc<Mutex<VecDeque<(Operation, StoreError)>>>;

/// A store that fails with the planned errors, each at the next operation of its kind.
fn faulty(home: Home, plan: &[(Operation, StoreError)]) -> (FaultyStore<BoxedStore>, Plan) {
    let plan = Arc::new(Mutex::new(plan.iter().cloned().collect::<VecDeque<_>>()));
    let shared = Arc::clone(&plan);
    let store = FaultyStore::new(BoxedStore(home), move |operation| {
        let mut plan = shared.lock().unwrap();
        plan.pop_front_if(|(next, _)| *next == operation).map(|(_, error)| error)
    });
    (store, plan)
}

/// A home as a store, so that its directory lives as long.
struct BoxedStore(Home);

impl Store for BoxedStore {
    fn is_durable(&self) -> bool {
        self.0.store.is_durable()
    }

    fn load(&mut self) -> Result<Snapshot, StoreError> {
        self.0.store.load()
    }

    fn commit(&mut self, batch: &[Change]) -> Result<Vec<Trimmed>, StoreError> {
        self.0.store.commit(batch)
    }

    fn reader(&self) -> Result<Box<dyn Reader>, StoreError> {
        self.0.store.reader()
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        self.0.store.reopen()
    }

    fn check_writable(&mut self) -> Result<(), StoreError> {
        self.0.store.check_writable()
    }

    fn maintain(&mut self) -> Result<bool, StoreError> {
        self.0.store.maintain()
    }
}

#[test]
fn changes_that_come_during_a_commit_are_one_batch() {
    for home in Home::each() {
        let (batches, sizes) = mpsc::channel();
        let (release, go_on) = mpsc::channel();
        let mut reader = home.reader();
        let (writer, outcomes) = start(GatedStore { store: Box::new(BoxedStore(home)), batches, go_on });
        let generation = Generation::default();
        assert_eq!(writer.submit(generation, &mut vec![room(1)]), Some(1));
        assert_eq!(sizes.recv_timeout(PATIENCE), Ok(1));
        for seq in 1..=3 {
            let mut changes = vec![append(record(1, seq, "text"))];
            assert_eq!(writer.submit(generation, &mut changes), Some(1 + seq));
            assert!(changes.is_empty());
        }
        assert_eq!(writer.submit(generation, &mut Vec::new()), Some(4));
        release.send(()).unwrap();
        assert_eq!(next(&outcomes), durable(1));
        assert_eq!(sizes.recv_timeout(PATIENCE), Ok(3));
        // A read does not wait for the commit, and does not see it.
        assert_eq!(reader.records(ROOM, 1..=9, ALL).unwrap().records, []);
        release.send(()).unwrap();
        assert_eq!(next(&outcomes), durable(4));
        assert_eq!(seqs(&reader.records(ROOM, 1..=9, ALL).unwrap().records), [1, 2, 3]);
    }
}

#[test]
fn batch_has_bounds_and_keeps_submissions_whole() {
    let home = Home::memory();
    let (batches, sizes) = mpsc::channel();
    let (release, go_on) = mpsc::channel();
    let (writer, outcomes) = start(GatedStore { store: home.store, batches, go_on });
    let generation = Generation::default();
    writer.submit(generation, &mut vec![room(1)]).unwrap();
    assert_eq!(sizes.recv_timeout(PATIENCE), Ok(1));
    let mut seq = 0;
    let long = "x".repeat(1024 * 1024);
    for (count, text) in
        [(3000, ""), (1096, ""), (1, ""), (5000, ""), (1, &*long), (2, &*long), (1, &*long), (1, &*long)]
    {
        let mut changes = (0..count)
            .map(|_| {
                seq += 1;
                append(record(1, seq, text))
            })
            .collect();
        writer.submit(generation, &mut changes).unwrap();
    }
    let mut position = 1;
    // The last two sizes: three records of 1 MiB each fit into a batch, a fourth does not.
    for size in [4096, 1, 5000, 3, 2] {
        release.send(()).unwrap();
        assert_eq!(next(&outcomes), durable(position));
        assert_eq!(sizes.recv_timeout(PATIENCE), Ok(size));
        position += size as u64;
    }
    release.send(()).unwrap();
    assert_eq!(next(&outcomes), durable(position));
}

#[test]
fn failed_commit_drops_the_queue_and_loads_the_true_state() {
    for (operation, is_applied) in [(Operation::Commit, false), (Operation::CommitApplied, true)] {
        for home in Home::each() {
            let mut reader = home.reader();
            let (store, plan) = faulty(home, &[]);
            let (writer, outcomes) = start(store);
            let first = Generation::default();
            writer.submit(first, &mut vec![room(1), append(record(1, 1, "one"))]).unwrap();
            assert_eq!(next(&outcomes), durable(2));

            plan.lock().unwrap().push_back((operation, broken()));
            writer.submit(first, &mut vec![append(record(1, 2, "two"))]).unwrap();
            assert_eq!(next(&outcomes), Outcome::Failed { error: broken() });
            // The owner has heard of the failure, but a change of the failed generation is dropped in any case.
            let mut late = vec![append(record(1, 3, "three"))];
            assert_eq!(writer.submit(first, &mut late), None);
            assert!(late.is_empty());
            let Outcome::Reloaded { snapshot } = next(&outcomes) else { panic!("the state is loaded") };
            let last = 1 + u64::from(is_applied);
            assert_eq!(snapshot.conversations[0].last, last);
            let Outcome::Writable { generation, position } = next(&outcomes) else { panic!("changes are taken") };
            assert_eq!(position, 3);
            assert_eq!(writer.submit(first, &mut vec![append(record(1, last + 1, "old"))]), None);

            assert_eq!(writer.submit(generation, &mut vec![append(record(1, last + 1, "new"))]), Some(4));
            assert_eq!(next(&outcomes), durable(4));
            assert_eq!(reader.records(ROOM, 1..=9, ALL).unwrap().records.last().unwrap().text.as_ref(), "new");
        }
    }
}

#[test]
fn recovery_tries_until_every_step_succeeds() {
    for home in Home::each() {
        let plan = [
            (Operation::Commit, full()),
            (Operation::Reopen, full()),
            (Operation::Reopen, broken()),
            (Operation::Load, broken()),
            (Operation::Load, broken()),
            (Operation::CheckWritable, full()),
            (Operation::Reopen, full()),
            (Operation::CheckWritable, full()),
        ];
        let (store, plan) = faulty(home, &plan);
        let (writer, outcomes) = start(store);
        writer.submit(Generation::default(), &mut vec![room(1)]).unwrap();
        assert_eq!(next(&outcomes), Outcome::Failed { error: full() });
        // Only a new reason is reported.
        assert_eq!(next(&outcomes), Outcome::Failed { error: broken() });
        assert_eq!(next(&outcomes), Outcome::Reloaded { snapshot: Snapshot::default() });
        assert_eq!(next(&outcomes), Outcome::Failed { error: full() });
        let Outcome::Writable { generation, position } = next(&outcomes) else { panic!("changes are taken") };
        assert!(plan.lock().unwrap().is_empty());
        writer.submit(generation, &mut vec![room(1)]).unwrap();
        assert_eq!(next(&outcomes), durable(position + 1));
    }
}

#[test]
fn probe_shows_whether_a_commit_succeeds() {
    for home in Home::each() {
        let (store, _) = faulty(home, &[(Operation::CheckWritable, full())]);
        let (writer, outcomes) = start(store);
        writer.probe();
        assert_eq!(next(&outcomes), Outcome::Failed { error: full() });
        assert_eq!(next(&outcomes), Outcome::Reloaded { snapshot: Snapshot::default() });
        let Outcome::Writable { generation, position } = next(&outcomes) else { panic!("changes are taken") };
        writer.probe();
        assert_eq!(next(&outcomes), Outcome::Probed);
        writer.submit(generation, &mut vec![room(1)]).unwrap();
        assert_eq!(next(&outcomes), durable(position + 1));
        let figures = writer.commit_figures();
        assert_eq!((figures.changes.count(), figures.records), (1, 0), "a probe is no commit");
    }
}

#[test]
fn end_writes_the_changes_that_wait() {
    for home in Home::each() {
        let (batches, sizes) = mpsc::channel();
        let (release, go_on) = mpsc::channel();
        let (writer, outcomes) = start(GatedStore { store: Box::new(BoxedStore(home)), batches, go_on });
        let generation = Generation::default();
        writer.submit(generation, &mut vec![room(1)]).unwrap();
        sizes.recv_timeout(PATIENCE).unwrap();
        writer.submit(generation, &mut vec![append(record(1, 1, "last"))]).unwrap();
        for _ in 0..2 {
            release.send(()).unwrap();
        }
        writer.close();
        assert_eq!([next(&outcomes), next(&outcomes)], [durable(1), durable(2)]);
        assert!(outcomes.recv().is_err());
    }
}

#[test]
fn end_does_not_wait_for_a_broken_store() {
    let plan = vec![(Operation::Reopen, broken()); 10_000];
    let (store, shared) = faulty(Home::memory(), &[(Operation::Commit, broken())]);
    shared.lock().unwrap().extend(plan);
    let (writer, outcomes) = start(store);
    writer.submit(Generation::default(), &mut vec![room(1)]).unwrap();
    assert_eq!(next(&outcomes), Outcome::Failed { error: broken() });
    writer.close();
}

#[test]
fn maintenance_runs_in_a_pause_and_its_failure_stops_nothing() {
    let home = Home::sqlite();
    let mut reader = home.reader();
    let (store, _) = faulty(home, &[(Operation::Maintain, broken())]);
    let (writer, outcomes) = start(store);
    assert_eq!(next(&outcomes), Outcome::MaintenanceFailed { error: broken() });
    let mut changes = vec![room(1), append(record(1, 1, "word"))];
    writer.submit(Generation::default(), &mut changes).unwrap();
    assert_eq!(next(&outcomes), durable(2));
    let limit = ReadLimit { records: 1, bytes: 1 };
    assert_eq!(reader.records(ROOM, 1..=1, limit).unwrap().records.len(), 1);
    assert_eq!(reader.search(&[ROOM], "word", 1).unwrap().records.len(), 1);
}

#[test]
fn commits_do_not_bring_a_failed_step_forward() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&attempts);
    let store = FaultyStore::new(BoxedStore(Home::memory()), move |operation| {
        (operation == Operation::Maintain).then(|| {
            counted.fetch_add(1, Ordering::Relaxed);
            broken()
        })
    });
    let (writer, outcomes) = start(store);
    assert_eq!(next(&outcomes), Outcome::MaintenanceFailed { error: broken() });
    writer.submit(Generation::default(), &mut vec![room(1)]).unwrap();
    // After so many changes, a step is due at once.
    let mut changes = (1..=3000).map(|seq| append(record(1, seq, "text"))).collect();
    assert_eq!(next(&outcomes), durable(1));
    writer.submit(Generation::default(), &mut changes).unwrap();
    assert_eq!(next(&outcomes), durable(3001));
    writer.submit(Generation::default(), &mut vec![append(record(1, 3001, "text"))]).unwrap();
    assert_eq!(next(&outcomes), durable(3002));
    assert_eq!(attempts.load(Ordering::Relaxed), 1);
}

#[test]
fn panic_is_a_failure_like_any_other() {
    for operation in [Operation::Commit, Operation::CommitApplied, Operation::Reopen] {
        for home in Home::each() {
            let mut reader = home.reader();
            let may_panic = Arc::new(AtomicBool::new(false));
            let panics = Arc::clone(&may_panic);
            let store = FaultyStore::new(BoxedStore(home), move |next| {
                assert!(next != operation || !panics.swap(false, Ordering::Relaxed), "a panic for the test");
                (operation == Operation::Reopen && next == Operation::Commit && panics.load(Ordering::Relaxed))
                    .then(broken)
            });
            let (writer, outcomes) = start(store);
            let first = Generation::default();
            writer.submit(first, &mut vec![room(1), append(record(1, 1, "one"))]).unwrap();
            assert_eq!(next(&outcomes), durable(2));

            may_panic.store(true, Ordering::Relaxed);
            writer.submit(first, &mut vec![append(record(1, 2, "two"))]).unwrap();
            if operation == Operation::Reopen {
                assert_eq!(next(&outcomes), Outcome::Failed { error: broken() });
            }
            assert_eq!(next(&outcomes), Outcome::Failed { error: StoreError::Panicked });
            assert_eq!(writer.submit(first, &mut vec![append(record(1, 3, "late"))]), None);
            let Outcome::Reloaded { snapshot } = next(&outcomes) else { panic!("the state is loaded") };
            let last = snapshot.conversations[0].last;
            assert_eq!(last, 1 + u64::from(operation == Operation::CommitApplied));
            let Outcome::Writable { generation, position } = next(&outcomes) else { panic!("changes are taken") };
            writer.submit(generation, &mut vec![append(record(1, last + 1, "new"))]).unwrap();
            assert_eq!(next(&outcomes), durable(position + 1));
            let records = reader.records(ROOM, 1..=9, ALL).unwrap().records;
            assert_eq!((records.len() as u64, &*records.last().unwrap().text), (last + 1, "new"));
        }
    }
}

#[test]
fn panic_of_the_owner_ends_nothing() {
    let Home { store, .. } = Home::memory();
    let (sender, outcomes) = mpsc::channel();
    let mut panics = true;
    let writer = Writer::start(store, move |outcome| {
        let panics = matches!(outcome, Outcome::Durable { .. }) && std::mem::take(&mut panics);
        drop(sender.send(outcome));
        assert!(!panics, "a panic for the test");
    })
    .unwrap();
    writer.submit(Generation::default(), &mut vec![room(1)]).unwrap();
    assert_eq!(next(&outcomes), durable(1));
    assert_eq!(next(&outcomes), Outcome::Failed { error: StoreError::Panicked });
    let Outcome::Reloaded { snapshot } = next(&outcomes) else { panic!("the state is loaded") };
    assert_eq!(snapshot.conversations.len(), 1);
    assert!(matches!(next(&outcomes), Outcome::Writable { .. }));
}

#[test]
fn pause_after_a_panic_does_not_grow_with_earlier_ones_that_are_over() {
    const PANICS: u32 = 12;
    let mut panics = false;
    let store = FaultyStore::new(BoxedStore(Home::memory()), move |operation| {
        panics ^= operation == Operation::Commit;
        assert!(operation != Operation::Commit || !panics, "a panic for the test");
        None
    });
    let (writer, outcomes) = start(store);
    let mut generation = Generation::default();
    #[expect(clippy::disallowed_methods, reason = "the writer pauses in real time")]
    let now = std::time::Instant::now;
    let began = now();
    for number in 0..PANICS {
        writer.submit(generation, &mut vec![room(1 + u64::from(number))]).unwrap();
        assert_eq!(next(&outcomes), Outcome::Failed { error: StoreError::Panicked });
        assert!(matches!(next(&outcomes), Outcome::Reloaded { .. }));
        let Outcome::Writable { generation: next_generation, .. } = next(&outcomes) else {
            panic!("changes are taken")
        };
        generation = next_generation;
        writer.submit(generation, &mut vec![room(1 + u64::from(number))]).unwrap();
        assert!(matches!(next(&outcomes), Outcome::Durable { .. }));
    }
    // With pauses that double, they would last 7 s.
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[test]
fn panic_in_maintenance_is_reported_and_commits_go_on() {
    let home = Home::sqlite();
    let mut panics = true;
    let store = FaultyStore::new(BoxedStore(home), move |operation| {
        assert!(operation != Operation::Maintain || !std::mem::take(&mut panics), "a panic for the test");
        None
    });
    let (writer, outcomes) = start(store);
    assert_eq!(next(&outcomes), Outcome::MaintenanceFailed { error: StoreError::Panicked });
    writer.submit(Generation::default(), &mut vec![room(1)]).unwrap();
    assert_eq!(next(&outcomes), durable(1));
}

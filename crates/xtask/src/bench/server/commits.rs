//! Bare commits: the limit of the disk, without a server. Each batch of messages is stored with one sync.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use rustix::time::{ClockId, clock_gettime};
use switchboard_bench::{CpuUsage, Faults, Latency, MessageMetrics, Metrics, Report, ServerUsage, Timing};

use super::pin;

/// The program that commits.
#[derive(Clone, Copy, Debug)]
pub(super) enum Engine {
    /// Appends the bytes of the messages to a file, and calls `fdatasync`.
    Append,
    /// Inserts a row for each message into a table with one index, with the settings of our store.
    Sqlite,
}

/// Commits batches of `batch` messages of `size` bytes for a while, on the core of the servers. The report has the
/// figures of a server; its latency is that of a commit.
pub(super) fn measure(engine: Engine, batch: usize, size: usize, timing: Timing) -> Result<Report, String> {
    let folder = super::data_folder()?;
    // A thread of its own, so that the caller stays on its core.
    let measured = thread::spawn(move || {
        pin::to_server_core()?;
        match engine {
            Engine::Append => append(folder.path(), batch, size, timing),
            Engine::Sqlite => sqlite(folder.path(), batch, size, timing)
                .map_err(|error| format!("the database of the bare commits: {error}")),
        }
    });
    let measured = measured.join().map_err(|_| "the bare commits panicked".to_owned())??;
    let protocol = match engine {
        Engine::Append => "append, fdatasync",
        Engine::Sqlite => "sqlite",
    };
    Ok(Report {
        workload: "commits",
        protocol: protocol.to_owned(),
        sessions: 0,
        metrics: Metrics::Messages { measured },
        faults: Faults::default(),
        notes: Vec::new(),
    })
}

fn append(folder: &Path, batch: usize, size: usize, timing: Timing) -> Result<MessageMetrics, String> {
    let write = |file: &mut File, bytes: &[u8]| file.write_all(bytes).and_then(|()| file.sync_data());
    let bytes = vec![b'x'; batch * size];
    let path = folder.join("appended");
    let mut file = File::create(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let measured = commit_for(timing, batch, || write(&mut file, &bytes));
    measured.map_err(|error| format!("{}: {error}", path.display()))
}

fn sqlite(folder: &Path, batch: usize, size: usize, timing: Timing) -> Result<MessageMetrics, rusqlite::Error> {
    let mut database = Connection::open(folder.join("database"))?;
    database.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 16000;
         CREATE TABLE record (id INTEGER PRIMARY KEY, room INTEGER, seq INTEGER, at INTEGER, author TEXT, body TEXT,
                              UNIQUE (room, seq));",
    )?;
    let body = "x".repeat(size);
    let mut seq = 0;
    commit_for(timing, batch, || {
        let transaction = database.transaction()?;
        let mut insert = transaction
            .prepare_cached("INSERT INTO record (room, seq, at, author, body) VALUES (?1, ?2, ?3, 'Noy', ?4)")?;
        for _ in 0..batch {
            seq += 1;
            insert.execute(params![seq % 50, seq, 1_796_000_000_000_i64 + seq, body])?;
        }
        drop(insert);
        transaction.commit()
    })
}

/// Runs `commit` for the time of `timing`, and measures the commits of its measured part.
#[expect(clippy::cast_precision_loss, reason = "rates are shown to a few digits")]
fn commit_for<E>(timing: Timing, batch: usize, mut commit: impl FnMut() -> Result<(), E>) -> Result<MessageMetrics, E> {
    let began = now();
    while began.elapsed() < timing.warm_up {
        commit()?;
    }
    let (began, cpu_before) = (now(), cpu_time());
    let mut latencies = Vec::new();
    while began.elapsed() < timing.time {
        let before = now();
        commit()?;
        latencies.push(before.elapsed());
    }
    let seconds = began.elapsed().as_secs_f64();
    let cpu_seconds = cpu_time().saturating_sub(cpu_before).as_secs_f64();
    let messages = (batch * latencies.len()) as u64;
    Ok(MessageMetrics {
        seconds,
        sent: messages,
        delivered: messages,
        acknowledged: None,
        delivered_per_second: messages as f64 / seconds,
        delivered_per_server_cpu_second: Some(messages as f64 / cpu_seconds),
        latency: latency_of(latencies),
        untimed: 0,
        sent_late: None,
        server: Some(ServerUsage { cpu: usage(cpu_seconds, seconds), resident_bytes: 0 }),
        generator: usage(0.0, seconds),
    })
}

fn usage(cpu_seconds: f64, seconds: f64) -> CpuUsage {
    CpuUsage { cpu_seconds, cores: cpu_seconds / seconds, waited_seconds: 0.0 }
}

/// The median and the maximum. The other percentiles are left out.
fn latency_of(mut latencies: Vec<Duration>) -> Option<Latency> {
    latencies.sort_unstable();
    let to_us = |latency: &Duration| 1e6 * latency.as_secs_f64();
    let p50_us = latencies.get(latencies.len() / 2).map(to_us)?;
    let max_us = latencies.last().map(to_us)?;
    Some(Latency { p50_us, p90_us: None, p99_us: None, p999_us: None, max_us })
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Instant {
    Instant::now()
}

/// The processor time of this thread.
fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_counted_and_timed() {
        let timing = Timing { warm_up: Duration::ZERO, time: Duration::from_millis(20) };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let measured = [
            append(folder.path(), 3, 200, timing),
            sqlite(folder.path(), 3, 200, timing).map_err(|error| error.to_string()),
        ];
        for measured in measured {
            let measured = measured.expect("the commits succeed");
            assert!(measured.delivered > 0 && measured.delivered.is_multiple_of(3), "{measured:?}");
            let latency = measured.latency.expect("commits were timed");
            assert!(latency.p50_us > 0.0 && latency.p50_us <= latency.max_us, "{latency:?}");
        }
        let stored = std::fs::metadata(folder.path().join("appended")).expect("the file exists").len();
        assert!(stored.is_multiple_of(600), "{stored}");
    }
}

//! Reads all figures at a scrape, and encodes them. Names and units follow Prometheus, *Metric and label naming*.

use std::fmt;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue};
use prometheus_client::metrics::MetricType;
use switchboard_core::{SessionKind, StoredCounts};
use switchboard_protocol::{Dialect, ErrorCode};
use switchboard_store::{CommitFigures, Distribution};

use super::disk::{Disk, store_bytes};
use super::{LAST_SCRAPE_NANOS, process};
use crate::control::ControlledServer;
use crate::hub::{Counts, SessionCounts};
use crate::tls::Tls;

/// The labels of a figure that has none.
type NoLabels = [(&'static str, &'static str); 0];

/// Reads the figures of a server.
#[derive(Debug)]
pub(super) struct ServerCollector(pub(super) ControlledServer);

/// Encodes figures one after the other.
struct Figures<'a>(DescriptorEncoder<'a>);

impl Figures<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: impl EncodeGaugeValue + Copy) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    /// A gauge that this system, or this server, may not have.
    fn gauge_if_known(&mut self, name: &str, help: &str, value: Option<impl EncodeGaugeValue + Copy>) -> fmt::Result {
        value.map_or(Ok(()), |value| self.gauge(name, help, value))
    }

    fn gauges<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        values: impl Iterator<Item = ([(&'static str, &'static str); N], u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in values {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    /// `name`: without `_total`, which the encoder adds.
    fn counter(&mut self, name: &str, help: &str, value: impl EncodeCounterValue + Copy) -> fmt::Result {
        let mut counter = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        counter.encode_counter::<NoLabels, _, u64>(&value, None)
    }

    fn counters(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: impl Iterator<Item = (String, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (word, value) in values {
            family.encode_family(&[(label, word.as_str())])?.encode_counter::<NoLabels, _, u64>(&value, None)?;
        }
        Ok(())
    }

    fn histogram(&mut self, name: &str, help: &str, values: &Distribution) -> fmt::Result {
        let buckets: Vec<_> = values.buckets().collect();
        let mut histogram = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        histogram.encode_histogram::<NoLabels>(values.sum(), values.count(), &buckets, None)
    }
}

impl Collector for ServerCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut figures = Figures(encoder);
        self.encode_process(&mut figures)?;
        self.encode_sessions(&mut figures)?;
        self.encode_store(&mut figures)
    }
}

impl ServerCollector {
    fn encode_process(&self, figures: &mut Figures<'_>) -> fmt::Result {
        let mut build = figures.0.encode_descriptor(
            "switchboard_build_info",
            "The version of the server",
            None,
            MetricType::Gauge,
        )?;
        build.encode_family(&[("version", env!("CARGO_PKG_VERSION"))])?.encode_gauge(&1_u64)?;
        let start = since_epoch().saturating_sub(self.0.hub.started.elapsed()).as_secs_f64();
        figures.gauge("process_start_time_seconds", "Start of the process since 1970 in seconds", start)?;
        figures.counter("process_cpu_seconds", "Processor time in seconds", process::cpu_seconds())?;
        let resident = process::resident_bytes();
        figures.gauge_if_known("process_resident_memory_bytes", "Memory of the process in RAM in bytes", resident)?;
        figures.gauge_if_known("process_open_fds", "Number of open file descriptors", process::open_files())?;
        let files_max = process::open_files_max();
        figures.gauge_if_known("process_max_fds", "Maximum number of open file descriptors", files_max)?;
        let last = Duration::from_nanos(LAST_SCRAPE_NANOS.load(Ordering::Relaxed)).as_secs_f64();
        figures.gauge("switchboard_last_scrape_cpu_seconds", "Processor time of the scrape before this one", last)?;
        let end = self.0.running.as_ref().and_then(|running| running.tls.as_ref()).and_then(Tls::not_after);
        let end = end.map(|end| end.as_secs_f64());
        let help = "End of the TLS certificate since 1970 in seconds";
        figures.gauge_if_known("switchboard_tls_certificate_expiry_timestamp_seconds", help, end)
    }

    fn encode_sessions(&self, figures: &mut Figures<'_>) -> fmt::Result {
        let hub = &self.0.hub;
        let sessions = hub.session_counts();
        let Counts { sessions: opened, lines, fan_out_lines, mut refusals, .. } = hub.counts();
        if let Some(running) = &self.0.running {
            let connections = running.admission.sessions() as u64;
            figures.gauge("switchboard_connections", "Sessions, and connections that load the page", connections)?;
            for (code, count) in running.admission.refusals() {
                refusals[code as usize] += count;
            }
        }
        let max = hub.settings.max_sessions as u64;
        figures.gauge("switchboard_connections_max", "Maximum number of connections", max)?;
        figures.gauges("switchboard_sessions", "Open sessions", by_kind(&sessions))?;
        figures.counter("switchboard_sessions_opened", "Sessions since the start", opened)?;
        let ended = hub.ended_sessions().map(|(reason, count)| (reason.as_str().replace(' ', "-"), count));
        figures.counters("switchboard_sessions_ended", "Sessions that have ended, by reason", "reason", ended)?;
        let refused = ErrorCode::ALL.iter().map(|code| (code.to_string(), refusals[*code as usize]));
        figures.counters("switchboard_refusals", "Errors sent to clients, by code", "code", refused)?;
        figures.counter("switchboard_lines_sent", "Lines for clients", lines)?;
        let help = "Lines of version 2 for other sessions than the one that caused them: records and news";
        figures.counter("switchboard_fan_out_lines", help, fan_out_lines)?;
        figures.gauge("switchboard_outbox_bytes", "Bytes that wait for clients to read", sessions.unsent_bytes)?;
        let help = "Bytes that wait in the largest outbox";
        figures.gauge("switchboard_outbox_largest_bytes", help, sessions.unsent_bytes_max)?;
        let limit = hub.settings.outbox_bytes as u64;
        figures.gauge("switchboard_outbox_limit_bytes", "Bytes at which a client is closed as a slow consumer", limit)
    }

    fn encode_store(&self, figures: &mut Figures<'_>) -> fmt::Result {
        let hub = &self.0.hub;
        let StoredCounts { accounts, rooms, directs } = hub.stored_counts();
        figures.gauge("switchboard_accounts", "Accounts", accounts as u64)?;
        figures.gauge("switchboard_rooms", "Rooms", rooms as u64)?;
        figures.gauge("switchboard_direct_conversations", "Conversations of two accounts", directs as u64)?;
        figures.gauge("switchboard_records", "Stored records", hub.stored_records())?;
        let CommitFigures { seconds, changes, records } = hub.commit_figures();
        figures.counter("switchboard_records_committed", "Records committed since the start", records)?;
        figures.histogram("switchboard_commit_duration_seconds", "Times of commits in seconds", &seconds)?;
        figures.histogram("switchboard_commit_changes", "Numbers of changes in a commit", &changes)?;
        let is_writable = u64::from(hub.store_failure().is_none());
        figures.gauge("switchboard_store_writable", "1 if the store takes changes, else 0", is_writable)?;
        let Some(data) = &hub.settings.data else { return Ok(()) };
        figures.gauge(
            "switchboard_store_size_bytes",
            "Size of the database and its log in bytes",
            store_bytes(data),
        )?;
        let disk = Disk::of(data);
        let free = disk.map(|disk| disk.free);
        figures.gauge_if_known("switchboard_disk_free_bytes", "Room on the disk of the store in bytes", free)?;
        let size = disk.map(|disk| disk.size);
        figures.gauge_if_known("switchboard_disk_size_bytes", "Size of the disk of the store in bytes", size)
    }
}

/// The sessions of each dialect and kind.
fn by_kind(sessions: &SessionCounts) -> impl Iterator<Item = ([(&'static str, &'static str); 2], u64)> {
    const DIALECTS: [(Dialect, &str); 2] = [(Dialect::Commands, "commands"), (Dialect::Line, "line")];
    const KINDS: [(SessionKind, &str); 3] =
        [(SessionKind::Unregistered, "unregistered"), (SessionKind::Guest, "guest"), (SessionKind::Account, "account")];
    DIALECTS.into_iter().flat_map(move |(dialect, dialect_word)| {
        KINDS.into_iter().map(move |(kind, kind_word)| {
            let count = sessions.by_kind[dialect as usize][kind as usize];
            ([("dialect", dialect_word), ("kind", kind_word)], count)
        })
    })
}

#[expect(clippy::disallowed_methods, reason = "Prometheus wants calendar time")]
fn since_epoch() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

//! Figures of `fanout`: a room with many readers, and the pairs beside it.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::{MessageMetrics, format_si, per_server_cpu_second};
use crate::latency::Latency;
use crate::room::{Room, RoomCounts};
use crate::traffic::Traffic;
use crate::usage::{CpuUsage, ServerUsage};

/// A note is given if the last messages need more than this share of the measured time to arrive after its end.
const BEHIND_SHARE_MAX: f64 = 0.1;

/// Figures of `fanout`.
#[derive(Clone, Debug, Serialize)]
pub struct FanoutMetrics {
    /// Readers of the room that read.
    pub readers: u64,
    /// Writers of the room.
    pub writers: usize,
    /// Readers of the room that did not read until the end.
    pub frozen: usize,
    /// Frozen readers that the server closed.
    pub cut: usize,
    /// Frozen readers that received every message in the end.
    pub caught_up: usize,
    /// Length of the measurement: until the last delivery.
    pub seconds: f64,
    /// Messages said into the room.
    pub said: u64,
    /// Arrivals of these messages at the readers that read.
    pub delivered: u64,
    /// Deliveries per second.
    pub delivered_per_second: f64,
    /// Deliveries per second of the server's processor time, which includes that for the pairs.
    pub delivered_per_server_cpu_second: Option<f64>,
    /// Time from a message's due time to its arrival at each reader.
    pub latency: Option<Latency>,
    /// Deliveries that are missing from `latency`, because they did not happen before the timeout.
    pub untimed: u64,
    /// Ratio of the 99th percentiles of the pairs' latency: beside the room's load, and before it.
    pub pairs_p99_ratio: Option<f64>,
    /// Latency of the pairs before the first message in the room.
    pub pairs_alone: Option<Latency>,
    /// The pairs beside the room's load.
    pub pairs_beside: MessageMetrics,
    /// Processor time and memory of the server.
    pub server: Option<ServerUsage>,
    /// Processor time of the load generator.
    pub generator: CpuUsage,
}

impl FanoutMetrics {
    /// The figures of the room of `traffic`, and of the pairs before its load (`alone`) and beside it.
    #[expect(clippy::cast_precision_loss, reason = "rates are shown to a few digits")]
    pub(crate) fn new(
        writers: usize,
        traffic: &Traffic,
        counts: RoomCounts,
        alone: &MessageMetrics,
        beside: MessageMetrics,
    ) -> Self {
        let room = traffic.room.as_ref();
        let p99 = |measured: &MessageMetrics| measured.latency.and_then(|latency| latency.p99_us);
        let (cut, caught_up) = room.map(Room::frozen_outcome).unwrap_or_default();
        Self {
            readers: room.map_or(0, Room::counted_readers),
            writers,
            frozen: room.map_or(0, |room| room.frozen_sessions().len()),
            cut,
            caught_up,
            seconds: beside.seconds,
            said: counts.said,
            delivered: counts.delivered,
            delivered_per_second: counts.delivered as f64 / beside.seconds,
            delivered_per_server_cpu_second: per_server_cpu_second(counts.delivered, beside.server.as_ref()),
            latency: room.and_then(|room| Latency::from_histogram(room.latency().latencies())),
            untimed: traffic.in_flight_in_room(),
            pairs_p99_ratio: p99(&beside).zip(p99(alone)).map(|(beside, alone)| beside / alone),
            pairs_alone: alone.latency,
            server: beside.server,
            generator: beside.generator,
            pairs_beside: beside,
        }
    }

    pub(super) fn generator_was_delayed(&self) -> bool {
        self.pairs_beside.generator_was_delayed()
    }

    /// Notes on both measurements.
    pub(crate) fn notes(&self, time: Duration, pairs_per_second: u64, alone: &MessageMetrics) -> Vec<String> {
        let usage = self.pairs_beside.usage();
        let behind_seconds = self.seconds - time.as_secs_f64();
        let kept_up_note = (behind_seconds > BEHIND_SHARE_MAX * time.as_secs_f64()).then(|| {
            format!(
                "the server or the load generator did not keep up: the last message arrived {behind_seconds:.2} s \
                 after the end; latencies grow with the length of the run"
            )
        });
        let untimed_note = (self.untimed > 0)
            .then(|| format!("{} deliveries did not arrive in time: the latencies leave them out", self.untimed));
        let of_pairs = |phase: &str, measured: &MessageMetrics| {
            let notes = measured.schedule_note(pairs_per_second).into_iter().chain(measured.untimed_note());
            notes.map(|note| format!("pairs {phase}: {note}")).collect::<Vec<_>>()
        };
        let mut notes: Vec<_> =
            usage.notes().into_iter().chain(usage.cpu_time_note()).chain(kept_up_note).chain(untimed_note).collect();
        notes.extend(of_pairs("alone", alone));
        notes.extend(of_pairs("beside the room", &self.pairs_beside));
        notes
    }
}

impl fmt::Display for FanoutMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { readers, writers, frozen, cut, caught_up, said, delivered, .. } = self;
        writeln!(f, "room        {readers} readers heard {said} messages of {writers} writers")?;
        writeln!(
            f,
            "frozen      {frozen} more readers: the server closed {cut}, and {caught_up} received all in the end"
        )?;
        writeln!(f, "delivered   {delivered} messages, {} a second", format_si(self.delivered_per_second))?;
        if let Some(latency) = &self.latency {
            writeln!(f, "latency     {latency}")?;
        }
        for (phase, latency) in [("alone", self.pairs_alone), ("beside", self.pairs_beside.latency)] {
            if let Some(latency) = latency {
                writeln!(f, "pairs       {phase:<6} {latency}")?;
            }
        }
        if let Some(ratio) = self.pairs_p99_ratio {
            writeln!(f, "            p99 beside the room is {ratio:.2} times that alone")?;
        }
        if let Some(server) = &self.server {
            writeln!(f, "server      {server}")?;
        }
        if let Some(rate) = self.delivered_per_server_cpu_second {
            writeln!(f, "            {} deliveries per second of processor time", format_si(rate))?;
        }
        writeln!(f, "generator   {}", self.generator)
    }
}

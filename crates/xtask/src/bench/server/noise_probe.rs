//! Detects a disturbed machine by the cost of a wake-up from one core to the other.
//!
//! On a virtual machine that cost doubles for seconds at a time when its neighbours are busy, and every server slows
//! down with it.

use std::time::Duration;

use switchboard_bench::{MessageLoad, Metrics, Pairs, Target, Timing};

use super::peers::{Peer, ProgramPaths, RunningServer};
use super::protocols;

/// A round trip of this many times the shortest one counts as disturbed.
const DISTURBED_FACTOR: f64 = 1.6;

/// A relay with one pair, which exchanges one message at a time.
pub(super) struct NoiseProbe {
    relay: RunningServer,
    /// The shortest round trip so far, in microseconds; each is the median of a probe.
    best_us: f64,
    /// The result of the previous probe.
    was_quiet: bool,
}

impl NoiseProbe {
    pub(super) fn new(programs: &ProgramPaths) -> Result<Self, String> {
        let relay = Peer::Relay.start(programs, 2)?;
        let mut probe = Self { relay, best_us: f64::INFINITY, was_quiet: true };
        for _ in 0..3 {
            probe.is_quiet()?;
        }
        Ok(probe)
    }

    /// Whether the machine was quiet both at the previous call and now.
    pub(super) fn is_quiet(&mut self) -> Result<bool, String> {
        let load = MessageLoad { pairs: 1, sizes: vec![64], both_ways: false };
        let timing = Timing { warm_up: Duration::from_millis(20), time: Duration::from_millis(150) };
        let target = Target { addr: self.relay.addr, pid: None, timeout: Duration::from_secs(10) };
        let report = Pairs { load, window: 1, timing }
            .run(&protocols::RelayProtocol, &target, &mut |_| {})
            .map_err(|error| format!("the relay of the noise probe: {error}"))?;
        let Metrics::Messages { measured } = report.metrics else { return Ok(false) };
        let Some(latency) = measured.latency else { return Ok(false) };
        self.best_us = self.best_us.min(latency.p50_us);
        let is_quiet = latency.p50_us < DISTURBED_FACTOR * self.best_us;
        Ok(std::mem::replace(&mut self.was_quiet, is_quiet) && is_quiet)
    }
}

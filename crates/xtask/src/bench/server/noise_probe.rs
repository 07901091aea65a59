//! Detects a disturbed machine by the cost of waking a thread on another core.
//!
//! On a virtual machine, this cost doubles for some seconds when other virtual machines on the same host are busy.
//! Every server is then slower, too.

use std::time::Duration;

use switchboard_bench::{MessageLoad, Metrics, Pairs, Target, Timing, Transport};

use super::peers::{Peer, ProgramPaths, RunningServer, SocketKind};
use super::protocols;

/// The machine is disturbed if a round trip takes at least this many times the shortest round trip.
const DISTURBED_FACTOR: f64 = 1.6;

/// A relay with one pair of sessions. In each probe, the pair exchanges one message at a time.
pub(super) struct NoiseProbe {
    relay: RunningServer,
    /// The shortest median round trip of a probe so far, in microseconds.
    best_us: f64,
    /// Whether the machine was calm at the previous probe.
    was_calm: bool,
}

impl NoiseProbe {
    pub(super) fn new(programs: &ProgramPaths) -> Result<Self, String> {
        let relay = Peer::Relay.start(programs, 2, SocketKind::Tcp)?;
        let mut probe = Self { relay, best_us: f64::INFINITY, was_calm: true };
        // Several probes find a round trip that is not disturbed.
        for _ in 0..3 {
            probe.is_calm()?;
        }
        Ok(probe)
    }

    /// Runs a probe. Returns whether the machine was calm both at the previous probe and at this one.
    pub(super) fn is_calm(&mut self) -> Result<bool, String> {
        let load = MessageLoad { pairs: 1, sizes: vec![64], both_ways: false };
        let timing = Timing { warm_up: Duration::from_millis(20), time: Duration::from_millis(150) };
        let target = Target {
            addr: self.relay.addr,
            transport: Transport::default(),
            pid: None,
            timeout: Duration::from_secs(10),
        };
        let report = Pairs { load, window: 1, timing }
            .run(&protocols::RelayProtocol, &target, &mut |_| {})
            .map_err(|error| format!("the relay of the noise probe: {error}"))?;
        let Metrics::Messages { measured } = report.metrics else { return Ok(false) };
        let Some(latency) = measured.latency else { return Ok(false) };
        self.best_us = self.best_us.min(latency.p50_us);
        let is_calm = latency.p50_us < DISTURBED_FACTOR * self.best_us;
        Ok(std::mem::replace(&mut self.was_calm, is_calm) && is_calm)
    }
}

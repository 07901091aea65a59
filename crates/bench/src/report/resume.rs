//! Figures of `resume`: a device that comes back.

use std::fmt;

use serde::Serialize;

use super::format_si;
use crate::latency::Latency;
use crate::usage::{CpuUsage, ServerUsage};

/// Figures of `resume`.
#[derive(Clone, Debug, Serialize)]
pub struct ResumeMetrics {
    /// Rooms that the device opens.
    pub conversations: usize,
    /// Messages that it has missed, in all rooms together.
    pub missed: usize,
    /// Number of times that the device came back.
    pub rounds: usize,
    /// Length of all rounds, with the connects and closes between them.
    pub seconds: f64,
    /// Time from the login to the last `LIVE`.
    pub time: Option<Latency>,
    /// Missed messages per second of that time.
    pub records_per_second: f64,
    /// Missed messages per second of the server's processor time.
    pub records_per_server_cpu_second: Option<f64>,
    /// Number of pages read at the end.
    pub pages: usize,
    /// Time from the request for a page to its end.
    pub page: Option<Latency>,
    /// Pages per second of the server's processor time.
    pub pages_per_server_cpu_second: Option<f64>,
    /// Processor time and memory of the server in all rounds.
    pub server: Option<ServerUsage>,
    /// Processor time of the load generator in all rounds.
    pub generator: CpuUsage,
}

impl fmt::Display for ResumeMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { conversations, missed, rounds, pages, .. } = self;
        writeln!(f, "resumed     {rounds} times: {missed} missed messages in {conversations} rooms")?;
        if let Some(time) = &self.time {
            writeln!(f, "each took   {time}")?;
        }
        writeln!(f, "            {} messages a second", format_si(self.records_per_second))?;
        if let Some(page) = &self.page {
            writeln!(f, "history     {pages} pages, each in {page}")?;
        }
        if let Some(server) = &self.server {
            writeln!(f, "server      {server}")?;
        }
        if let Some(rate) = self.records_per_server_cpu_second {
            writeln!(f, "            {} missed messages per second of processor time", format_si(rate))?;
        }
        if let Some(rate) = self.pages_per_server_cpu_second {
            writeln!(f, "            {} pages per second of processor time", format_si(rate))?;
        }
        writeln!(f, "generator   {}", self.generator)
    }
}

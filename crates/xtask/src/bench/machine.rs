//! The machine of a run.

use std::fs;

use serde::Serialize;

/// The machine of a run.
#[derive(Debug, Serialize)]
pub(super) struct Machine {
    processor: String,
    cores: usize,
    kernel: String,
}

impl Machine {
    pub(super) fn detect() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Self {
            processor: model.map_or_else(|| "unknown".to_owned(), |(_, model)| model.trim().to_owned()),
            cores: cpuinfo.lines().filter(|line| line.starts_with("processor")).count(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }
}

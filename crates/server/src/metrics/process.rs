//! The process, as the system sees it, under the names that Prometheus gives such figures.

use std::fs;
use std::time::Duration;

use rlimit::Resource;
use rustix::time::{ClockId, clock_gettime};

/// The processor time of the process, in seconds.
pub(super) fn cpu_seconds() -> f64 {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default().as_secs_f64()
}

/// The memory that the process has in RAM, in bytes.
pub(super) fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Number of open file descriptors. Since version 6.2, Linux tells it without a list of ten thousand entries.
pub(super) fn open_files() -> Option<u64> {
    const DIRECTORY: &str = "/proc/self/fd";
    match fs::metadata(DIRECTORY).ok()?.len() {
        0 => Some(fs::read_dir(DIRECTORY).ok()?.count() as u64),
        count => Some(count),
    }
}

/// Maximum number of open file descriptors.
pub(super) fn open_files_max() -> Option<u64> {
    Resource::NOFILE.get().ok().map(|(soft, _)| soft)
}

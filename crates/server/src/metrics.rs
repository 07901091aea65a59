//! The figures of the server for Prometheus. They hold no names and no addresses of people.
//!
//! Nothing is counted for Prometheus alone: a scrape sums what the hub, the store and the system count anyway.

mod collector;
mod disk;
mod process;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::prometheus_text;
use prometheus_client::registry::Registry;
use rustix::time::{ClockId, clock_gettime};

use self::collector::ServerCollector;
use crate::control::ControlledServer;

/// The media type of the text (Prometheus, *Exposition formats*, version 0.0.4).
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Processor time of the last scrape of this process, in nanoseconds.
static LAST_SCRAPE_NANOS: AtomicU64 = AtomicU64::new(0);

/// The figures of a running server as text.
pub(crate) fn text(server: &ControlledServer) -> String {
    let began = thread_time();
    let mut registry = Registry::default();
    registry.register_collector(Box::new(ServerCollector(server.clone())));
    let mut text = String::new();
    // Writing to a `String` does not fail.
    let _ = prometheus_text::encode(&mut text, &registry);
    let nanos = thread_time().saturating_sub(began).as_nanos();
    LAST_SCRAPE_NANOS.store(nanos.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
    text
}

/// The processor time that this thread has used.
fn thread_time() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests;

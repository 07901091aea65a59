//! Pings silent WebSockets.
//!
//! Proxies and routers forget a connection on which nothing happens, often after a minute. And behind a proxy, TCP does
//! not notice that the client is gone: a browser answers each ping by itself, so a peer without answers has left.

use switchboard_core::CloseReason;
use tokio::time::{MissedTickBehavior, interval};

use crate::hub::Hub;
use crate::socket::Probe;

/// Number of sessions that a pass asks before other tasks have their turns: tens of microseconds of work.
const BATCH_SESSIONS: usize = 64;

/// Probes all sessions of `hub` from time to time. Never returns.
pub(crate) async fn probe_silent_peers(hub: &Hub) {
    let mut ticks = interval(hub.settings.web_ping);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let mut last = None;
        loop {
            let batch = hub.sessions_after(last, BATCH_SESSIONS);
            let Some(&last_of_batch) = batch.last() else { break };
            last = Some(last_of_batch);
            let mut wakers = Vec::new();
            for id in batch {
                if hub.outbox(id).is_some_and(|outbox| outbox.probe(&mut wakers) == Probe::Unanswered) {
                    hub.end(id, CloseReason::Reset);
                }
            }
            wakers.drain(..).for_each(std::task::Waker::wake);
            tokio::task::yield_now().await;
        }
    }
}

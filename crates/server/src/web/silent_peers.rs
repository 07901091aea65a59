//! Pings silent WebSockets.
//!
//! Proxies and routers forget a connection on which nothing happens, often after a minute. Behind a proxy, TCP does not
//! show that a client is gone. Browsers answer each ping, so silence means a dead client.

use switchboard_core::CloseReason;
use tokio::time::{MissedTickBehavior, interval};

use crate::hub::Hub;
use crate::session_pass::visit_sessions;
use crate::socket::Probe;

/// Probes all sessions of `hub` from time to time. Never returns.
pub(crate) async fn probe_silent_peers(hub: &Hub) {
    let mut ticks = interval(hub.settings.web_ping);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        visit_sessions(hub, |id| {
            if hub.outbox(id).is_some_and(|outbox| outbox.probe() == Probe::Unanswered) {
                hub.end(id, CloseReason::Reset);
            }
        })
        .await;
    }
}

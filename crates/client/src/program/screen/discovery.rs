//! Looks for servers for the start screen: on this machine, and those that announce themselves on the local network
//! (multicast DNS, RFC 6762 and RFC 6763; `protocol.md` §22).
//!
//! Anyone on the network can announce anything. So a found server is only a suggestion: its key is the one that its
//! connection has, as at any first contact, and its name is sanitized.

use std::net::IpAddr;
use std::time::Duration;

use mdns_sd::{IfKind, Receiver, ResolvedService, ScopedIp, ServiceDaemon, ServiceEvent};
use switchboard_client::low_level::open_session;
use switchboard_client::{HostPort, JoinLink};
use switchboard_protocol::sanitize;
use tokio::sync::oneshot;
use tokio::time::{Interval, interval};

use super::event::{DiscoveryEvent, FoundServer};
use super::start::rows::THIS_MACHINE;

/// The type of the service.
const SERVICE: &str = "_switchboard._tcp.local.";

/// The time in which a server on this machine answers.
const THIS_MACHINE_TIME_MAX: Duration = Duration::from_secs(1);

/// Maximum events of the network: the work of a search that nobody ends.
const EVENTS_MAX: usize = 20_000;

/// Maximum records that the library keeps: some megabytes. It keeps each record until its time is over, also one that
/// nobody asked for, and has no bound of its own. A network of a hundred machines has a thousand.
const RECORDS_MAX: i64 = 10_000;

/// Time between two counts of these records.
const COUNT_INTERVAL: Duration = Duration::from_secs(1);

/// The longest name in characters: the longest label of DNS has 63 bytes (RFC 1035 §2.3.4).
const NAME_MAX_CHARS: usize = 63;

/// A running search. It ends when it is dropped.
pub(crate) struct Discovery {
    this_machine: Option<oneshot::Receiver<bool>>,
    network: Option<Network>,
    failure: Option<String>,
}

struct Network {
    daemon: ServiceDaemon,
    events: Receiver<ServiceEvent>,
    event_count: usize,
    counts: Interval,
}

impl Discovery {
    /// Begins to search. A failure is the first event.
    pub(crate) fn start() -> Self {
        Self::with_daemon(ServiceDaemon::new().and_then(|daemon| {
            // On this machine, a connection tells more.
            daemon.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6])?;
            Ok(daemon)
        }))
    }

    fn with_daemon(daemon: mdns_sd::Result<ServiceDaemon>) -> Self {
        let (result, this_machine) = oneshot::channel();
        tokio::spawn(async move {
            // The receiver is gone if the user has chosen meanwhile.
            let _ = result.send(open_session(&THIS_MACHINE, THIS_MACHINE_TIME_MAX).await.is_ok());
        });
        let network = daemon.and_then(|daemon| {
            let events = daemon.browse(SERVICE)?;
            Ok(Network { daemon, events, event_count: 0, counts: interval(COUNT_INTERVAL) })
        });
        let (network, failure) = match network {
            Ok(network) => (Some(network), None),
            Err(error) => (None, Some(error.to_string())),
        };
        Self { this_machine: Some(this_machine), network, failure }
    }

    /// Waits for the next news. Cancel safe.
    pub(crate) async fn next(&mut self) -> DiscoveryEvent {
        if let Some(reason) = self.failure.take() {
            return DiscoveryEvent::Failed { reason: sanitize(&reason).into_owned() };
        }
        loop {
            tokio::select! {
                biased;
                answers = wait_for(&mut self.this_machine) => {
                    self.this_machine = None;
                    return DiscoveryEvent::ThisMachine { answers };
                }
                event = next_event(&mut self.network) => match event {
                    Some(ServiceEvent::ServiceResolved(service)) => {
                        if let Some(server) = found_server(&service) {
                            return DiscoveryEvent::Found(server);
                        }
                    }
                    Some(ServiceEvent::ServiceRemoved(_, id)) => return DiscoveryEvent::Gone { id },
                    Some(_) => {}
                    None => {
                        self.network = None;
                        let reason = "too many announcements: the list may miss servers".to_owned();
                        return DiscoveryEvent::Failed { reason };
                    }
                },
            }
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = self.daemon.shutdown();
    }
}

async fn wait_for(answer: &mut Option<oneshot::Receiver<bool>>) -> bool {
    match answer {
        Some(answer) => answer.await.unwrap_or(false),
        None => std::future::pending().await,
    }
}

/// The next event. `None` after the last one, and if there are too many. Waits for ever without a network.
async fn next_event(network: &mut Option<Network>) -> Option<ServiceEvent> {
    let Some(network) = network else { return std::future::pending().await };
    while network.event_count < EVENTS_MAX {
        tokio::select! {
            _ = network.counts.tick() => {
                if record_count(&network.daemon).await? > RECORDS_MAX {
                    return None;
                }
            }
            event = network.events.recv_async() => {
                network.event_count += 1;
                return event.ok();
            }
        }
    }
    None
}

/// The number of records that the library keeps. `None` if it has ended.
async fn record_count(daemon: &ServiceDaemon) -> Option<i64> {
    let figures = daemon.get_metrics().ok()?.recv_async().await.ok()?;
    Some(figures.iter().filter(|(name, _)| name.starts_with("cached-")).map(|(_, count)| count).sum())
}

/// The server of an announcement. `None` if it has no port, or no address that another machine can have.
fn found_server(service: &ResolvedService) -> Option<FoundServer> {
    let host = service.addresses.iter().filter_map(|address| Some((rank(address)?, address.to_ip_addr(), address)));
    let (.., host) = host.min_by_key(|(rank, address, _)| (*rank, *address))?;
    let tls = service.get_property_val_str("tls").and_then(|port| port.parse().ok()).filter(|&port: &u16| port != 0);
    let port = tls.unwrap_or(service.port);
    if port == 0 {
        return None;
    }
    let address = HostPort::parse_or_default_port(&host.to_string(), port).ok()?;
    let addr = match tls {
        Some(_) => JoinLink { address, room: None, key: None }.to_string(),
        None => address.to_string(),
    };
    let instance = service.fullname.strip_suffix(SERVICE).unwrap_or(&service.fullname);
    let name: String = instance.trim_end_matches('.').replace("\\.", ".").chars().take(NAME_MAX_CHARS).collect();
    Some(FoundServer { id: service.fullname.clone(), name: sanitize(&name).into_owned(), addr })
}

/// The order in which addresses are tried: those that work from any machine of the network first.
fn rank(address: &ScopedIp) -> Option<u8> {
    match address.to_ip_addr() {
        address if address.to_canonical().is_loopback() || address.is_unspecified() || address.is_multicast() => None,
        IpAddr::V4(address) if address.is_broadcast() => None,
        IpAddr::V4(address) => Some(if address.is_link_local() { 2 } else { 0 }),
        IpAddr::V6(address) => Some(if address.is_unicast_link_local() { 3 } else { 1 }),
    }
}

#[cfg(test)]
mod tests;

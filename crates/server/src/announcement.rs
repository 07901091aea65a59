//! Announces the server on the local network by multicast DNS (RFC 6762) and DNS-SD (RFC 6763): `protocol.md` §22.
//!
//! A thread of the library has the sockets. It exists only if the operator wants announcements, and if others reach a
//! listener.

mod offer;

use std::time::Duration;

use mdns_sd::{DaemonEvent, IfKind, Receiver, ServiceDaemon, ServiceInfo};
use tokio::time::timeout;

use crate::listener::Listener;
use crate::settings::Settings;
use crate::telemetry;
use crate::tls;
use offer::{Offer, Reach};

/// The type of the service. Its name has at most 15 characters (RFC 6763 §7.2).
const SERVICE: &str = "_switchboard._tcp.local.";

/// Time for the goodbye at the end. The library needs a few milliseconds.
const GOODBYE_TIME_MAX: Duration = Duration::from_millis(500);

/// The longest label of a DNS name, in bytes (RFC 1035 §2.3.4).
const LABEL_MAX_BYTES: usize = 63;

/// A running announcement.
pub(crate) struct Announcement {
    daemon: ServiceDaemon,
    /// The name of the instance with that of the service.
    full_name: String,
}

impl Announcement {
    /// Announces the listeners that others reach, if the settings want it. A failure is logged, and the server works
    /// without the announcement.
    pub(crate) fn start_if_wanted(settings: &Settings, listeners: &[Listener]) -> Option<Self> {
        if !settings.announce {
            return None;
        }
        let started = match Offer::of(listeners) {
            Some(offer) => {
                Self::start(&instance_name(&settings.server_name), &offer).map_err(|error| error.to_string())
            }
            None => {
                Err("only this machine reaches the commands dialect: give an address of the network with --listen or \
                         --listen-tls, such as --listen-tls :12346"
                    .to_owned())
            }
        };
        started.map_err(|reason| telemetry::not_announced(&reason)).ok()
    }

    fn start(name: &str, offer: &Offer) -> mdns_sd::Result<Self> {
        let daemon = ServiceDaemon::new()?;
        // From here on, a failure drops it, which ends its thread.
        let mut announcement = Self { daemon, full_name: String::new() };
        let daemon = &announcement.daemon;
        daemon.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6])?;
        let addresses = match &offer.reach {
            Reach::At(addresses) => &addresses[..],
            Reach::Ipv4 | Reach::All => &[],
        };
        let mut service = ServiceInfo::new(SERVICE, name, &host_name(name), addresses, offer.port, &offer.txt()[..])?;
        if offer.reach == Reach::Ipv4 {
            service.set_interfaces(vec![IfKind::IPv4]);
        }
        if addresses.is_empty() {
            // Those of the interfaces, now and later.
            service = service.enable_addr_auto();
        }
        service.get_fullname().clone_into(&mut announcement.full_name);
        tokio::spawn(log_events(daemon.monitor()?));
        daemon.register(service)?;
        telemetry::announced(name, offer.port);
        Ok(announcement)
    }

    /// Says goodbye, so that clients forget the server at once.
    pub(crate) async fn stop(self) {
        if let Ok(goodbye) = self.daemon.unregister(&self.full_name) {
            let _ = timeout(GOODBYE_TIME_MAX, goodbye.recv_async()).await;
        }
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        let _ = self.daemon.shutdown();
    }
}

/// Logs a changed name, and the first error. Ends with the daemon.
async fn log_events(events: Receiver<DaemonEvent>) {
    let mut has_failed = false;
    while let Ok(event) = events.recv_async().await {
        match event {
            DaemonEvent::NameChange(change) if change.new_name.ends_with(SERVICE) => {
                telemetry::announced_name_changed(&change.new_name);
            }
            DaemonEvent::Error(error) if !std::mem::replace(&mut has_failed, true) => {
                telemetry::not_announced(&error.to_string());
            }
            _ => {}
        }
    }
}

/// The name that people see: the name of the server if the operator has chosen one, else that of the machine.
fn instance_name(server_name: &str) -> String {
    let name = if server_name == Settings::default().server_name { tls::host_name() } else { None };
    let mut name = name.unwrap_or_else(|| server_name.to_owned());
    name.truncate(name.floor_char_boundary(LABEL_MAX_BYTES));
    name
}

/// The host name of the address records. It is not the name of the machine, whose records belong to the machine's own
/// responder: different records of one name are a conflict (RFC 6762 §9).
fn host_name(instance: &str) -> String {
    let label = instance.split('.').next().unwrap_or_default();
    let label: String = label.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    let ending = "-switchboard";
    let label = label.get(..label.len().min(LABEL_MAX_BYTES - ending.len())).unwrap_or_default();
    format!("{}.local.", format!("{label}{ending}").trim_start_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_labels_of_dns() {
        let cases = [
            ("lab", "lab-switchboard.local."),
            ("lab.example", "lab-switchboard.local."),
            ("Büro", "Bro-switchboard.local."),
            ("מעבדה", "switchboard.local."),
        ];
        for (name, expected) in cases {
            assert_eq!(host_name(name), expected);
        }
        for name in ["x".repeat(200), "ש".repeat(100)] {
            assert!(instance_name(&name).len() <= LABEL_MAX_BYTES);
            assert!(host_name(&name).len() <= LABEL_MAX_BYTES + ".local.".len());
        }
        assert_eq!(instance_name("lab"), "lab");
    }
}

//! Announces the server on the local network by multicast DNS (RFC 6762) and DNS-SD (RFC 6763): `protocol.md` §22.
//!
//! A thread of the library has the sockets. It exists only if the operator wants announcements, and if others reach a
//! listener.

mod offer;

use std::time::Duration;

use mdns_sd::{DaemonEvent, IfKind, Receiver, ServiceDaemon, ServiceInfo};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

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

/// Maximum records of other machines that the library keeps: some megabytes. It keeps each record until its time is
/// over, also one that nobody asked for, and has no bound of its own. A network of a hundred machines has a thousand.
const RECORDS_MAX: i64 = 10_000;

/// Time between two counts of these records.
const COUNT_INTERVAL: Duration = Duration::from_secs(1);

/// The pause after which a server that stopped because of too many records announces itself again.
const FLOOD_PAUSE: Duration = Duration::from_mins(5);

/// Maximum changes of the name that one start of the library logs. A hostile machine can claim each new name, too.
const NAME_CHANGES_LOGGED: usize = 3;

/// A running announcement. It ends when it is dropped.
pub(crate) struct Announcement {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Announcement {
    /// Announces the listeners that others reach, if the settings want it. A failure is logged, and the server works
    /// without the announcement.
    pub(crate) fn start_if_wanted(settings: &Settings, listeners: &[Listener]) -> Option<Self> {
        if !settings.announce {
            return None;
        }
        let started = match Offer::of(listeners) {
            Some(offer) => Self::start(instance_name(&settings.server_name), offer).map_err(|error| error.to_string()),
            None => {
                Err("only this machine reaches the commands dialect: give an address of the network with --listen or \
                         --listen-tls, such as --listen-tls :12346"
                    .to_owned())
            }
        };
        started.map_err(|reason| telemetry::not_announced(&reason)).ok()
    }

    fn start(name: String, offer: Offer) -> mdns_sd::Result<Self> {
        let first = Registration::new(&name, &offer)?;
        let (stop, stopped) = oneshot::channel();
        Ok(Self { stop, task: tokio::spawn(announce(name, offer, first, stopped)) })
    }

    /// Says goodbye, so that clients forget the server at once.
    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

/// Announces the server until it stops. Pauses if other machines fill the memory of the library.
async fn announce(name: String, offer: Offer, first: Registration, mut stopped: oneshot::Receiver<()>) {
    let mut registration = first;
    loop {
        tokio::select! {
            _ = &mut stopped => return registration.say_goodbye().await,
            () = registration.until_flooded() => {}
        }
        drop(registration);
        telemetry::not_announced("other machines announce too much: the server announces itself again in 5 minutes");
        registration = loop {
            tokio::select! {
                _ = &mut stopped => return,
                () = sleep(FLOOD_PAUSE) => {}
            }
            match Registration::new(&name, &offer) {
                Ok(registration) => break registration,
                Err(error) => telemetry::not_announced(&error.to_string()),
            }
        };
    }
}

/// The server, registered at a daemon of the library: a thread with its sockets.
struct Registration {
    daemon: ServiceDaemon,
    /// The name of the instance with that of the service.
    full_name: String,
}

impl Registration {
    fn new(name: &str, offer: &Offer) -> mdns_sd::Result<Self> {
        let daemon = ServiceDaemon::new()?;
        // From here on, a failure drops it, which ends its thread.
        let mut registration = Self { daemon, full_name: String::new() };
        let daemon = &registration.daemon;
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
        service.get_fullname().clone_into(&mut registration.full_name);
        tokio::spawn(log_events(daemon.monitor()?));
        daemon.register(service)?;
        telemetry::announced(name, offer.port);
        Ok(registration)
    }

    /// Waits until the library keeps more than [`RECORDS_MAX`] records of other machines, or has ended.
    async fn until_flooded(&self) {
        let mut ticks = interval(COUNT_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let Ok(figures) = self.daemon.get_metrics() else { return };
            let Ok(figures) = figures.recv_async().await else { return };
            let records = figures.iter().filter(|(name, _)| name.starts_with("cached-")).map(|(_, count)| count);
            if records.sum::<i64>() > RECORDS_MAX {
                return;
            }
        }
    }

    async fn say_goodbye(&self) {
        if let Ok(goodbye) = self.daemon.unregister(&self.full_name) {
            let _ = timeout(GOODBYE_TIME_MAX, goodbye.recv_async()).await;
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let _ = self.daemon.shutdown();
    }
}

/// Logs the first changes of the name, and the first error. Ends with the daemon.
async fn log_events(events: Receiver<DaemonEvent>) {
    let (mut name_changes, mut has_failed) = (0, false);
    while let Ok(event) = events.recv_async().await {
        match event {
            DaemonEvent::NameChange(change) if change.new_name.ends_with(SERVICE) => {
                name_changes += 1;
                if name_changes <= NAME_CHANGES_LOGGED {
                    telemetry::announced_name_changed(&change.new_name);
                }
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

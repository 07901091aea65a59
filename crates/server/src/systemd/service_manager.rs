//! Reports to the service manager: `sd_notify(3)`.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::admission::Admission;
use crate::hub::Hub;
use crate::telemetry;

/// Period in which a changed number of sessions is reported: often enough for a person at `systemctl status`.
const STATUS_PERIOD: Duration = Duration::from_secs(5);

/// Signs of life in each time-out of the watchdog. With three, one that is late does no harm.
const SIGNS_PER_TIMEOUT: u32 = 3;

/// Shortest period of the signs of life. A shorter one would only cost processor time.
const PERIOD_MIN: Duration = Duration::from_millis(10);

/// Maximum time to wait for a service manager that does not read.
const SEND_TIME_MAX: Duration = Duration::from_secs(1);

/// The service manager of this process. By default, there is none.
#[derive(Clone, Debug, Default)]
pub struct ServiceManager {
    /// The address of its socket, in the syntax of the variable `NOTIFY_SOCKET`.
    socket: Option<OsString>,
    /// Time without a sign of life after which it ends the server.
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The service manager that the environment names, if it names one.
    #[must_use]
    pub fn from_environment() -> Self {
        let socket = std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty());
        Self { socket, watchdog: sd_notify::watchdog_enabled() }
    }

    /// The server accepts connections, or has finished a reload.
    pub async fn ready(&self) {
        self.report(&[NotifyState::Ready]).await;
    }

    /// The server begins to read its configuration again. [`Self::ready`] must follow.
    pub async fn reloading(&self) {
        // By the time, the service manager tells this reload from an earlier one.
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.report(&[NotifyState::Reloading, now]).await,
            Err(error) => telemetry::not_reported(&error),
        }
    }

    /// The server accepts no more connections, and writes its unsent bytes.
    pub(crate) async fn stopping(&self) {
        self.report(&[NotifyState::Stopping]).await;
    }

    /// Reports the number of sessions when it has changed, and signs of life to the watchdog. Never returns.
    ///
    /// A sign of life comes from a task of the runtime that has just had the lock of the hub. It shows that both work,
    /// and not only that the process exists.
    pub(crate) async fn keep_informed(self, hub: Arc<Hub>, admission: Arc<Admission>) {
        if self.socket.is_none() {
            return;
        }
        let watchdog_period = self.watchdog.map(|timeout| (timeout / SIGNS_PER_TIMEOUT).max(PERIOD_MIN));
        let mut ticks = interval(watchdog_period.unwrap_or(STATUS_PERIOD).min(STATUS_PERIOD));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reported = None;
        loop {
            ticks.tick().await;
            if self.watchdog.is_some() {
                hub.counts();
                self.report(&[NotifyState::Watchdog]).await;
            }
            let sessions = admission.sessions();
            if reported.replace(sessions) != Some(sessions) {
                let status = if sessions == 1 { "1 session".to_owned() } else { format!("{sessions} sessions") };
                self.report(&[NotifyState::Status(&status)]).await;
            }
        }
    }

    /// Sends states in one datagram. Waits for a bounded time, because a service manager that has stopped reading must not
    /// stop the server.
    async fn report(&self, states: &[NotifyState<'_>]) {
        let Some(name) = &self.socket else { return };
        let lines = states.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let sent = timeout(SEND_TIME_MAX, async { connect(name)?.send(lines.as_bytes()).await });
        let result = sent.await.unwrap_or_else(|_| Err(io::Error::other("it does not read")));
        if let Err(error) = result {
            telemetry::not_reported(&error);
        }
    }
}

/// Connects to a path, or to a name in the abstract namespace, which begins with `@`. Each report connects again: the
/// service manager may have been replaced.
fn connect(name: &OsStr) -> io::Result<tokio::net::UnixDatagram> {
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    tokio::net::UnixDatagram::from_std(socket)
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use tokio::runtime::Builder;

    use super::*;
    use crate::settings::Settings;

    /// Maximum time for a report.
    const TIMEOUT: Duration = Duration::from_secs(20);

    fn next(socket: &UnixDatagram) -> io::Result<String> {
        let mut datagram = [0; 256];
        let len = socket.recv(&mut datagram)?;
        Ok(String::from_utf8_lossy(&datagram[..len]).into_owned())
    }

    fn expect(socket: &UnixDatagram, report: &str) {
        assert_eq!(next(socket).expect("a report comes"), report);
    }

    #[tokio::test]
    async fn states_are_reported_to_a_path_and_to_an_abstract_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let abstract_name = format!("switchboard-test-{}", std::process::id());
        let abstract_address = SocketAddr::from_abstract_name(&abstract_name).expect("a name");
        let abstract_socket = UnixDatagram::bind_addr(&abstract_address).expect("a free name");
        let path_socket = UnixDatagram::bind(&path).expect("a socket");
        for (name, socket) in
            [(path.into(), path_socket), (OsString::from(format!("@{abstract_name}")), abstract_socket)]
        {
            socket.set_read_timeout(Some(TIMEOUT)).expect("a socket of this process");
            let manager = ServiceManager { socket: Some(name), watchdog: None };
            manager.ready().await;
            expect(&socket, "READY=1");
            manager.reloading().await;
            let reloading = next(&socket).expect("a report comes");
            let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("a time");
            assert!(time.parse::<u64>().is_ok_and(|time| time > 0), "{reloading}");
            manager.stopping().await;
            expect(&socket, "STOPPING=1");
        }
    }

    #[test]
    fn signs_of_life_end_while_nobody_gets_the_lock_of_the_hub() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(TIMEOUT)).expect("a socket of this process");
        let manager = ServiceManager { socket: Some(path.into()), watchdog: Some(PERIOD_MIN * SIGNS_PER_TIMEOUT) };
        let hub = Arc::new(Hub::new(Settings::default()));
        let informed = Arc::clone(&hub);
        // The runtime has a thread of its own, which waits for the lock. It ends with the test.
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(manager.keep_informed(informed, Admission::new(&Settings::default())));
        });
        expect(&socket, "WATCHDOG=1");
        expect(&socket, "STATUS=0 sessions");
        expect(&socket, "WATCHDOG=1");

        let held = hub.hold_lock();
        // The task may have had the lock just before, so one more sign may come. Then there is none for many periods.
        socket.set_read_timeout(Some(PERIOD_MIN * 20)).expect("a socket of this process");
        let mut signs = 0;
        while next(&socket).is_ok() {
            signs += 1;
            assert!(signs < 100, "signs of life come without the lock");
        }
        drop(held);
        socket.set_read_timeout(Some(TIMEOUT)).expect("a socket of this process");
        expect(&socket, "WATCHDOG=1");
    }
}

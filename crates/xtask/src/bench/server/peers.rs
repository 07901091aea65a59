//! The compared servers. Each one is configured as its makers recommend, and runs alone on one core.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use super::pin;

/// Time between two attempts to connect to a server that is starting.
const CONNECT_INTERVAL: Duration = Duration::from_millis(20);
/// Maximum attempts to connect to a server that is starting.
const CONNECT_ATTEMPTS_MAX: u32 = 250;

/// A compared server. `NatsVerbose` is the NATS server with acknowledgements.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Peer {
    Switchboard,
    Relay,
    Nats,
    NatsVerbose,
    Redis,
    Ngircd,
    Mosquitto,
}

impl Peer {
    pub(super) const ALL: [Self; 7] =
        [Self::Switchboard, Self::Relay, Self::Nats, Self::NatsVerbose, Self::Redis, Self::Ngircd, Self::Mosquitto];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Switchboard => "switchboard",
            Self::Relay => "relay",
            Self::Nats => "nats-server",
            Self::NatsVerbose => "nats-server, verbose",
            Self::Redis => "redis-server",
            Self::Ngircd => "ngircd",
            Self::Mosquitto => "mosquitto",
        }
    }

    /// Whether the peer is a message server of another project. The relay is not: it is the upper bound for all
    /// servers.
    pub(super) fn is_rival(self) -> bool {
        !matches!(self, Self::Switchboard | Self::Relay)
    }

    /// Whether the peer acknowledges each message to its sender.
    pub(super) fn acknowledges(self) -> bool {
        matches!(self, Self::Switchboard | Self::NatsVerbose | Self::Redis)
    }

    /// Longest payload, in bytes. A line of IRC has at most 512 bytes with its command and names (RFC 2812 §2.3).
    pub(super) fn size_max(self) -> usize {
        if self == Self::Ngircd { 400 } else { usize::MAX }
    }

    /// The first line of the peer's version text. `None` for the relay, and for `NatsVerbose`, which is the same
    /// program as `Nats`.
    pub(super) fn version(self, programs: &ProgramPaths) -> Option<String> {
        let mut command = match self {
            Self::Switchboard => Command::new(&programs.switchboard),
            Self::Nats => Command::new("nats-server"),
            Self::Redis => Command::new("redis-server"),
            Self::Ngircd => Command::new("ngircd"),
            Self::Mosquitto => {
                let mut command = Command::new("mosquitto");
                command.arg("-h");
                command
            }
            Self::Relay | Self::NatsVerbose => return None,
        };
        if self != Self::Mosquitto {
            command.arg("--version");
        }
        let output = command.output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).lines().next()?.to_owned())
    }

    /// Starts the server on a free local port, on the server's core, and waits until it listens.
    pub(super) fn start(self, programs: &ProgramPaths, sessions: usize) -> Result<RunningServer, String> {
        let port = free_port().map_err(|error| format!("no free port: {error}"))?;
        let folder =
            tempfile::tempdir().map_err(|error| format!("no temporary folder for {}: {error}", self.name()))?;
        let mut command = self.command(programs, port, sessions, folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // A child inherits the core of the thread that starts it.
        pin::to_server_core()?;
        let child = command.spawn();
        pin::to_generator_core()?;
        let child = child.map_err(|error| format!("cannot start {}: {error}", self.name()))?;
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut server = RunningServer { child, addr, _folder: folder };
        for _ in 0..CONNECT_ATTEMPTS_MAX {
            if TcpStream::connect(addr).is_ok() {
                return Ok(server);
            }
            if let Ok(Some(status)) = server.child.try_wait() {
                return Err(format!("{} ended before it listened: {status}", self.name()));
            }
            thread::sleep(CONNECT_INTERVAL);
        }
        Err(format!("{} does not listen on {addr}", self.name()))
    }

    /// The command that starts the server with room for `sessions` sessions.
    fn command(self, programs: &ProgramPaths, port: u16, sessions: usize, folder: &Path) -> Command {
        let port = port.to_string();
        match self {
            Self::Switchboard => {
                let mut command = Command::new(&programs.switchboard);
                command.args(["--listen", &format!("127.0.0.1:{port}"), "--listen-line", "none"]);
                command.args(["--log-level", "warn", "--max-sessions", &sessions.max(100).to_string()]);
                if sessions > 10_000 {
                    // The server requires this for so many sessions, as the reply to WHO lists all names in one line.
                    command.args(["--outbox-bytes", "4194304"]);
                }
                command
            }
            Self::Relay => {
                let mut command = Command::new(&programs.xtask);
                command.args(["bench", "relay", "--port", &port]);
                command
            }
            Self::Nats | Self::NatsVerbose => {
                let mut command = Command::new("nats-server");
                command.args(["--addr", "127.0.0.1", "--port", &port, "--log"]).arg(folder.join("log"));
                command
            }
            Self::Redis => {
                let mut command = Command::new("redis-server");
                command.args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no"]);
                // 19,000 clients are more than every workload opens. `0 0 0` turns the limit of buffered bytes off.
                command.args([
                    "--maxclients",
                    "19000",
                    "--protected-mode",
                    "no",
                    "--client-output-buffer-limit",
                    "pubsub 0 0 0",
                    "--dir",
                ]);
                command.arg(folder);
                command
            }
            Self::Ngircd => {
                let mut command = Command::new("ngircd");
                command.arg("--nodaemon").arg("--config").arg(write_config(folder, &ngircd_config(&port)));
                command
            }
            Self::Mosquitto => {
                let config = format!(
                    "listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nset_tcp_nodelay true\n\
                     persistence false\nlog_type error\n"
                );
                let mut command = Command::new("mosquitto");
                command.arg("-c").arg(write_config(folder, &config));
                command
            }
        }
    }
}

/// A configuration of ngircd without limits, look-ups and flood penalties.
fn ngircd_config(port: &str) -> String {
    format!(
        "[Global]\nName = bench.invalid\nInfo = bench\nAdminInfo1 = bench\nAdminInfo2 = bench\n\
         AdminEMail = bench@bench.invalid\nListen = 127.0.0.1\nPorts = {port}\nMotdPhrase = bench\n\
         [Limits]\nMaxConnections = 0\nMaxConnectionsIP = 0\nMaxNickLength = 31\nMaxPenaltyTime = 0\n\
         [Options]\nDNS = no\nIdent = no\nPAM = no\n"
    )
}

/// Writes a configuration file and returns its path. If the write fails, the server ends because the file is missing.
fn write_config(folder: &Path, config: &str) -> PathBuf {
    let path = folder.join("config");
    let _ = fs::write(&path, config);
    path
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Paths of our own programs, built for release.
#[derive(Debug)]
pub(super) struct ProgramPaths {
    pub(super) switchboard: PathBuf,
    pub(super) xtask: PathBuf,
}

/// A running server. Dropping it stops the server.
#[derive(Debug)]
pub(super) struct RunningServer {
    child: Child,
    pub(super) addr: SocketAddr,
    /// Deleted when the server is dropped.
    _folder: tempfile::TempDir,
}

impl RunningServer {
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

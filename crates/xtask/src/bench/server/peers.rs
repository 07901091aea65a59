//! The compared servers. Each one is configured as its makers recommend, and runs alone on one core.
//!
//! Some servers appear twice: as a server that stores nothing, and as one that syncs each message to the disk.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};
use rustix::process::{Pid, Signal, kill_process};
use switchboard_bench::Transport;

use super::certificate::Certificate;
use super::commits::Engine;
use super::{pin, postgres};

/// Time between two attempts to connect to a server that is starting.
const CONNECT_INTERVAL: Duration = Duration::from_millis(20);
/// Maximum attempts to connect to a server that is starting.
const CONNECT_ATTEMPTS_MAX: u32 = 250;

/// The kind of a session's socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum SocketKind {
    Tcp,
    /// TLS 1.3 over TCP.
    Tls,
    /// WebSocket over TCP.
    WebSocket,
}

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
    // The following peers acknowledge a message once it is on the disk.
    /// Our server without search, as the other servers have none.
    SwitchboardStored,
    /// The same, and it indexes the words of the messages.
    SwitchboardIndexed,
    RedisStreams,
    JetStream,
    Postgres,
    /// Bare commits of SQLite, without a server.
    SqliteCommits,
    /// Bare appends to a file, each with a sync.
    Appends,
}

impl Peer {
    pub(super) const ALL: [Self; 14] = [
        Self::Switchboard,
        Self::Relay,
        Self::Nats,
        Self::NatsVerbose,
        Self::Redis,
        Self::Ngircd,
        Self::Mosquitto,
        Self::SwitchboardStored,
        Self::SwitchboardIndexed,
        Self::RedisStreams,
        Self::JetStream,
        Self::Postgres,
        Self::SqliteCommits,
        Self::Appends,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Switchboard => "switchboard",
            Self::Relay => "relay",
            Self::Nats => "nats-server",
            Self::NatsVerbose => "nats-server, verbose",
            Self::Redis => "redis-server",
            Self::Ngircd => "ngircd",
            Self::Mosquitto => "mosquitto",
            Self::SwitchboardStored => "switchboard, stored",
            Self::SwitchboardIndexed => "switchboard, indexed",
            Self::RedisStreams => "redis-server, streams",
            Self::JetStream => "nats-server, JetStream",
            Self::Postgres => "PostgreSQL",
            Self::SqliteCommits => "SQLite alone",
            Self::Appends => "append and fdatasync",
        }
    }

    /// Whether the peer is our server.
    fn is_ours(self) -> bool {
        matches!(self, Self::Switchboard | Self::SwitchboardStored | Self::SwitchboardIndexed)
    }

    /// Whether the peer is a server of another project. The relay is not: it is the upper bound for all servers.
    pub(super) fn is_rival(self) -> bool {
        !self.is_ours() && self != Self::Relay && self.engine().is_none()
    }

    /// Whether the peer syncs each message to the disk before its acknowledgement.
    pub(super) fn is_durable(self) -> bool {
        let is_durable_server = matches!(
            self,
            Self::SwitchboardStored | Self::SwitchboardIndexed | Self::RedisStreams | Self::JetStream | Self::Postgres
        );
        is_durable_server || self.engine().is_some()
    }

    /// The engine of a peer that commits without a server.
    pub(super) fn engine(self) -> Option<Engine> {
        match self {
            Self::SqliteCommits => Some(Engine::Sqlite),
            Self::Appends => Some(Engine::Append),
            _ => None,
        }
    }

    /// Whether the peer acknowledges each message to its sender.
    pub(super) fn acknowledges(self) -> bool {
        self.is_durable() || matches!(self, Self::Switchboard | Self::NatsVerbose | Self::Redis)
    }

    /// Longest payload, in bytes. A line of IRC has at most 512 bytes with its command and names (RFC 2812 §2.3).
    pub(super) fn size_max(self) -> usize {
        if self == Self::Ngircd { 400 } else { usize::MAX }
    }

    /// The first line of the peer's version text. `None` for a peer that is no program of its own, and for the second
    /// peer of a program.
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
            Self::JetStream => Command::new(&programs.jetstream),
            Self::Postgres => Command::new(postgres::program("postgres").ok()?),
            Self::SqliteCommits => return Some(format!("SQLite {}", rusqlite::version())),
            Self::Relay
            | Self::NatsVerbose
            | Self::SwitchboardStored
            | Self::SwitchboardIndexed
            | Self::RedisStreams
            | Self::Appends => return None,
        };
        if self != Self::Mosquitto {
            command.arg("--version");
        }
        let output = command.output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).lines().next()?.to_owned())
    }

    /// Starts the server on a free local port, on the server's core, and waits until it listens.
    pub(super) fn start(
        self,
        programs: &ProgramPaths,
        sessions: usize,
        socket: SocketKind,
    ) -> Result<RunningServer, String> {
        let port = free_port().map_err(|error| format!("no free port: {error}"))?;
        let folder = super::data_folder()?;
        let mut transport = Transport::default();
        let mut command = match socket {
            SocketKind::Tcp => self.command(programs, port, sessions, folder.path())?,
            SocketKind::Tls => {
                let certificate = Certificate::make(folder.path())?;
                transport.tls = Some(certificate.client()?);
                self.tls_command(programs, port, sessions, folder.path(), &certificate)?
            }
            SocketKind::WebSocket => {
                transport.websocket = Some(self.websocket_client(port));
                self.websocket_command(programs, port, sessions, folder.path())?
            }
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // A child inherits the core of the thread that starts it.
        pin::to_server_core()?;
        let child = command.spawn();
        pin::to_generator_core()?;
        let child = child.map_err(|error| format!("cannot start {}: {error}", self.name()))?;
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut server = RunningServer { child, addr, transport, stop: self.stop_signal(), folder };
        for _ in 0..CONNECT_ATTEMPTS_MAX {
            if self.is_ready(server.folder.path()) && TcpStream::connect(addr).is_ok() {
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
    fn command(self, programs: &ProgramPaths, port: u16, sessions: usize, folder: &Path) -> Result<Command, String> {
        let port = port.to_string();
        Ok(match self {
            Self::Switchboard | Self::SwitchboardStored | Self::SwitchboardIndexed => {
                let mut command = switchboard(programs, sessions);
                command.args(["--listen", &format!("127.0.0.1:{port}"), "--listen-web", "none"]);
                if self != Self::Switchboard {
                    command.arg("--data").arg(folder.join("data"));
                    command.arg(format!("--search={}", self == Self::SwitchboardIndexed));
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
            Self::JetStream => {
                let config = format!(
                    "listen: 127.0.0.1:{port}\njetstream {{ store_dir: {:?}, sync_interval: always }}\n",
                    folder.join("data").display().to_string(),
                );
                let mut command = Command::new(&programs.jetstream);
                command.arg("--config").arg(write_config(folder, &config)).arg("--log").arg(folder.join("log"));
                command
            }
            Self::Redis | Self::RedisStreams => {
                let mut command = Command::new("redis-server");
                let appends = if self == Self::RedisStreams { "yes" } else { "no" };
                command.args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", appends]);
                command.args(["--appendfsync", "always"]);
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
            Self::Mosquitto => mosquitto(folder, &format!("listener {port} 127.0.0.1\n")),
            Self::Postgres => {
                let data = postgres::create(folder)?;
                let mut command = postgres::command("postgres")?;
                command.arg("-D").arg(data).args(["-h", "127.0.0.1", "-p", &port, "-k", "", "-N"]);
                command.arg(sessions.to_string()).args(["-c", "fsync=on", "-c", "synchronous_commit=on"]);
                command.current_dir(folder);
                command
            }
            Self::SqliteCommits | Self::Appends => return Err(format!("{} is no server", self.name())),
        })
    }

    /// Whether a server that may already listen is ready, too.
    fn is_ready(self, folder: &Path) -> bool {
        self != Self::Postgres || postgres::is_ready(folder)
    }

    /// The signal that ends the server at once. PostgreSQL needs time to end its processes.
    fn stop_signal(self) -> Signal {
        if self == Self::Postgres { Signal::QUIT } else { Signal::KILL }
    }
}

/// Our server with room for `sessions` sessions. The listeners for the commands dialect and for browsers are missing.
pub(super) fn switchboard(programs: &ProgramPaths, sessions: usize) -> Command {
    let mut command = Command::new(&programs.switchboard);
    command.args(["--listen-line", "none", "--log-level", "warn", "--max-sessions", &sessions.max(100).to_string()]);
    if sessions > 10_000 {
        // The server requires this for so many sessions, as the reply to WHO lists all names in one line.
        command.args(["--outbox-bytes", "4194304"]);
    }
    command
}

/// mosquitto with this listener, and without persistence and limits.
pub(super) fn mosquitto(folder: &Path, listener: &str) -> Command {
    let config = format!(
        "{listener}allow_anonymous true\nmax_queued_messages 0\nset_tcp_nodelay true\npersistence false\n\
         log_type error\n"
    );
    let mut command = Command::new("mosquitto");
    command.arg("-c").arg(write_config(folder, &config));
    command
}

/// A configuration of ngircd without limits, look-ups and flood penalties.
pub(in crate::bench) fn ngircd_config(port: &str) -> String {
    format!(
        "[Global]\nName = bench.invalid\nInfo = bench\nAdminInfo1 = bench\nAdminInfo2 = bench\n\
         AdminEMail = bench@bench.invalid\nListen = 127.0.0.1\nPorts = {port}\nMotdPhrase = bench\n\
         [Limits]\nMaxConnections = 0\nMaxConnectionsIP = 0\nMaxNickLength = 31\nMaxPenaltyTime = 0\n\
         [Options]\nDNS = no\nIdent = no\nPAM = no\n"
    )
}

/// Writes a configuration file and returns its path. If the write fails, the server ends because the file is missing.
pub(super) fn write_config(folder: &Path, config: &str) -> PathBuf {
    let path = folder.join("config");
    let _ = fs::write(&path, config);
    path
}

/// A port that no socket uses, not even one in the state TIME-WAIT. A `TcpListener` would also be given such a port,
/// because it sets `SO_REUSEADDR`. A server that does not set it cannot listen there.
pub(in crate::bench) fn free_port() -> io::Result<u16> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
    Ok(SocketAddrV4::try_from(getsockname(&socket)?)?.port())
}

/// Paths of the programs that are not Debian's. Our own are built for release.
#[derive(Debug)]
pub(super) struct ProgramPaths {
    pub(super) switchboard: PathBuf,
    pub(super) xtask: PathBuf,
    /// The NATS server with JetStream, which is newer than that of Debian.
    pub(super) jetstream: PathBuf,
}

/// A running server. Dropping it stops the server.
#[derive(Debug)]
pub(super) struct RunningServer {
    child: Child,
    pub(super) addr: SocketAddr,
    pub(super) transport: Transport,
    /// The signal that ends the server.
    stop: Signal,
    /// Deleted when the server is dropped.
    folder: tempfile::TempDir,
}

impl RunningServer {
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), self.stop);
        let _ = self.child.wait();
    }
}

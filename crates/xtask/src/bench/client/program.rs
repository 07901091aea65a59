//! The compared clients, each with its server and its settings.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use super::{POLL_INTERVAL, Programs, TIMEOUT, now, output};
use crate::bench::server::peers::{free_port, ngircd_config};

/// The room in which the messages arrive.
pub(super) const ROOM: &str = "#lab";

/// A compared client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Client {
    Switchboard,
    Weechat,
}

impl Client {
    pub(super) const ALL: [Self; 2] = [Self::Switchboard, Self::Weechat];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Switchboard => "switchboard",
            Self::Weechat => "weechat",
        }
    }

    /// The keys with which a user enters the room. `None`: the client enters it by itself. Over plain TCP, ours has no
    /// setting for that: a link names a room, and means TLS.
    pub(super) fn join_keys(self) -> Option<String> {
        match self {
            Self::Switchboard => Some(format!("/join {ROOM}\r")),
            Self::Weechat => None,
        }
    }

    /// The command that starts the client as the user Noy, with its files in `folder`.
    pub(super) fn command(self, programs: &Programs, port: u16, folder: &Path) -> Result<Command, String> {
        // `env` replaces itself with the client, so that its process is that of the client.
        let mut command = Command::new("env");
        for name in ["HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"] {
            command.arg(format!("{name}={}", folder.display()));
        }
        command.args(["LC_ALL=C.UTF-8", "COLORTERM=truecolor"]);
        match self {
            Self::Switchboard => {
                command.arg(&programs.client).arg(format!("127.0.0.1:{port}")).args(["--name", "Noy"]);
            }
            Self::Weechat => {
                write_weechat_settings(folder, port)?;
                command.arg("weechat").arg("--dir").arg(folder);
            }
        }
        Ok(command)
    }

    /// Starts the server of the client's protocol, and waits until it listens.
    pub(super) fn start_server(self, programs: &Programs) -> Result<Server, String> {
        let port = free_port().map_err(|error| format!("no free port: {error}"))?;
        let folder = tempfile::tempdir().map_err(|error| format!("no folder for the server: {error}"))?;
        let mut command = match self {
            Self::Switchboard => {
                let mut command = Command::new(&programs.server);
                command.arg("--listen").arg(format!("127.0.0.1:{port}"));
                command.args(["--listen-line", "none", "--listen-web", "none", "--lines-per-second", "0"]);
                command
            }
            Self::Weechat => {
                let config = folder.path().join("ngircd.conf");
                write(&config, &ngircd_config(&port.to_string()))?;
                let mut command = Command::new("ngircd");
                command.arg("--nodaemon").arg("--config").arg(config);
                command
            }
        };
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.map_err(|error| format!("the server cannot be started: {error}"))?;
        let server = Server { child, port, _folder: folder };
        let start = now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if start.elapsed() > TIMEOUT {
                return Err("the server does not listen".to_owned());
            }
            thread::sleep(POLL_INTERVAL);
        }
        Ok(server)
    }

    /// The version of the client, without its name.
    pub(super) fn version(self) -> Option<String> {
        match self {
            Self::Switchboard => Some(env!("CARGO_PKG_VERSION").to_owned()),
            Self::Weechat => Some(output(Command::new("weechat").arg("--version")).ok()?.trim().to_owned()),
        }
    }
}

/// The settings that differ from the defaults. All lines are kept, and nothing is written to log files, as in our
/// client.
fn write_weechat_settings(folder: &Path, port: u16) -> Result<(), String> {
    write(
        &folder.join("weechat.conf"),
        "[history]\nmax_buffer_lines_number = 0\n[plugin]\nautoload = \"*,!logger\"\n",
    )?;
    let irc = format!(
        "[server]\nbench.addresses = \"127.0.0.1/{port}\"\nbench.ssl = off\nbench.autoconnect = on\n\
         bench.nicks = \"Noy\"\nbench.autojoin = \"{ROOM}\"\n"
    );
    write(&folder.join("irc.conf"), &irc)
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    pub(super) port: u16,
    /// Deleted when the server is dropped.
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

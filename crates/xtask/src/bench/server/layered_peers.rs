//! Servers whose listener speaks TLS or WebSocket.

use std::path::Path;
use std::process::Command;

use switchboard_bench::{MessageKind, WebSocketClient};

use super::certificate::Certificate;
use super::peers::{Peer, ProgramPaths, free_port, mosquitto, switchboard, write_config};

impl Peer {
    /// Whether the peer has listeners with TLS and WebSocket here.
    pub(super) fn is_layered(self) -> bool {
        matches!(self, Self::Switchboard | Self::Nats | Self::Mosquitto)
    }

    /// The command that starts the server with TLS on `port`, and with room for `sessions` sessions.
    pub(super) fn tls_command(
        self,
        programs: &ProgramPaths,
        port: u16,
        sessions: usize,
        folder: &Path,
        certificate: &Certificate,
    ) -> Result<Command, String> {
        let Certificate { file, key_file, .. } = certificate;
        let [file_text, key_text] = [file, key_file].map(|path| path.display().to_string());
        match self {
            Self::Switchboard => {
                let mut command = switchboard(programs, sessions);
                command.args([
                    "--listen",
                    "none",
                    "--listen-web",
                    "none",
                    "--listen-tls",
                    &format!("127.0.0.1:{port}"),
                ]);
                command.arg("--tls-cert").arg(file).arg("--tls-key").arg(key_file);
                Ok(command)
            }
            Self::Nats => {
                let config = format!(
                    "listen: 127.0.0.1:{port}\n\
                     tls {{ cert_file: {file_text:?}, key_file: {key_text:?}, handshake_first: true }}\n"
                );
                Ok(nats(programs, folder, &config))
            }
            Self::Mosquitto => {
                let listener = format!("listener {port} 127.0.0.1\ncertfile {file_text}\nkeyfile {key_text}\n");
                Ok(mosquitto(folder, &listener))
            }
            _ => Err(format!("{} has no TLS here", self.name())),
        }
    }

    /// The command that starts the server with WebSockets on `port`, and with room for `sessions` sessions.
    pub(super) fn websocket_command(
        self,
        programs: &ProgramPaths,
        port: u16,
        sessions: usize,
        folder: &Path,
    ) -> Result<Command, String> {
        match self {
            Self::Switchboard => {
                let mut command = switchboard(programs, sessions);
                command.args(["--listen", "none", "--listen-web", &format!("127.0.0.1:{port}")]);
                Ok(command)
            }
            Self::Nats => {
                // The server also needs a listener of its own protocol: the system chooses its port.
                let config =
                    format!("listen: 127.0.0.1:-1\nwebsocket {{ listen: \"127.0.0.1:{port}\", no_tls: true }}\n");
                Ok(nats(programs, folder, &config))
            }
            Self::Mosquitto => {
                // mosquitto 2.0 does not start with a listener for WebSockets alone.
                let other = free_port().map_err(|error| format!("no free port: {error}"))?;
                let plain = format!("listener {other} 127.0.0.1\n");
                Ok(mosquitto(folder, &format!("{plain}listener {port} 127.0.0.1\nprotocol websockets\n")))
            }
            _ => Err(format!("{} has no WebSocket here", self.name())),
        }
    }

    /// The WebSocket of sessions with the server on `port`.
    pub(super) fn websocket_client(self, port: u16) -> WebSocketClient {
        let (path, subprotocol, kind) = match self {
            Self::Mosquitto => ("/", Some("mqtt"), MessageKind::Bytes),
            Self::Nats => ("/", None, MessageKind::Bytes),
            _ => ("/ws", None, MessageKind::Lines),
        };
        WebSocketClient { host: format!("127.0.0.1:{port}"), path: path.to_owned(), subprotocol, kind }
    }
}

/// The NATS server that begins with the handshake. That of Debian first sends a line.
fn nats(programs: &ProgramPaths, folder: &Path, config: &str) -> Command {
    let mut command = Command::new(&programs.jetstream);
    command.arg("--config").arg(write_config(folder, config)).arg("--log").arg(folder.join("log"));
    command
}

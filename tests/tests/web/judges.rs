//! Independent clients as judges of our WebSocket: `websockets` for Python and `ws` for Node.js.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::server::WebServer;

/// The folder in which Debian installs packages of Node.js.
const NODE_PACKAGES: &str = "/usr/share/nodejs";

fn judge(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("judges").join(name)
}

/// Runs a client against a server, without TLS and with it.
fn judge_with(command: impl Fn() -> Command, verdict: &str) {
    let server = WebServer::start(&[]);
    let (address, certificate) = (server.address, server.certificate_file());
    for (url, certificate) in
        [(format!("ws://{address}/ws"), None), (format!("wss://{address}/ws"), Some(&certificate))]
    {
        let output = command().arg(&url).args(certificate).output().expect("the judge can be started");
        let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && text.contains(verdict), "{url}: {text}{errors}");
    }
}

#[test]
fn python_websockets_agrees() {
    // The interpreter of the system, because the library is a package of the system.
    let command = || {
        let mut python = Command::new("/usr/bin/python3");
        python.arg(judge("websockets_client.py"));
        python
    };
    judge_with(command, "judged by websockets");
}

#[test]
fn node_ws_agrees() {
    let command = || {
        let mut node = Command::new("node");
        node.arg(judge("ws_client.js")).env("NODE_PATH", NODE_PACKAGES);
        node
    };
    judge_with(command, "judged by ws");
}

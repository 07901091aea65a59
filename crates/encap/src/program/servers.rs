//! The `--server` flag.

use switchboard_encap::rows::App;
use switchboard_protocol::sanitize;

use super::diagnostics::report;

/// Apps that are servers.
#[derive(Clone, Debug, Default, Eq, PartialEq, clap::Args)]
pub(crate) struct Servers {
    /// Make this app the server, and its peers clients; may be given several times
    ///
    /// By default, ports tell the server of a pair (the protocol's port, or else a usual server port), or else a
    /// response (the sender of `200 OK` is the server, even before any request), or else, in CHAT, IRC and MQTT, an
    /// earlier pair with the same server, or else the first row: its receiver is the server.
    #[arg(long = "server", value_name = "APP")]
    servers: Vec<App>,
}

impl Servers {
    /// The named apps.
    pub(crate) fn apps(&self) -> Vec<App> {
        self.servers.clone()
    }
}

/// Reports apps of `--server` that no row names, probably by mistake.
pub(crate) fn report_missing(apps: &[App]) {
    for app in apps {
        report(format_args!("encap: --server {}: no row has such an app", sanitize(&app.to_string())));
    }
}

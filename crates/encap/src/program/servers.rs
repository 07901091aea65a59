//! The `--server` flag.

use switchboard_encap::rows::App;
use switchboard_protocol::sanitize;

use super::diagnostics::report;

/// The apps that `--server` names.
#[derive(Clone, Debug, Default, Eq, PartialEq, clap::Args)]
pub(crate) struct Servers {
    /// Make this app the server, and its peers clients; may be given several times
    ///
    /// By default, the server of a pair is the app with the protocol's port, or else with a usual server port. If ports
    /// do not decide, it is the sender of a response such as `200 OK`, even before any request. In CHAT, IRC and MQTT,
    /// it is next the app that is already the server of another pair. Otherwise it is the receiver of the first row.
    #[arg(long = "server", value_name = "APP")]
    servers: Vec<App>,
}

impl Servers {
    pub(crate) fn apps(&self) -> Vec<App> {
        self.servers.clone()
    }
}

/// Reports apps of `--server` that are in no row: their names are probably misspelt.
pub(crate) fn report_unused(apps: &[App]) {
    for app in apps {
        report(format_args!("encap: --server {}: no row has such an app", sanitize(&app.to_string())));
    }
}

//! Who serves, as a person says it.

use switchboard_encap::rows::App;
use switchboard_protocol::sanitize;

use super::diagnostics::report;

/// Apps that serve.
#[derive(Clone, Debug, Default, Eq, PartialEq, clap::Args)]
pub(crate) struct Servers {
    /// This app serves, and the one that it talks to is its client; may be given again
    ///
    /// Without it, who serves a pair of apps is told by ports (the protocol's own, else the one that servers have), else
    /// by a message that answers (in HTTP and its like: who sends `200 OK` serves, even before any request), else, in
    /// CHAT, IRC and MQTT, by who serves an earlier pair, else by the first row: whom that is for serves.
    #[arg(long = "server", value_name = "APP")]
    servers: Vec<App>,
}

impl Servers {
    /// The apps.
    pub(crate) fn apps(&self) -> Vec<App> {
        self.servers.clone()
    }
}

/// Says which of the apps no row names: that is most likely a slip.
pub(crate) fn report_missing(apps: &[App]) {
    for app in apps {
        report(format_args!("encap: --server {}: no row has such an app", sanitize(&app.to_string())));
    }
}

//! A flow: a TCP connection, or the datagrams between two ports.

use std::net::IpAddr;

use super::IpVersion;
use crate::rows::Transport;
use crate::wire::Mac;

/// One of the two ends of a flow.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) ip: IpAddr,
    pub(super) mac: Mac,
    pub(super) port: u16,
}

/// A flow as the plan describes it. The first element of each array belongs to the app that appears first in the file.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) transport: Transport,
    pub(super) version: IpVersion,
    pub(super) ends: [End; 2],
    /// The index of the client, which opens the flow.
    pub(super) client: usize,
    /// The names of the apps, sanitized for display.
    pub(super) names: [Box<str>; 2],
    /// For each sender, a text like `from Noy to Elias`, sanitized for display.
    pub(super) routes: [Box<str>; 2],
    /// The number of rows.
    pub(super) n_rows: u64,
    /// The time of the first row, in nanoseconds.
    pub(super) first_row_at: i64,
}

//! A connection, or an exchange of datagrams, before it begins: who, from where to where, and when.

use std::net::IpAddr;

use super::IpVersion;
use crate::rows::Transport;
use crate::wire::Mac;

/// One end.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) ip: IpAddr,
    pub(super) mac: Mac,
    pub(super) port: u16,
}

/// What is known of a flow once all rows were seen.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) transport: Transport,
    pub(super) version: IpVersion,
    /// The two ends, that of the app which appeared first before the other.
    pub(super) ends: [End; 2],
    /// Which of them opens it.
    pub(super) client: usize,
    /// `from Noy to Elias`, for what the first and for what the second sends.
    pub(super) ways: [Box<str>; 2],
    /// What the client and the server are called.
    pub(super) client_name: Box<str>,
    pub(super) server_name: Box<str>,
    /// Rows that are still to come.
    pub(super) rows: u64,
    /// When it has to be ready.
    pub(super) first: i64,
}

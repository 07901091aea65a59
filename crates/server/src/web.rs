//! The web listener: the page, and WebSockets that carry the commands dialect, on one port with and without TLS.
//!
//! ```text
//! accept ─▶ first byte ─0x16─▶ TLS ─┬─▶ hyper: one request after the other ─┬─▶ a file of the page
//!                      └───────────┘                                       └─▶ /ws: WebSocket, a Socket of a Connection
//! ```
//!
//! Once a WebSocket is open, hyper gives its stream back, and the session goes the same way as one over TCP.

mod about;
mod client;
mod handshake;
mod hosts;
mod http_connection;
mod proxy_protocol;
mod response;
mod service;
mod silent_peers;
mod socket;
mod static_files;
mod trusted_proxies;

use std::net::SocketAddr;

pub(crate) use self::about::About;
pub(crate) use self::hosts::Hosts;
pub(crate) use self::http_connection::{reject, serve};
pub(crate) use self::service::request_host;
pub(crate) use self::silent_peers::probe_silent_peers;
use self::trusted_proxies::TrustedProxies;
use crate::listener::Listener;
use crate::own_address::own_address;
use crate::settings::Settings;
use crate::tls::Tls;

/// The state that the connections of all web listeners share.
#[derive(Debug)]
pub(crate) struct Web {
    hosts: Hosts,
    pub(crate) trusted_proxies: TrustedProxies,
    about: About,
}

impl Web {
    pub(crate) fn new(settings: &Settings, about: About) -> Self {
        let hosts = Hosts::new(&settings.web_hosts);
        Self { hosts, trusted_proxies: TrustedProxies::new(settings.trusted_proxies.clone()), about }
    }
}

/// The listener of a connection.
#[derive(Clone, Debug)]
pub(crate) struct WebListener {
    tls: Option<Tls>,
    /// The bound address, if the system tells it.
    address: Option<SocketAddr>,
}

impl WebListener {
    pub(crate) fn of(listener: &Listener) -> Self {
        Self { tls: listener.tls.clone(), address: listener.local_addr().ok() }
    }

    /// The address, with its port, by which other machines reach the listener.
    fn reachable(&self) -> Option<SocketAddr> {
        let address = self.address.filter(|address| !address.ip().is_loopback())?;
        if !address.ip().is_unspecified() {
            return Some(address);
        }
        Some(SocketAddr::new(own_address()?.into(), address.port()))
    }
}

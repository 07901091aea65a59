//! The ports that others on the network reach.

use std::net::{IpAddr, SocketAddr};

use switchboard_protocol::Dialect;

use crate::listener::{Listener, Service};

/// The content of an announcement. All ports are open at all addresses of `reach`.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Offer {
    /// The port of the commands dialect: over plain TCP if there is such a listener, else over TLS.
    pub(super) port: u16,
    pub(super) reach: Reach,
    /// The port of the commands dialect over TLS, and the hash of the server's key.
    pub(super) tls: Option<(u16, String)>,
    /// The port for browsers.
    pub(super) web: Option<u16>,
}

/// The addresses at which others reach a listener.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Reach {
    /// All addresses of this machine.
    All,
    /// All IPv4 addresses of this machine.
    Ipv4,
    /// These addresses.
    At(Vec<IpAddr>),
}

impl Offer {
    /// The offer of these listeners. `None` if only this machine reaches the commands dialect.
    pub(super) fn of(listeners: &[Listener]) -> Option<Self> {
        let addresses = |service, has_tls: Option<bool>| -> Vec<SocketAddr> {
            let of_service = listeners.iter().filter(|listener| {
                listener.service == service && has_tls.is_none_or(|has_tls| listener.tls.is_some() == has_tls)
            });
            of_service.filter_map(|listener| listener.local_addr().ok()).collect()
        };
        let commands = Service::Lines(Dialect::Commands);
        let key = listeners.iter().filter(|listener| listener.service == commands);
        let key = key.filter_map(|listener| listener.tls.as_ref()).map(|tls| tls.fingerprints().key).next();
        Self::new(
            &addresses(commands, Some(false)),
            &addresses(commands, Some(true)),
            &key.unwrap_or_default(),
            &addresses(Service::Web, None),
        )
    }

    /// The addresses of an announcement belong to all of its ports. So it has the ports that are open where the listener
    /// with TLS is, or without such a listener where the plain one is.
    fn new(plain: &[SocketAddr], tls: &[SocketAddr], key: &str, web: &[SocketAddr]) -> Option<Self> {
        let (plain, tls, web) = (open_to_others(plain), open_to_others(tls), open_to_others(web));
        let (first_port, reach) = tls.clone().or_else(|| plain.clone())?;
        let open_there =
            |port: Option<(u16, Reach)>| port.filter(|(_, other)| other.covers(&reach)).map(|(port, _)| port);
        Some(Self {
            port: open_there(plain).unwrap_or(first_port),
            tls: tls.map(|(port, _)| (port, key.to_owned())),
            web: open_there(web),
            reach,
        })
    }

    /// The attributes of the TXT record (RFC 6763 §6).
    pub(super) fn txt(&self) -> Vec<(&'static str, String)> {
        let mut txt = vec![("version", "2".to_owned())];
        if let Some((port, key)) = &self.tls {
            txt.extend([("tls", port.to_string()), ("key", key.clone())]);
        }
        txt.extend(self.web.map(|port| ("web", port.to_string())));
        txt
    }
}

impl Reach {
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) | (Self::Ipv4, Self::Ipv4) => true,
            (Self::Ipv4, Self::At(addresses)) => addresses.iter().all(IpAddr::is_ipv4),
            (Self::At(ours), Self::At(others)) => others.iter().all(|address| ours.contains(address)),
            (Self::Ipv4 | Self::At(_), _) => false,
        }
    }
}

/// The port of the first listener that others reach, and the addresses of all listeners with this port.
fn open_to_others(addresses: &[SocketAddr]) -> Option<(u16, Reach)> {
    let open = || addresses.iter().filter(|address| !address.ip().to_canonical().is_loopback());
    let port = open().next()?.port();
    let ips: Vec<_> = open().filter(|address| address.port() == port).map(SocketAddr::ip).collect();
    let is_any = |ip: &IpAddr| ip.is_unspecified();
    // A socket of all IPv6 addresses takes IPv4, too, or another socket of the same port does.
    let reach = if ips.iter().any(|ip| is_any(ip) && ip.is_ipv6()) {
        Reach::All
    } else if ips.iter().any(is_any) {
        Reach::Ipv4
    } else {
        Reach::At(ips)
    };
    Some((port, reach))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &str) -> Vec<SocketAddr> {
        texts.split_whitespace().map(|text| text.parse().expect(text)).collect()
    }

    fn at(texts: &str) -> Reach {
        Reach::At(texts.split_whitespace().map(|text| text.parse().expect(text)).collect())
    }

    #[test]
    fn only_ports_that_others_reach_are_offered() {
        // Each row: the listeners for plain TCP, TLS and browsers; the port, the addresses, and the TXT record.
        let cases = [
            ("0.0.0.0:1", "", "", Some((1, Reach::Ipv4, "version=2"))),
            ("[::]:1", "", "127.0.0.1:8088", Some((1, Reach::All, "version=2"))),
            ("0.0.0.0:1 [::]:1", "", "0.0.0.0:3", Some((1, Reach::All, "version=2"))),
            ("127.0.0.1:1", "[::]:2", "[::]:3", Some((2, Reach::All, "version=2 tls=2 key=HASH web=3"))),
            ("[::]:1", "0.0.0.0:2", "[::]:3", Some((1, Reach::Ipv4, "version=2 tls=2 key=HASH web=3"))),
            ("192.0.2.1:1", "192.0.2.1:2", "", Some((1, at("192.0.2.1"), "version=2 tls=2 key=HASH"))),
            ("192.0.2.1:1", "192.0.2.2:2", "", Some((2, at("192.0.2.2"), "version=2 tls=2 key=HASH"))),
            ("0.0.0.0:1", "", "192.0.2.1:3", Some((1, Reach::Ipv4, "version=2"))),
            ("192.0.2.1:1 [2001:db8::1]:1", "", "0.0.0.0:3", Some((1, at("192.0.2.1 2001:db8::1"), "version=2"))),
            ("127.0.0.1:1 192.0.2.1:4", "", "", Some((4, at("192.0.2.1"), "version=2"))),
            ("127.0.0.1:1 [::1]:1", "[::ffff:127.0.0.1]:2", "0.0.0.0:3", None),
            ("", "", "", None),
        ];
        for (plain, tls, web, expected) in cases {
            let offer = Offer::new(&addresses(plain), &addresses(tls), "HASH", &addresses(web));
            let found = offer.map(|offer| {
                let txt: Vec<_> = offer.txt().iter().map(|(key, value)| format!("{key}={value}")).collect();
                (offer.port, offer.reach, txt.join(" "))
            });
            let expected = expected.map(|(port, reach, txt)| (port, reach, txt.to_owned()));
            assert_eq!(found, expected, "{plain} | {tls} | {web}");
        }
    }
}

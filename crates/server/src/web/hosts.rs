//! The names under which browsers may reach the page.
//!
//! A page of another site can have a name that it later points to this machine (DNS rebinding). The browser then takes
//! our page for a part of that site. Its requests still carry that site's name, so the server refuses names that are not
//! its own.

use std::net::IpAddr;

use hyper::http::uri::Authority;

use crate::tls::{self, Tls};

/// The names of this server.
#[derive(Debug)]
pub(crate) struct Hosts {
    names: Vec<String>,
}

impl Hosts {
    /// The names of this machine, and those that the operator has given.
    pub(crate) fn new(given: &[String]) -> Self {
        let mut names = vec!["localhost".to_owned()];
        if let Some(name) = tls::host_name() {
            // The name in multicast DNS (RFC 6762 §3).
            names.push(format!("{name}.local"));
            names.push(name);
        }
        names.extend_from_slice(given);
        Self { names: names.iter().map(|name| name.to_ascii_lowercase()).collect() }
    }

    /// Whether `host` is a name of this server: an address, a name of this machine, one that the operator has given, or
    /// one in its certificate. DNS rebinding needs a name, so addresses are safe.
    pub(crate) fn accepts(&self, host: &Authority, tls: Option<&Tls>) -> bool {
        let name = name(host);
        name.parse::<IpAddr>().is_ok() || self.names.contains(&name) || tls.is_some_and(|tls| tls.vouches_for(&name))
    }
}

/// The name or address in `host`, in lower case, without port, brackets and a dot at its end.
pub(super) fn name(host: &Authority) -> String {
    let name = host.host().to_ascii_lowercase();
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    address.or(name.strip_suffix('.')).unwrap_or(&name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::{CertificateSource, TlsVersion};

    #[test]
    fn only_own_names_and_addresses_are_accepted() {
        let hosts = Hosts::new(&["Chat.Example".to_owned()]);
        let cases = [
            ("127.0.0.1:8088", true),
            ("192.0.2.7", true),
            ("[::1]:8088", true),
            ("[2001:db8::1]", true),
            ("localhost:8088", true),
            ("LOCALHOST", true),
            ("localhost.:8088", true),
            ("chat.example:443", true),
            ("evil.example", false),
            ("chat.example.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("localhost.evil.example:8088", false),
        ];
        for (host, expected) in cases {
            assert_eq!(hosts.accepts(&host.parse().expect(host), None), expected, "{host}");
        }
        if let Some(own) = tls::host_name() {
            for host in [format!("{own}:8088"), format!("{own}.local")] {
                assert!(hosts.accepts(&host.parse().expect("a host"), None), "{host}");
            }
        }
    }

    #[test]
    fn names_of_the_certificate_are_accepted() {
        let tls = Tls::new(CertificateSource::Temporary, TlsVersion::default()).expect("a certificate");
        assert!(tls.vouches_for("localhost"));
        assert!(!tls.vouches_for("evil.example"));
        assert!(!tls.vouches_for(""));
    }
}

//! An app: the sender or receiver of a message.

use std::{fmt, net::IpAddr, net::Ipv6Addr, str::FromStr, sync::Arc};

use serde::{Serialize, Serializer};

/// Maximum length of an app's name, in bytes: that of host names (RFC 1035 §2.3.4).
pub(crate) const APP_MAX_BYTES: usize = 255;

/// The sender or receiver of a message.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum App {
    /// A name. The builder assigns an address to it.
    Name(Arc<str>),
    /// A host address, used as is.
    Address(IpAddr),
}

impl App {
    /// The address of the app; `None` if the app is a name.
    #[inline]
    pub(crate) fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::Address(address) => Some(*address),
        }
    }
}

impl fmt::Display for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.pad(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

impl Serialize for App {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why a text does not name an app.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum AppError {
    /// Longer than 255 bytes.
    #[error("is too long: a name has at most {APP_MAX_BYTES} bytes")]
    TooLong,
    /// `10.0.0.1:80`, `[::1]:80`, `web:80`.
    #[error("holds a port: write it in src_port or dst_port, and the host alone here")]
    HasPort,
    /// Resembles an address, but is not valid: `10.0.0.256`.
    #[error("is not an address: write IPv4 as 192.0.2.1, IPv6 as 2001:db8::1, or a name")]
    NotAnAddress,
    /// `::ffff:192.0.2.1`.
    #[error("is an IPv4 address in IPv6 form, which no packet carries: write {0}")]
    Mapped(std::net::Ipv4Addr),
    /// `fe80::1%eth0`.
    #[error("holds a zone, which no packet carries: write only the part before the '%'")]
    HasZone,
    /// `0.0.0.0` or `::`.
    #[error("is the unspecified address: write the address of the host")]
    Unspecified,
}

impl FromStr for App {
    type Err = AppError;

    fn from_str(text: &str) -> Result<Self, AppError> {
        if text.len() > APP_MAX_BYTES {
            return Err(AppError::TooLong);
        }
        match text.parse() {
            Ok(IpAddr::V6(address)) if address.to_ipv4_mapped().is_some() => {
                Err(address.to_ipv4_mapped().map_or(AppError::NotAnAddress, AppError::Mapped))
            }
            Ok(address) if address.is_unspecified() => Err(AppError::Unspecified),
            Ok(address) => Ok(Self::Address(address)),
            Err(_) if text.split_once('%').is_some_and(|(address, _)| address.parse::<Ipv6Addr>().is_ok()) => {
                Err(AppError::HasZone)
            }
            Err(_) if has_port(text) => Err(AppError::HasPort),
            Err(_) if looks_like_address(text) => Err(AppError::NotAnAddress),
            Err(_) => Ok(Self::Name(text.into())),
        }
    }
}

/// Whether `text` ends with a port, after a host in brackets or a host without colons.
fn has_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        let is_bracketed = host.starts_with('[') && host.ends_with(']');
        !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) && (is_bracketed || !host.contains(':'))
    })
}

/// Whether `text` contains only characters of an IPv4 address, or only characters of an IPv6 address.
fn looks_like_address(text: &str) -> bool {
    let is_like_v4 = text.contains('.') && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let has_v6_characters = text.bytes().all(|byte| byte.is_ascii_hexdigit() || b":.[]".contains(&byte));
    is_like_v4 || (has_v6_characters && text.matches(':').count() >= 2)
}

/// Whether a host may send from `address`. Multicast and broadcast addresses are destinations only (RFC 1122 §3.2.1.3,
/// RFC 4291 §2.7).
pub(super) fn may_send(address: IpAddr) -> bool {
    let is_broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    !address.is_multicast() && !is_broadcast
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apps_are_names_or_addresses() {
        let name = |name: &str| Ok(App::Name(name.into()));
        let address = |text: &str| Ok(App::Address(text.parse().unwrap()));
        let cases = [
            ("Noy", name("Noy")),
            ("client_browser", name("client_browser")),
            ("שרת: ראשי", name("שרת: ראשי")),
            ("web.example.org", name("web.example.org")),
            ("a:b", name("a:b")),
            ("10.0.0.1", address("10.0.0.1")),
            ("2001:DB8::1", address("2001:db8::1")),
            ("::1", address("::1")),
            ("10.0.0.1:80", Err(AppError::HasPort)),
            ("[::1]:80", Err(AppError::HasPort)),
            ("web:80", Err(AppError::HasPort)),
            ("10.0.0.256", Err(AppError::NotAnAddress)),
            ("10.0.0", Err(AppError::NotAnAddress)),
            ("2001:db8::1::2", Err(AppError::NotAnAddress)),
            ("[::1]", Err(AppError::NotAnAddress)),
            ("::ffff:10.0.0.1", Err(AppError::Mapped([10, 0, 0, 1].into()))),
            ("fe80::1%eth0", Err(AppError::HasZone)),
            ("0.0.0.0", Err(AppError::Unspecified)),
            ("::", Err(AppError::Unspecified)),
        ];
        for (given, expected) in cases {
            assert_eq!(given.parse::<App>(), expected, "given {given:?}");
        }
        assert_eq!("é".repeat(128).parse::<App>(), Err(AppError::TooLong));
    }
}

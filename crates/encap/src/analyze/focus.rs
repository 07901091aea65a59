//! The focus: a condition that selects the conversations to analyse.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::endpoint::Transport;

/// A condition on a conversation. Each field that is set must match.
///
/// ```
/// use switchboard_encap::analyze::Focus;
///
/// let focus: Focus = "127.0.0.1:8080".parse()?;
/// assert_eq!(focus.port, Some(8080));
/// assert!("8080".parse::<Focus>().is_ok() && "tcp".parse::<Focus>().is_ok() && "::1".parse::<Focus>().is_ok());
/// # Ok::<(), switchboard_encap::analyze::FocusError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Focus {
    /// Transport protocol.
    pub transport: Option<Transport>,
    /// Address of either side. If `port` is set too, one side must match both.
    pub address: Option<IpAddr>,
    /// Port of either side.
    pub port: Option<u16>,
}

/// The text is not a focus.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("write tcp, udp, a port (8080), an address (127.0.0.1, ::1) or both (127.0.0.1:8080, [::1]:8080)")]
pub struct FocusError;

impl Focus {
    /// Whether the conversation of the endpoints `a` and `b` matches.
    pub(super) fn matches(&self, transport: Transport, a: SocketAddr, b: SocketAddr) -> bool {
        let side_matches = |side: SocketAddr| {
            self.address.is_none_or(|address| address == side.ip()) && self.port.is_none_or(|port| port == side.port())
        };
        self.transport.is_none_or(|wanted| wanted == transport) && (side_matches(a) || side_matches(b))
    }
}

impl FromStr for Focus {
    type Err = FocusError;

    fn from_str(text: &str) -> Result<Self, FocusError> {
        let empty = Self::default();
        if text.eq_ignore_ascii_case("tcp") {
            Ok(Self { transport: Some(Transport::Tcp), ..empty })
        } else if text.eq_ignore_ascii_case("udp") {
            Ok(Self { transport: Some(Transport::Udp), ..empty })
        } else if let Ok(port) = text.parse::<u16>() {
            Ok(Self { port: Some(port), ..empty })
        } else if let Ok(address) = text.parse::<IpAddr>() {
            Ok(Self { address: Some(address), ..empty })
        } else {
            let endpoint: SocketAddr = text.parse().map_err(|_| FocusError)?;
            Ok(Self { address: Some(endpoint.ip()), port: Some(endpoint.port()), ..empty })
        }
    }
}

impl fmt::Display for Focus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.address, self.port) {
            (Some(address), Some(port)) => write!(f, "{}", SocketAddr::new(address, port))?,
            (Some(address), None) => write!(f, "{address}")?,
            (None, Some(port)) => write!(f, "port {port}")?,
            (None, None) => {}
        }
        match self.transport {
            Some(transport) => write!(f, "{transport}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parsed_focus_matches_its_endpoints() {
        let (a, b) = ("10.0.0.1:4000".parse().expect("an address"), "10.0.0.2:80".parse().expect("an address"));
        // Whether each focus matches the TCP conversation of `a` and `b`.
        let table = [
            ("tcp", true),
            ("UDP", false),
            ("80", true),
            ("81", false),
            ("10.0.0.2", true),
            ("10.0.0.3", false),
            ("10.0.0.2:80", true),
            ("10.0.0.1:80", false),
            ("[::1]:80", false),
        ];
        for (text, expected) in table {
            let focus: Focus = text.parse().expect(text);
            assert_eq!(focus.matches(Transport::Tcp, a, b), expected, "given {text}");
        }
        for text in ["", "chat", "65536", "1.2.3.4:", ":80"] {
            assert_eq!(text.parse::<Focus>(), Err(FocusError), "given {text}");
        }
    }
}

//! Application protocols and their ports.

use std::{fmt, sync::Arc};

use serde::{Serialize, Serializer};
use switchboard_protocol::Dialect;

use super::start_line::{StartLine, first_line};

/// Default port of the chat's command dialect.
const CHAT_PORT: u16 = Dialect::Commands.port();

/// A transport protocol.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP (RFC 9293).
    Tcp,
    /// UDP (RFC 768).
    Udp,
}

macro_rules! well_known {
    ($($variant:ident $name:literal $port:tt $transport:ident $doc:literal,)*) => {
        /// The application protocol of a message: a well-known one, or any other by name.
        #[derive(Clone, Debug, Eq, Hash, PartialEq)]
        pub enum AppProtocol {
            $(#[doc = $doc] $variant,)*
            /// Another protocol, by name.
            Other(Arc<str>),
        }

        impl AppProtocol {
            const WELL_KNOWN: &[Self] = &[$(Self::$variant,)*];

            /// The name, in the usual spelling.
            #[must_use]
            pub fn name(&self) -> &str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Other(name) => name,
                }
            }

            /// The default port of its servers.
            #[must_use]
            pub fn port(&self) -> Option<u16> {
                match self {
                    $(Self::$variant => Some($port),)*
                    Self::Other(_) => None,
                }
            }

            /// The default transport.
            pub(crate) fn transport(&self) -> Transport {
                match self {
                    $(Self::$variant => Transport::$transport,)*
                    Self::Other(_) => Transport::Tcp,
                }
            }
        }
    };
}

well_known! {
    Http "HTTP" 80 Tcp "RFC 9112.",
    Chat "CHAT" CHAT_PORT Tcp "The chat of this project, in either dialect.",
    Dns "DNS" 53 Udp "RFC 1035.",
    Https "HTTPS" 443 Tcp "RFC 9110 §4.2.2.",
    Smtp "SMTP" 25 Tcp "RFC 5321.",
    Ftp "FTP" 21 Tcp "RFC 959.",
    Mqtt "MQTT" 1883 Tcp "OASIS MQTT 5.0.",
    Pop3 "POP3" 110 Tcp "RFC 1939.",
    Imap "IMAP" 143 Tcp "RFC 9051.",
    Ssh "SSH" 22 Tcp "RFC 4253.",
    Telnet "TELNET" 23 Tcp "RFC 854.",
    Irc "IRC" 6667 Tcp "RFC 2812.",
    Xmpp "XMPP" 5222 Tcp "RFC 6120.",
    Ldap "LDAP" 389 Tcp "RFC 4511.",
    Rtsp "RTSP" 554 Tcp "RFC 7826.",
    Sip "SIP" 5060 Udp "RFC 3261.",
    Dhcp "DHCP" 67 Udp "RFC 2131.",
    Tftp "TFTP" 69 Udp "RFC 1350.",
    Ntp "NTP" 123 Udp "RFC 5905.",
    Snmp "SNMP" 161 Udp "RFC 3411.",
    Syslog "SYSLOG" 514 Udp "RFC 5426.",
    Mdns "MDNS" 5353 Udp "RFC 6762.",
    Coap "COAP" 5683 Udp "RFC 7252.",
}

impl AppProtocol {
    /// Whether its servers forward messages between clients. A client opens the connection to such a server, but the
    /// server may send the first message.
    pub(crate) const fn forwards_messages(&self) -> bool {
        matches!(self, Self::Chat | Self::Irc | Self::Mqtt)
    }

    /// Whether `message`, sent between these ports, is a response to an earlier request.
    ///
    /// Detects responses by a status line or the server's port, and only in protocols in which the client speaks first.
    /// Mail and file servers greet first, and in a chat either side may begin.
    #[inline]
    pub(crate) fn is_response(&self, message: &[u8], source: Option<u16>, destination: Option<u16>) -> bool {
        match self {
            Self::Http | Self::Rtsp | Self::Sip | Self::Https | Self::Dns | Self::Ldap | Self::Coap => {
                self.is_server_message(message, source, destination)
            }
            _ => false,
        }
    }

    /// [`is_response`](Self::is_response) for protocols whose clients speak first.
    #[inline(never)]
    fn is_server_message(&self, message: &[u8], source: Option<u16>, destination: Option<u16>) -> bool {
        let is_from_server_port =
            || source.is_some() && source == self.port() && destination.is_some_and(|to| source != Some(to));
        match self {
            Self::Http => has_status_line(message, b"HTTP/") || is_from_server_port(),
            Self::Rtsp => has_status_line(message, b"RTSP/") || is_from_server_port(),
            Self::Sip => has_status_line(message, b"SIP/"),
            _ => is_from_server_port(),
        }
    }
}

/// Whether the first line of `message` is a status line of the protocol whose version begins with `version`.
fn has_status_line(message: &[u8], version: &[u8]) -> bool {
    matches!(StartLine::parse(first_line(message), version), Some(StartLine::Status { .. }))
}

impl From<&str> for AppProtocol {
    fn from(name: &str) -> Self {
        let known = Self::WELL_KNOWN.iter().find(|known| known.name().eq_ignore_ascii_case(name));
        known.cloned().unwrap_or_else(|| Self::Other(name.into()))
    }
}

impl fmt::Display for AppProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for AppProtocol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_names_ignore_case_and_other_names_keep_their_spelling() {
        assert_eq!(AppProtocol::from("http"), AppProtocol::Http);
        assert_eq!(AppProtocol::from("Chat"), AppProtocol::Chat);
        assert_eq!(AppProtocol::from("Gopher"), AppProtocol::Other("Gopher".into()));
        for known in AppProtocol::WELL_KNOWN {
            assert_eq!(AppProtocol::from(known.name()), *known);
        }
        assert_eq!((AppProtocol::Dns.port(), AppProtocol::Dns.transport()), (Some(53), Transport::Udp));
        assert_eq!(AppProtocol::from("Gopher").port(), None);
    }

    #[test]
    fn response_is_detected_by_status_or_port() {
        let cases = [
            ("HTTP", "HTTP/1.1 200 OK", None, None, true),
            ("HTTP", "200 OK", None, None, true),
            ("HTTP", "404", None, None, true),
            ("HTTP", "2000 years", None, None, false),
            ("HTTP", "GET /200", None, None, false),
            ("HTTP", "anything", Some(80), Some(50_000), true),
            ("HTTP", "anything", Some(50_000), Some(80), false),
            ("HTTP", "anything", Some(80), Some(80), false),
            ("DNS", "x", Some(53), Some(50_000), true),
            ("DNS", "x", Some(53), Some(53), false),
            ("SMTP", "220 ready", Some(25), Some(50_000), false),
            ("CHAT", "200 OK", Some(12345), Some(50_000), false),
            ("Gopher", "200 OK", None, None, false),
        ];
        for (protocol, message, source, destination, expected) in cases {
            let found = AppProtocol::from(protocol).is_response(message.as_bytes(), source, destination);
            assert_eq!(found, expected, "given {protocol} {message:?} {source:?} {destination:?}");
        }
    }
}

//! The lines that the console shows for a listener: how others join there.

use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::join_code;
use crate::own_address::own_address;

/// The room of the links. The page begins with it, too.
const ROOM: &str = "#lab";

/// How others join at a listener.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Invitation<'a> {
    Commands,
    CommandsOverTls {
        /// The hash of the server's key.
        key: &'a str,
    },
    Line,
    Web {
        /// `http` or `https`.
        scheme: &'a str,
        /// Whether the link is drawn as a QR code, too.
        draws_code: bool,
    },
}

impl Invitation<'_> {
    /// Writes the lines for the listener at `address`.
    pub(crate) fn write(self, address: SocketAddr, writer: &mut impl Write) -> fmt::Result {
        let port = address.port();
        let ip = reachable(address.ip());
        let (host, client) = match ip {
            // A client has to name its own interface (RFC 4007 §11).
            IpAddr::V6(link_local) if link_local.is_unicast_link_local() => {
                let host = format!("{ip}%INTERFACE");
                let client = format!("[{host}]:{port}");
                (host, client)
            }
            _ => (ip.to_string(), SocketAddr::new(ip, port).to_string()),
        };
        match self {
            Self::Commands => {
                writeln!(writer, "    Join with:  switchboard --name YOU {client}   or   nc {host} {port}")
            }
            Self::CommandsOverTls { key } => {
                writeln!(writer, "    Join with:  switchboard --name YOU 'switchboard://{client}/{ROOM}?key={key}'")
            }
            Self::Line => {
                writeln!(writer, "    Join with:  switchboard --dialect line {client}   or   nc {host} {port}")
            }
            Self::Web { scheme, draws_code } => {
                let link = format!("{scheme}://{client}/{ROOM}");
                writeln!(writer, "    Open in a browser:  {link}")?;
                if address.ip().is_loopback() {
                    return writeln!(
                        writer,
                        "    For others on your network, start it with:  --listen-web 0.0.0.0:{port}"
                    );
                }
                // A phone reaches neither this machine by its loopback address, nor a link with a placeholder.
                let is_for_others = !ip.is_loopback() && !host.contains('%');
                match join_code::half_blocks(&link).filter(|_| draws_code && is_for_others) {
                    Some(code) => writer.write_str(&code),
                    None => Ok(()),
                }
            }
        }
    }
}

/// The address by which other machines reach a listener at `ip`, as far as the server knows it.
fn reachable(ip: IpAddr) -> IpAddr {
    if ip.is_unspecified() { own_address().unwrap_or(Ipv4Addr::LOCALHOST).into() } else { ip }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(invitation: Invitation<'_>, address: &str) -> Vec<String> {
        let mut text = String::new();
        invitation.write(address.parse().expect(address), &mut text).expect("a string takes any text");
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_hint_how_to_connect_fits_the_address() {
        let cases = [
            ("192.0.2.1:12345", "192.0.2.1:12345   or   nc 192.0.2.1 12345"),
            ("[2001:db8::1]:12345", "[2001:db8::1]:12345   or   nc 2001:db8::1 12345"),
            // The number of the server's interface means nothing on the machine of a client.
            ("[fe80::1%2]:12345", "[fe80::1%INTERFACE]:12345   or   nc fe80::1%INTERFACE 12345"),
        ];
        for (address, expected) in cases {
            assert_eq!(
                lines(Invitation::Commands, address),
                [format!("    Join with:  switchboard --name YOU {expected}")]
            );
        }
    }

    #[test]
    fn links_name_the_room() {
        assert_eq!(
            lines(Invitation::CommandsOverTls { key: "KEY" }, "192.0.2.1:12346"),
            ["    Join with:  switchboard --name YOU 'switchboard://192.0.2.1:12346/#lab?key=KEY'"]
        );
        let web = |scheme, draws_code| Invitation::Web { scheme, draws_code };
        let link = "    Open in a browser:  https://192.0.2.1:8088/#lab";
        assert_eq!(lines(web("https", false), "192.0.2.1:8088"), [link]);
        let with_code = lines(web("https", true), "192.0.2.1:8088");
        assert!(with_code.len() > 15 && with_code[0] == link, "{with_code:?}");
    }

    #[test]
    fn a_link_for_this_machine_or_with_a_placeholder_has_no_code() {
        let web = Invitation::Web { scheme: "http", draws_code: true };
        assert_eq!(
            lines(web, "127.0.0.1:8088"),
            [
                "    Open in a browser:  http://127.0.0.1:8088/#lab",
                "    For others on your network, start it with:  --listen-web 0.0.0.0:8088",
            ]
        );
        assert_eq!(lines(web, "[fe80::1%2]:8088"), ["    Open in a browser:  http://[fe80::1%INTERFACE]:8088/#lab"]);
    }
}

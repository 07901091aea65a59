//! The header that a proxy sends before all else, with the address of its client: the PROXY protocol, versions 1 and 2
//! (haproxy.org, `proxy-protocol.txt`).
//!
//! Only version 2 tells whether the client has reached the proxy over TLS. So with version 1, a proxy must pass TLS
//! through.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::client::Client;

/// The beginning of version 1.
const V1: &[u8] = b"PROXY ";

/// The longest header of version 1, in bytes (§2.1).
const V1_MAX_BYTES: usize = 107;

/// The beginning of version 2.
const V2: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The length of the fixed part of version 2, in bytes: the signature, the version and command, the family, the length.
const V2_FIXED_BYTES: usize = 16;

/// The longest variable part of version 2 that we read, in bytes: the addresses, and fields about the TLS of the proxy.
const V2_MAX_BYTES: usize = 1024;

/// The field about the TLS of the client (§2.2.6).
const PP2_TYPE_SSL: u8 = 0x20;

/// The bit in this field that says that the client has used TLS.
const PP2_CLIENT_SSL: u8 = 0x01;

/// Time between two looks for the rest of a signature. Proxies send the header in one segment (§2), so it rarely
/// passes.
const RETRY_DELAY: Duration = Duration::from_millis(10);

/// Reads the header if the connection begins with one. Returns the client, if it names one.
pub(super) async fn receive(stream: &mut TcpStream) -> io::Result<Option<Client>> {
    if begins_with(stream, V1).await? {
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            if line.len() == V1_MAX_BYTES {
                return Err(malformed());
            }
            line.push(stream.read_u8().await?);
        }
        return parse_v1(&line);
    }
    if begins_with(stream, V2).await? {
        let mut fixed = [0; V2_FIXED_BYTES];
        stream.read_exact(&mut fixed).await?;
        let len = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
        if len > V2_MAX_BYTES {
            return Err(malformed());
        }
        let mut variable = vec![0; len];
        stream.read_exact(&mut variable).await?;
        return parse_v2(fixed[12], fixed[13], &variable);
    }
    Ok(None)
}

/// Whether the connection begins with `signature`, which stays in the socket.
async fn begins_with(stream: &TcpStream, signature: &[u8]) -> io::Result<bool> {
    let mut first = [0; V2.len()];
    let first = &mut first[..signature.len()];
    loop {
        let len = stream.peek(first).await?;
        if len == signature.len() || len == 0 || !signature.starts_with(&first[..len]) {
            return Ok(first == signature);
        }
        sleep(RETRY_DELAY).await;
    }
}

/// Parses `PROXY TCP4 192.0.2.1 192.0.2.2 50000 443`, with CR and LF (§2.1).
fn parse_v1(line: &[u8]) -> io::Result<Option<Client>> {
    let line = str::from_utf8(line).ok().and_then(|line| line.strip_suffix("\r\n")).ok_or_else(malformed)?;
    let fields: Vec<_> = line.split(' ').collect();
    match fields[..] {
        ["PROXY", "UNKNOWN", ..] => Ok(None),
        ["PROXY", family @ ("TCP4" | "TCP6"), source, _, port, _] => {
            let address: IpAddr = source.parse().map_err(|_| malformed())?;
            let port = port.parse().map_err(|_| malformed())?;
            if address.is_ipv4() != (family == "TCP4") {
                return Err(malformed());
            }
            Ok(Some(Client { address: SocketAddr::new(address, port), is_https: false }))
        }
        _ => Err(malformed()),
    }
}

/// Parses version 2 after its signature (§2.2). `variable`: the part whose length the header tells.
fn parse_v2(version_and_command: u8, family: u8, variable: &[u8]) -> io::Result<Option<Client>> {
    match version_and_command {
        // LOCAL: the proxy speaks for itself, for example to check our health.
        0x20 => return Ok(None),
        0x21 => {}
        _ => return Err(malformed()),
    }
    // Source address, destination address, source port, destination port.
    let (address, port, fields): (IpAddr, _, _) = match (family, variable) {
        (0x11, [a, b, c, d, _, _, _, _, high, low, _, _, fields @ ..]) => {
            (Ipv4Addr::new(*a, *b, *c, *d).into(), [*high, *low], fields)
        }
        (0x21, _) => {
            let (address, rest) = variable.split_first_chunk::<16>().ok_or_else(malformed)?;
            let (port, fields) = rest.get(16..).and_then(|rest| rest.split_first_chunk::<4>()).ok_or_else(malformed)?;
            (Ipv6Addr::from(*address).into(), [port[0], port[1]], fields)
        }
        // Another family has no address that we count.
        (0x11, _) => return Err(malformed()),
        _ => return Ok(None),
    };
    let address = SocketAddr::new(address, u16::from_be_bytes(port));
    Ok(Some(Client { address, is_https: has_tls(fields)? }))
}

/// Whether the fields after the addresses say that the client has used TLS (§2.2.6). Each field has a type, a length of
/// two bytes, and a value.
fn has_tls(mut fields: &[u8]) -> io::Result<bool> {
    while let [kind, high, low, rest @ ..] = fields {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, next) = rest.split_at_checked(len).ok_or_else(malformed)?;
        if *kind == PP2_TYPE_SSL {
            return value.first().map(|client| client & PP2_CLIENT_SSL != 0).ok_or_else(malformed);
        }
        fields = next;
    }
    if fields.is_empty() { Ok(false) } else { Err(malformed()) }
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the header of the PROXY protocol is malformed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(address: &str, is_https: bool) -> Client {
        Client { address: address.parse().expect("an address"), is_https }
    }

    #[test]
    fn version_1_names_the_client() {
        let cases = [
            ("PROXY TCP4 192.0.2.1 192.0.2.2 50000 443\r\n", Some("192.0.2.1:50000")),
            ("PROXY TCP6 2001:db8::1 2001:db8::2 50000 443\r\n", Some("[2001:db8::1]:50000")),
            ("PROXY UNKNOWN\r\n", None),
            ("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None),
        ];
        for (line, expected) in cases {
            let expected = expected.map(|address| client(address, false));
            assert_eq!(parse_v1(line.as_bytes()).expect(line), expected);
        }
        for line in [
            "PROXY TCP4 192.0.2.1 192.0.2.2 50000 443\n",
            "PROXY TCP4 2001:db8::1 2001:db8::2 50000 443\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 70000 443\r\n",
            "PROXY TCP4 192.0.2.1\r\n",
            "PROXY \r\n",
        ] {
            parse_v1(line.as_bytes()).expect_err(line);
        }
    }

    #[test]
    fn version_2_names_the_client() {
        let v4 = [192, 0, 2, 1, 192, 0, 2, 2, 0xC3, 0x50, 1, 0xBB];
        let expected = Some(client("192.0.2.1:50000", false));
        assert_eq!(parse_v2(0x21, 0x11, &v4).expect("a header"), expected);
        let extended = [&v4[..], &[0x03, 0, 0]].concat();
        assert_eq!(parse_v2(0x21, 0x11, &extended).expect("a header with more fields"), expected);
        let v6 = [&Ipv6Addr::LOCALHOST.octets()[..], &Ipv6Addr::LOCALHOST.octets(), &[0xC3, 0x50, 1, 0xBB]].concat();
        assert_eq!(parse_v2(0x21, 0x21, &v6).expect("a header"), Some(client("[::1]:50000", false)));
        assert_eq!(parse_v2(0x20, 0x00, &[]).expect("a check of our health"), None);
        assert_eq!(parse_v2(0x21, 0x31, &[0; 216]).expect("a unix socket"), None);
        for (command, family, addresses) in [(0x21, 0x11, &v4[..11]), (0x21, 0x21, &v6[..35]), (0x11, 0x11, &v4)] {
            parse_v2(command, family, addresses).expect_err("a malformed header");
        }
    }

    #[test]
    fn version_2_tells_whether_the_client_uses_tls() {
        let addresses = [192, 0, 2, 1, 192, 0, 2, 2, 0xC3, 0x50, 1, 0xBB];
        let cases: [(&[u8], Option<bool>); 8] = [
            (&[], Some(false)),
            // A field of another type, and the one about TLS with the bit for it and without.
            (&[0x03, 0, 1, 1], Some(false)),
            (&[0x20, 0, 5, 1, 0, 0, 0, 0], Some(true)),
            (&[0x20, 0, 5, 0, 0, 0, 0, 0], Some(false)),
            (&[0x03, 0, 1, 0x20, 0x20, 0, 5, 7, 0, 0, 0, 0], Some(true)),
            (&[0x20, 0, 0], None),
            (&[0x20, 0, 5, 1], None),
            (&[0x03, 0], None),
        ];
        for (fields, expected) in cases {
            let found = parse_v2(0x21, 0x11, &[&addresses, fields].concat());
            assert_eq!(found.ok().flatten().map(|client| client.is_https), expected, "{fields:02x?}");
        }
    }
}

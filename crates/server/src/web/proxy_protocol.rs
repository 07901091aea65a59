//! The header that a proxy sends before all else, with the address of its client: the PROXY protocol, versions 1 and 2
//! (haproxy.org, `proxy-protocol.txt`).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::sleep;

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

/// Time between two looks for the rest of a signature. Proxies send the header in one segment (§2), so it rarely
/// passes.
const RETRY_DELAY: Duration = Duration::from_millis(10);

/// Reads the header if the connection begins with one. Returns the address of the client, if it names one.
pub(super) async fn receive(stream: &mut TcpStream) -> io::Result<Option<SocketAddr>> {
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
        let mut addresses = vec![0; len];
        stream.read_exact(&mut addresses).await?;
        return parse_v2(fixed[12], fixed[13], &addresses);
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
fn parse_v1(line: &[u8]) -> io::Result<Option<SocketAddr>> {
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
            Ok(Some(SocketAddr::new(address, port)))
        }
        _ => Err(malformed()),
    }
}

/// Parses version 2 after its signature (§2.2).
fn parse_v2(version_and_command: u8, family: u8, addresses: &[u8]) -> io::Result<Option<SocketAddr>> {
    match version_and_command {
        // LOCAL: the proxy speaks for itself, for example to check our health.
        0x20 => return Ok(None),
        0x21 => {}
        _ => return Err(malformed()),
    }
    // Source address, destination address, source port, destination port.
    let (address, port): (IpAddr, _) = match (family, addresses) {
        (0x11, [a, b, c, d, _, _, _, _, high, low, _, _, ..]) => (Ipv4Addr::new(*a, *b, *c, *d).into(), [*high, *low]),
        (0x21, _) => {
            let (address, rest) = addresses.split_first_chunk::<16>().ok_or_else(malformed)?;
            let port = rest.get(16..20).ok_or_else(malformed)?;
            (Ipv6Addr::from(*address).into(), [port[0], port[1]])
        }
        // Another family has no address that we count.
        (0x11, _) => return Err(malformed()),
        _ => return Ok(None),
    };
    Ok(Some(SocketAddr::new(address, u16::from_be_bytes(port))))
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the header of the PROXY protocol is malformed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_1_names_the_client() {
        let cases = [
            ("PROXY TCP4 192.0.2.1 192.0.2.2 50000 443\r\n", Some("192.0.2.1:50000")),
            ("PROXY TCP6 2001:db8::1 2001:db8::2 50000 443\r\n", Some("[2001:db8::1]:50000")),
            ("PROXY UNKNOWN\r\n", None),
            ("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None),
        ];
        for (line, expected) in cases {
            let expected = expected.map(|address| address.parse().expect("an address"));
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
        let expected = Some("192.0.2.1:50000".parse().expect("an address"));
        assert_eq!(parse_v2(0x21, 0x11, &v4).expect("a header"), expected);
        let extended = [&v4[..], &[0x20, 0, 0]].concat();
        assert_eq!(parse_v2(0x21, 0x11, &extended).expect("a header with more fields"), expected);
        let v6 = [&Ipv6Addr::LOCALHOST.octets()[..], &Ipv6Addr::LOCALHOST.octets(), &[0xC3, 0x50, 1, 0xBB]].concat();
        assert_eq!(parse_v2(0x21, 0x21, &v6).expect("a header"), Some("[::1]:50000".parse().expect("an address")));
        assert_eq!(parse_v2(0x20, 0x00, &[]).expect("a check of our health"), None);
        assert_eq!(parse_v2(0x21, 0x31, &[0; 216]).expect("a unix socket"), None);
        for (command, family, addresses) in [(0x21, 0x11, &v4[..11]), (0x21, 0x21, &v6[..35]), (0x11, 0x11, &v4)] {
            parse_v2(command, family, addresses).expect_err("a malformed header");
        }
    }
}

//! Wireshark's verdict on a capture, and the payload of each frame.

use std::fmt::Write as _;
use std::process::Command;

/// One frame, as tshark dissects it.
#[derive(Debug)]
pub struct TsharkFrame {
    /// Warnings and errors; empty for a good frame.
    pub complaints: String,
    /// Number of its TCP or UDP stream, if it has one.
    pub stream: Option<String>,
    /// Source address.
    pub source: String,
    /// Payload of TCP or UDP.
    pub payload: Vec<u8>,
}

/// Reads a capture with tshark, and verifies every checksum.
///
/// # Panics
///
/// If tshark is missing, or cannot read the capture.
#[must_use]
pub fn read(capture: &[u8]) -> Vec<TsharkFrame> {
    const FIELDS: [&str; 14] = [
        "_ws.expert.severity",
        "_ws.expert.message",
        "tcp.analysis.flags",
        "_ws.malformed",
        "ip.checksum.status",
        "tcp.checksum.status",
        "udp.checksum.status",
        "tcp.stream",
        "udp.stream",
        "ip.src",
        "ipv6.src",
        "tcp.payload",
        "udp.payload",
        "frame.number",
    ];
    /// `PI_WARN`: the severity of a warning among Wireshark's expert items. Errors have higher numbers.
    const WARN: u64 = 6_291_456;

    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), capture).expect("a temporary file can be written");
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file.path()).args(["-T", "fields", "-E", "separator=|", "-E", "occurrence=a"]);
    for check in ["ip", "tcp", "udp"] {
        command.args(["-o", &format!("{check}.check_checksum:TRUE")]);
    }
    for field in FIELDS {
        command.args(["-e", field]);
    }
    let output = command.output().expect("tshark is installed: apt-get install tshark");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let frames = text.lines().map(|line| {
        // An expert message that contains the separator `|` fails the assertion below.
        let fields: Vec<&str> = line.split('|').collect();
        assert_eq!(fields.len(), FIELDS.len(), "{line}");
        let value_of = |name: &str| fields[FIELDS.iter().position(|field| *field == name).expect("a requested field")];
        let is_severe = value_of("_ws.expert.severity").split(',').any(|severity| {
            let severity = severity.strip_prefix("0x").map_or(severity.parse(), |hex| u64::from_str_radix(hex, 16));
            severity.is_ok_and(|severity| severity >= WARN)
        });
        let mut complaints = String::new();
        if is_severe {
            complaints += value_of("_ws.expert.message");
        }
        if !value_of("tcp.analysis.flags").is_empty() {
            complaints += " analysis flags";
        }
        if !value_of("_ws.malformed").is_empty() {
            complaints += " malformed";
        }
        for checksum in ["ip.checksum.status", "tcp.checksum.status", "udp.checksum.status"] {
            // A status of 1 is good, 0 is bad, and 2 is not verified.
            if !matches!(value_of(checksum), "" | "1") {
                let _ = write!(complaints, " {checksum} {}", value_of(checksum));
            }
        }
        if !complaints.is_empty() {
            let _ = write!(
                complaints,
                " (frame {}: {} {})",
                value_of("frame.number"),
                value_of("tcp.payload"),
                value_of("udp.payload")
            );
        }
        let first_present = |a: &str, b: &str| {
            let field = if value_of(a).is_empty() { b } else { a };
            value_of(field).to_owned()
        };
        let stream = Some(first_present("tcp.stream", "udp.stream")).filter(|stream| !stream.is_empty());
        let payload = unhex(&first_present("tcp.payload", "udp.payload"));
        TsharkFrame { complaints, stream, source: first_present("ip.src", "ipv6.src"), payload }
    });
    frames.collect()
}

fn unhex(hex: &str) -> Vec<u8> {
    let hex: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let digits = std::str::from_utf8(&hex).expect("hexadecimal digits");
    (0..hex.len() / 2).map(|i| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).expect("hexadecimal digits")).collect()
}

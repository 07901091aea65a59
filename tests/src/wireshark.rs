//! Wireshark's word on a capture: what it complains of, and what each frame carries.

use std::fmt::Write as _;
use std::process::Command;

/// What tshark says of a frame.
#[derive(Debug)]
pub struct TsharkFrame {
    /// What is wrong: nothing.
    pub complaints: String,
    /// Which conversation it is of, if any.
    pub stream: Option<String>,
    /// Who sent it.
    pub source: String,
    /// What it carries.
    pub payload: Vec<u8>,
}

/// Reads a capture with tshark, every checksum verified.
///
/// # Panics
///
/// Where tshark is missing, or cannot read it.
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
    /// `PI_WARN`, among the severities of Wireshark.
    const WARN: u64 = 6_291_456;

    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), capture).expect("it can be written");
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
    let seen = text.lines().map(|line| {
        // A message of an expert may hold the separator: the fields before it are split from the front.
        let fields: Vec<&str> = line.split('|').collect();
        assert_eq!(fields.len(), FIELDS.len(), "{line}");
        let of = |name: &str| fields[FIELDS.iter().position(|field| *field == name).expect("it is asked for")];
        let severe = of("_ws.expert.severity").split(',').any(|severity| {
            let severity = severity.strip_prefix("0x").map_or(severity.parse(), |hex| u64::from_str_radix(hex, 16));
            severity.is_ok_and(|severity| severity >= WARN)
        });
        let mut complaints = String::new();
        if severe {
            complaints += of("_ws.expert.message");
        }
        if !of("tcp.analysis.flags").is_empty() {
            complaints += " analysis flags";
        }
        if !of("_ws.malformed").is_empty() {
            complaints += " malformed";
        }
        for checksum in ["ip.checksum.status", "tcp.checksum.status", "udp.checksum.status"] {
            // 1 is good, 0 bad, 2 not verified.
            if !matches!(of(checksum), "" | "1") {
                let _ = write!(complaints, " {checksum} {}", of(checksum));
            }
        }
        if !complaints.is_empty() {
            let _ = write!(complaints, " (frame {}: {} {})", of("frame.number"), of("tcp.payload"), of("udp.payload"));
        }
        let either = |a: &str, b: &str| if of(a).is_empty() { of(b) } else { of(a) }.to_owned();
        let stream = Some(either("tcp.stream", "udp.stream")).filter(|stream| !stream.is_empty());
        let payload = unhex(&either("tcp.payload", "udp.payload"));
        TsharkFrame { complaints, stream, source: either("ip.src", "ipv6.src"), payload }
    });
    seen.collect()
}

fn unhex(hex: &str) -> Vec<u8> {
    let hex: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let digits = std::str::from_utf8(&hex).expect("digits");
    (0..hex.len() / 2).map(|i| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).expect("digits")).collect()
}

//! Reference programs for measuring the speed of `encap`.
//!
//! ```sh
//! cargo run --release --example speed -- sum capture.pcap               # read a capture, sum the bytes of each packet
//! cargo run --release --example speed -- decode capture.pcap            # parse each frame, verify its checksums
//! cargo run --release --example speed -- hexdump capture.pcap dump.txt  # write the input of text2pcap
//! ```
//!
//! `cargo xtask bench wire` compares the times of `sum` and `decode` with those of other programs, and passes the
//! output of `hexdump` to text2pcap.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};

use switchboard_encap::capture::Reader;
use switchboard_encap::wire::{Checksum, Frame, Sum};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["sum", file] => sum(File::open(file)?),
        ["decode", file] => decode(File::open(file)?),
        ["hexdump", from, to] => hexdump(File::open(from)?, File::create(to)?),
        _ => Err("give one of: sum FILE, decode FILE, hexdump FROM TO".into()),
    }
}

/// Reads each packet, and sums its bytes. A program that verifies checksums cannot be faster.
fn sum(file: File) -> Result<(), Box<dyn Error>> {
    let mut reader = Reader::new(file)?;
    let mut total = 0;
    while let Some(packet) = reader.next_packet()? {
        let mut sum = Sum::default();
        sum.add_bytes(packet.captured);
        total += u64::from(sum.folded());
    }
    println!("{} packets, {total:#x}", reader.packets());
    Ok(())
}

/// Parses each frame, and verifies its two checksums. A wrong or missing checksum is an error.
fn decode(file: File) -> Result<(), Box<dyn Error>> {
    let mut reader = Reader::new(file)?;
    let (mut n_valid, mut payload_bytes) = (0_u64, 0_u64);
    while let Some(packet) = reader.next_packet()? {
        let frame = Frame::parse(packet.link_type, packet.captured, packet.original_len);
        let verified = frame.verify();
        for checksum in [verified.network, verified.transport] {
            n_valid += u64::from(checksum == Some(Checksum::Valid));
        }
        payload_bytes += u64::from(frame.payload_len_on_wire());
    }
    println!("{} packets, {payload_bytes} bytes of payload, {n_valid} checksums valid", reader.packets());
    // One checksum in the IP header and one in the transport header.
    if n_valid == 2 * reader.packets() { Ok(()) } else { Err("not all checksums are valid".into()) }
}

/// Writes each packet as text: a line with its time in seconds, and lines of 16 bytes in hexadecimal.
fn hexdump(from: File, to: File) -> Result<(), Box<dyn Error>> {
    const BYTES_PER_LINE: usize = 16;
    let mut reader = Reader::new(from)?;
    let mut to = BufWriter::new(to);
    while let Some(packet) = reader.next_packet()? {
        let time = packet.time.ok_or("a packet has no time")?;
        writeln!(to, "{time}")?;
        for (number, line) in packet.captured.chunks(BYTES_PER_LINE).enumerate() {
            write!(to, "{:06x}", BYTES_PER_LINE * number)?;
            line.iter().try_for_each(|byte| write!(to, " {byte:02x}"))?;
            writeln!(to)?;
        }
    }
    Ok(to.flush()?)
}

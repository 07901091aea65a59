//! What the speed of `encap` is measured with: an input, the loop that is measured, and the least that any program
//! would do.
//!
//! ```sh
//! cargo run --release --example speed -- rows messages.csv      # 1,000 conversations of 1,000 messages of 100 bytes
//! cargo run --release --example speed -- read capture.pcap      # read a file in blocks, and sum their bytes
//! cargo run --release --example speed -- sum capture.pcap       # read a capture, and sum the bytes of each packet
//! cargo run --release --example speed -- decode capture.pcap    # take each frame apart, and verify each checksum
//! cargo run --release --example speed -- write capture.pcap 1000000  # write so many bytes
//! ```
//!
//! `cargo xtask bench wire` runs all of them, and what they are compared with.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};

use switchboard_encap::capture::Reader;
use switchboard_encap::wire::{Checksum, Frame, Sum};

/// What is read or written at once, in bytes: as much as the library does.
const BLOCK_BYTES: usize = 256 * 1024;

/// How many conversations, and how many messages each.
const CONVERSATIONS: u32 = 1_000;
const MESSAGES: u32 = 1_000;
/// Bytes of a message.
const MESSAGE_LEN: usize = 100;
/// From one message to the next, in microseconds: each conversation goes on every 4 ms, soon enough that each message
/// acknowledges the one before it, and no segment does that alone.
const STEP_MICROS: u32 = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["rows", to] => Ok(rows(File::create(to)?)?),
        ["read", file] => read(File::open(file)?),
        ["sum", file] => sum(File::open(file)?),
        ["decode", file] => decode(File::open(file)?),
        ["write", to, len] => Ok(write(File::create(to)?, len.parse()?)?),
        _ => Err("give one of: rows TO, read FILE, sum FILE, decode FILE, write TO BYTES".into()),
    }
}

/// Writes rows of which each is a frame. The conversations take turns, and so do the two sides of each.
fn rows(to: File) -> io::Result<()> {
    let mut to = BufWriter::with_capacity(BLOCK_BYTES, to);
    writeln!(to, "msg_id,app_protocol,src_app,dst_app,message,timestamp")?;
    for number in 0..CONVERSATIONS * MESSAGES {
        let conversation = number % CONVERSATIONS;
        let sides = ["client", "server"];
        let [from, with] = if (number / CONVERSATIONS).is_multiple_of(2) { sides } else { [sides[1], sides[0]] };
        let micros = number * STEP_MICROS;
        let (secs, micros) = (1 + micros / 1_000_000, micros % 1_000_000);
        let message = format!("{number:.<MESSAGE_LEN$}");
        writeln!(to, "{number},CHAT,{from}-{conversation},{with}-{conversation},{message},{secs}.{micros:06}")?;
    }
    to.flush()
}

/// The least for a file as a whole: reads it in blocks, and sums all its bytes.
fn read(mut file: File) -> Result<(), Box<dyn Error>> {
    let mut block = vec![0; BLOCK_BYTES];
    let mut sum = Sum::default();
    loop {
        match file.read(&mut block)? {
            0 => break,
            n => sum.add_bytes(&block[..n]),
        }
    }
    println!("{:#06x}", sum.checksum());
    Ok(())
}

/// The least for each packet: finds it, and sums its bytes.
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

/// Takes each frame apart, and verifies each checksum. It is an error if one is not right.
fn decode(file: File) -> Result<(), Box<dyn Error>> {
    let mut reader = Reader::new(file)?;
    let (mut valid, mut payload) = (0_u64, 0_u64);
    while let Some(packet) = reader.next_packet()? {
        let frame = Frame::parse(packet.link_type, packet.captured, packet.original_len);
        let verified = frame.verify();
        for checksum in [verified.network, verified.transport] {
            valid += u64::from(checksum == Some(Checksum::Valid));
        }
        payload += u64::from(frame.payload_len_on_wire());
    }
    println!("{} packets, {payload} bytes of payload, {valid} checksums valid", reader.packets());
    if valid == 2 * reader.packets() { Ok(()) } else { Err("some checksum is not valid".into()) }
}

/// The least for a file that is written: so many bytes, whatever they are.
fn write(mut to: File, len: usize) -> io::Result<()> {
    let block = vec![0x5a; BLOCK_BYTES];
    let mut left = len;
    while left > 0 {
        let n = left.min(BLOCK_BYTES);
        to.write_all(&block[..n])?;
        left -= n;
    }
    Ok(())
}

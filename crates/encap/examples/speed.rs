//! What the speed of `encap` is measured with: an input, the loop that is measured, and the least that any program
//! would do.
//!
//! ```sh
//! cargo run --release --example speed -- rows messages.csv      # 1,000 conversations of 1,000 messages of 100 bytes
//! cargo run --release --example speed -- read capture.pcap      # read a file in blocks, and sum their bytes
//! cargo run --release --example speed -- sum capture.pcap       # read a capture, and sum the bytes of each packet
//! cargo run --release --example speed -- decode capture.pcap    # take each frame apart, and verify each checksum
//! cargo run --release --example speed -- write capture.pcap copy.pcap 1000000  # write so many bytes, of those of a file
//! cargo run --release --example speed -- build capture.pcap     # make the capture of these rows, without a CSV
//! ```
//!
//! `cargo xtask bench wire` runs all of them, and what they are compared with.

use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::io::{self, BufWriter, Read, Write};

use switchboard_encap::build::{Builder, Plan, Settings, TransportChoice};
use switchboard_encap::capture::{Format, Reader};
use switchboard_encap::rows::{App, AppProtocol, MessageId, RowRef};
use switchboard_encap::time::Timestamp;
use switchboard_encap::wire::{Checksum, Frame, Sum};

/// What is read or written at once, in bytes: as much as the library does.
const BLOCK_BYTES: usize = 256 * 1024;

/// How much of a file is held that is written.
const HELD_BYTES: usize = 8 * 1024 * 1024;

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
        ["build", to] => build(File::create(to)?),
        ["write", from, to, len] => Ok(write(&File::open(from)?, File::create(to)?, len.parse()?)?),
        _ => Err("give one of: rows TO, read FILE, sum FILE, decode FILE, build TO, write FROM TO BYTES".into()),
    }
}

/// The rows that all this is about, each a frame. The conversations take turns, and so do the two sides of each. They are
/// made one at a time, and handed to `take`.
fn each_row<E>(mut take: impl FnMut(RowRef<'_>) -> Result<(), E>) -> Result<(), E> {
    let name = |side: &str, conversation: u32| App::Name(format!("{side}-{conversation}").into());
    let conversations: Vec<([App; 2], [u8; 3])> = (0..CONVERSATIONS)
        .map(|n| ([name("client", n), name("server", n)], [n / 100, n / 10 % 10, n % 10].map(digit)))
        .collect();
    // The number of the row in seven digits, and dots.
    let mut message = [b'.'; MESSAGE_LEN];
    // The compiler is not to make a library for messages of this length alone.
    let message_len = black_box(MESSAGE_LEN);
    let mut id = MessageId::Number(0);
    for turn in 0..MESSAGES {
        message[..4].copy_from_slice(&[turn / 1_000, turn / 100 % 10, turn / 10 % 10, turn % 10].map(digit));
        for (number, ([client, server], ending)) in (turn * CONVERSATIONS..).zip(&conversations) {
            message[4..7].copy_from_slice(ending);
            let [source, destination] = if turn.is_multiple_of(2) { [client, server] } else { [server, client] };
            if let MessageId::Number(id) = &mut id {
                *id = number.into();
            }
            take(RowRef {
                number: &id,
                // After the header.
                line: u64::from(number) + 2,
                protocol: &AppProtocol::Chat,
                source,
                destination,
                source_port: None,
                destination_port: None,
                message: &message[..message_len],
                time: Timestamp::from_nanos(1_000_000_000 + 1_000 * i64::from(number * STEP_MICROS)),
            })?;
        }
    }
    Ok(())
}

// The number of a row is written in seven digits, and their first four tell the turn.
const _: () = assert!(CONVERSATIONS == 1_000 && MESSAGES < 10_000);

/// A number below ten, as it is written.
fn digit(number: u32) -> u8 {
    char::from_digit(number, 10).map_or(b'?', |digit| digit as u8)
}

/// Writes the rows as a CSV.
fn rows(to: File) -> io::Result<()> {
    let mut to = BufWriter::with_capacity(BLOCK_BYTES, to);
    writeln!(to, "msg_id,app_protocol,src_app,dst_app,message,timestamp")?;
    each_row(|RowRef { number, protocol, source, destination, message, time, .. }| {
        let message = str::from_utf8(message).map_err(io::Error::other)?;
        let micros = time.as_nanos() / 1_000;
        let (secs, micros) = (micros / 1_000_000, micros % 1_000_000);
        writeln!(to, "{number},{protocol},{source},{destination},{message},{secs}.{micros:06}")
    })?;
    to.flush()
}

/// Makes the frames of the rows, as `encap build` does of a CSV: the rows come twice, and none is kept.
fn build(to: File) -> Result<(), Box<dyn Error>> {
    let transport = TransportChoice::Tcp;
    let mut plan = Plan::new(Settings { transport, format: Format::Pcap, ..Settings::default() });
    each_row(|row| plan.admit(row))?;
    let mut builder = Builder::new(plan, to, "made to measure its speed")?;
    each_row(|row| builder.row(row))?;
    let (_, summary) = builder.finish()?;
    println!("{} frames, {} bytes", summary.frames, summary.bytes);
    Ok(())
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

/// The least for a file that is written: its bytes, from where they are in memory. They are more than a core's own cache
/// holds, as those of a capture are; to hold no more than the others do, it writes the first of them again and again.
fn write(from: &File, mut to: File, len: usize) -> io::Result<()> {
    let mut bytes = Vec::new();
    from.take(HELD_BYTES as u64).read_to_end(&mut bytes)?;
    let mut left = len;
    for block in bytes.chunks(BLOCK_BYTES).cycle() {
        let n = left.min(block.len());
        to.write_all(&block[..n])?;
        left -= n;
        if left == 0 {
            break;
        }
    }
    Ok(())
}

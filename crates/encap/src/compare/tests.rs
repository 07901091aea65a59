//! Tests of the comparison: equal captures do not differ, and a corrupted field is an unexplained difference.

use super::*;
use crate::build::{Builder, CaptureSink, IpVersion, Link, Plan, Settings, TcpOptions, TransportChoice};
use crate::capture::Reader;
use crate::rows::{self, Row};
use crate::wire::Frame;

const ROWS: &str =
    "CHAT,Noy,Elias,hello there,0.1\nCHAT,Elias,Noy,hi,0.2\nCHAT,Noy,Dana,hi,0.25\nCHAT,Noy,Elias,bye,0.3\n";

/// The capture that a build makes of these rows.
fn built(csv: &str, settings: Settings) -> Vec<u8> {
    let csv = format!("protocol,src,dst,message,time\n{csv}");
    let rows: Vec<Row> =
        rows::RowReader::new(csv.as_bytes(), rows::RowOptions::default()).map(Result::unwrap).collect();
    let mut plan = Plan::new(settings);
    for row in &rows {
        plan.admit(row).unwrap();
    }
    let sink = CaptureSink::new(Vec::new(), &settings, "Synthesised by a test").unwrap();
    let mut builder = Builder::new(&plan, sink);
    for row in &rows {
        builder.row(row).unwrap();
    }
    builder.finish().unwrap().0.finish().unwrap()
}

fn recorded(file: &[u8]) -> Recording {
    Recording::read(&mut Reader::new(file).unwrap()).unwrap()
}

/// The differences without a reason, as text, and the number of differences with a reason.
fn compared(made: &[u8], captured: &[u8]) -> (Vec<String>, usize) {
    let (made, captured) = (recorded(made), recorded(captured));
    let comparison = Comparison::new(&made, &captured);
    let unexplained: Vec<_> = comparison
        .unexplained()
        .map(|difference| {
            format!("{}: {} | {}", difference.place.field, difference.kind.made, difference.kind.captured)
        })
        .collect();
    let explained = comparison.differences.len() - unexplained.len();
    (unexplained, explained)
}

/// Flips bits in one byte of one frame of a capture.
fn corrupted(file: &[u8], frame: u64, byte: usize, bits: u8) -> Vec<u8> {
    let mut reader = Reader::new(file).unwrap();
    while let Some(packet) = reader.next_packet().unwrap() {
        if packet.number == frame {
            let frame_start = file.windows(packet.captured.len()).position(|window| window == packet.captured).unwrap();
            let mut file = file.to_vec();
            file[frame_start + byte] ^= bits;
            return file;
        }
    }
    panic!("there is no frame {frame}");
}

#[test]
fn equal_captures_have_no_differences() {
    for transport in [TransportChoice::Tcp, TransportChoice::Udp] {
        for ip in [IpVersion::V4, IpVersion::V6] {
            let settings = Settings { transport, ip, ..Settings::default() };
            let file = built(ROWS, settings);
            assert_eq!(compared(&file, &file), (Vec::new(), 0), "{transport:?} {ip:?}");
            // Another seed changes only the random start of counters.
            let other = built(ROWS, Settings { seed: 7, ..settings });
            let (unexplained, explained) = compared(&file, &other);
            assert_eq!((unexplained, explained > 0), (Vec::new(), true), "{transport:?} {ip:?}");
        }
    }
}

#[test]
fn differences_of_settings_have_reasons() {
    let file = built(ROWS, Settings::default());
    let raw_link = built(ROWS, Settings { link: Link::Raw, ..Settings::default() });
    assert_eq!(compared(&file, &raw_link).0, Vec::<String>::new());
    let without_options = built(ROWS, Settings { options: TcpOptions::None, ..Settings::default() });
    assert_eq!(compared(&without_options, &file).0, Vec::<String>::new());
    // A kernel does not remove options, so the reverse has no reason.
    assert!(compared(&file, &without_options).0.iter().any(|difference| difference.starts_with("options: ")));
    let long = format!("CHAT,Noy,Elias,{},0.1\n", "x".repeat(10_000));
    let short_mtu = Settings { mtu: "576".parse().unwrap(), ..Settings::default() };
    let (unexplained, _) = compared(&built(&long, Settings::default()), &built(&long, short_mtu));
    assert_eq!(unexplained, Vec::<String>::new());
    let (unexplained, _) = compared(&built(&long, short_mtu), &built(&long, Settings::default()));
    assert_eq!(unexplained, Vec::<String>::new());
}

#[test]
fn corrupted_fields_are_unexplained() {
    let file = built(ROWS, Settings::default());
    let mut reader = Reader::new(&file[..]).unwrap();
    let mut n_corrupted = 0;
    while let Some(packet) = reader.next_packet().unwrap() {
        let frame = Frame::parse(packet.link_type, packet.captured, packet.original_len);
        // After the Ethernet header and the IPv4 header.
        let tcp = 14 + 20;
        // Each flag; then the sequence number, the urgent pointer and the type of service.
        let mut places: Vec<(usize, u8)> = (0..8).map(|bit| (tcp + 13, 1 << bit)).collect();
        places.extend([(tcp + 7, 3), (tcp + 18, 1), (15, 4)]);
        if frame.tcp().is_some_and(|segment| segment.ack().0 != 0) {
            places.push((tcp + 11, 3));
        }
        if !frame.payload().is_empty() {
            places.push((packet.captured.len() - 1, 1));
        }
        for (byte, bits) in places {
            let (unexplained, _) = compared(&file, &corrupted(&file, packet.number, byte, bits));
            assert!(!unexplained.is_empty(), "frame {} byte {byte} ^ {bits:#04x}", packet.number);
            n_corrupted += 1;
        }
    }
    assert!(n_corrupted > 200, "only {n_corrupted} corrupted captures were compared");
}

#[test]
fn missing_changed_and_reordered_messages_are_unexplained() {
    let file = built(ROWS, Settings::default());
    // The conversation of Noy with Dana is missing.
    let fewer_rows =
        built("CHAT,Noy,Elias,hello there,0.1\nCHAT,Elias,Noy,hi,0.2\nCHAT,Noy,Elias,bye,0.3\n", Settings::default());
    let (unexplained, _) = compared(&file, &fewer_rows);
    assert!(unexplained.iter().any(|difference| difference.starts_with("conversation: TCP")), "{unexplained:?}");
    let (unexplained, _) = compared(&fewer_rows, &file);
    assert!(unexplained.iter().any(|difference| difference.ends_with("7 frames")), "{unexplained:?}");
    // A text of another length: the conversations are still paired, and the later bytes have other stream offsets.
    let shorter_text = built(&ROWS.replace("hello there", "hello"), Settings::default());
    let (unexplained, _) = compared(&file, &shorter_text);
    assert!(unexplained.iter().any(|difference| difference.starts_with("payload: ")), "{unexplained:?}");
    // The same rows, with two of them swapped.
    let mut rows: Vec<_> = ROWS.lines().collect();
    rows.swap(1, 2);
    let (unexplained, _) = compared(&file, &built(&(rows.join("\n") + "\n"), Settings::default()));
    assert!(unexplained.iter().any(|difference| difference.starts_with("order: ")), "{unexplained:?}");
}

#[test]
fn recording_refuses_too_many_frames() {
    let many = (0..FRAMES_MAX).fold(String::new(), |many, i| many + &format!("CHAT,a,b,{i},{i}\n"));
    let file = built(&many, Settings { transport: TransportChoice::Udp, ..Settings::default() });
    assert_eq!(recorded(&file).frames(), FRAMES_MAX as u64);
    // TCP needs more frames for the same rows.
    let file = built(&many, Settings::default());
    let error = Recording::read(&mut Reader::new(&file[..]).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "more than 20000 frames are not compared: take fewer rows");
}

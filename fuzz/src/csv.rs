//! Checks a CSV file with the reader of `check` and the builder of `build`.

use switchboard_encap::build::{
    BadTwin, Builder, CaptureSink, Content, IpVersion, Link, Mtu, Plan, Settings, TcpOptions, TransportChoice,
};
use switchboard_encap::capture::{Format, Reader};
use switchboard_encap::rows::{self, Row, RowOptions};
use switchboard_encap::wire::Frame;

use super::frame::assert_safe;

/// Maximum number of bytes that a row adds to a capture, besides the bytes of its message. The start of the capture may
/// have as many bytes.
const OVERHEAD_MAX_BYTES: usize = 4096;

/// Parses a CSV file, builds its rows with two different settings, and reads the captures back.
///
/// # Panics
///
/// If the result breaks a property that must hold for every CSV file.
pub fn check_rows(file: &[u8]) {
    let usual = Settings::default();
    let unusual = Settings {
        transport: TransportChoice::Tcp,
        ip: IpVersion::V6,
        link: Link::Sll2,
        format: Format::Pcap,
        mtu: Mtu::new(Mtu::MIN_V6).unwrap_or_default(),
        options: TcpOptions::None,
        content: Content::Complete,
        ..usual
    };
    for (escapes, settings) in [(false, usual), (true, unusual)] {
        let rows = read_rows(file, RowOptions { escapes });
        let make_plan = || {
            let mut plan = Plan::new(settings);
            for row in &rows {
                if let Err(refusal) = plan.admit(row) {
                    assert_safe(&refusal.to_string());
                }
            }
            plan
        };
        let (capture, n_frames) = build(&make_plan(), &rows, &settings);
        let message_bytes: usize = rows.iter().map(|row| row.message.len()).sum();
        // The factor 2 is for the headers of segments: a segment has more message bytes than header bytes, except for
        // the last segment of a message.
        let capture_max_bytes = OVERHEAD_MAX_BYTES * (1 + rows.len()) + 2 * message_bytes;
        assert!(
            capture.len() <= capture_max_bytes,
            "a capture of {} bytes for {} rows with {message_bytes} bytes of messages",
            capture.len(),
            rows.len()
        );
        read_back(&capture, n_frames);

        let mut twin = BadTwin::new(&make_plan(), sink(&Settings { format: Format::Pcapng, ..settings }));
        for row in &rows {
            twin.row(row).expect("writing to a Vec succeeds");
        }
        let twin_capture = twin.finish().finish().expect("writing to a Vec succeeds");
        assert!(twin_capture.len() <= capture_max_bytes, "a bad twin of {} bytes", twin_capture.len());
    }
}

/// Returns the valid rows. Checks that all errors, warnings and notes are safe to print.
fn read_rows(file: &[u8], options: RowOptions) -> Vec<Row> {
    let mut reader = rows::RowReader::new(file, options);
    let mut rows = Vec::new();
    while let Some(row) = reader.next() {
        for fault in reader.take_remarks() {
            assert_safe(&fault.message().to_string());
        }
        match row {
            Ok(row) => rows.push(row),
            Err(error) => assert_safe(&error.to_string()),
        }
    }
    assert!(
        rows.iter().map(|row| row.message.len()).sum::<usize>() <= file.len(),
        "the messages have no more bytes than the file"
    );
    rows
}

fn sink(settings: &Settings) -> CaptureSink<Vec<u8>> {
    CaptureSink::new(Vec::new(), settings, "a mutation").expect("writing to a Vec succeeds")
}

/// Builds the rows that the plan admitted. Returns the capture and the number of its frames.
fn build(plan: &Plan, rows: &[Row], settings: &Settings) -> (Vec<u8>, u64) {
    let mut builder = Builder::new(plan, sink(settings));
    for row in rows {
        builder.row(row).expect("writing to a Vec succeeds");
    }
    let (sink, summary) = builder.finish().expect("writing to a Vec succeeds");
    let capture = sink.finish().expect("writing to a Vec succeeds");
    for remark in summary.remarks.list() {
        assert_safe(&remark.kind.to_string());
    }
    (capture, summary.frames)
}

/// Reads a built capture and checks that it has no issues and `n_frames` frames.
fn read_back(capture: &[u8], n_frames: u64) {
    let mut reader = Reader::new(capture).expect("a built capture can be read");
    while let Some(packet) = reader.next_packet().expect("a built packet can be read") {
        let frame = Frame::parse(packet.link_type, packet.captured, packet.original_len);
        assert_eq!(frame.issues(), &[]);
    }
    assert_eq!(reader.packets(), n_frames);
    assert_eq!(reader.notes().list(), &[]);
}

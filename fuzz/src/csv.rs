//! Checks a CSV file with the reader of `check` and the builder of `build`.

use switchboard_encap::build::{
    BadTwin, Builder, CaptureSink, Content, IpVersion, Link, Mtu, Plan, Settings, TcpOptions, TransportChoice,
};
use switchboard_encap::capture::{Format, Reader};
use switchboard_encap::rows::{self, Row, RowOptions};
use switchboard_encap::wire::Frame;

use super::frame::assert_safe;

/// Bytes of frames and blocks for each row besides its message, and of the capture besides its rows.
const OVERHEAD_MAX_BYTES: usize = 4096;

/// Parses a CSV file, builds its rows with two different settings, and reads the captures back.
///
/// # Panics
///
/// If a property of all CSV files does not hold.
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
        let plan = || {
            let mut plan = Plan::new(settings);
            for row in &rows {
                if let Err(refusal) = plan.admit(row) {
                    assert_safe(&refusal.to_string());
                }
            }
            plan
        };
        let (capture, n_frames) = build(&plan(), &rows, &settings);
        let message_bytes: usize = rows.iter().map(|row| row.message.len()).sum();
        // Each segment has a header, and all but the last of a message are full.
        let most = OVERHEAD_MAX_BYTES * (1 + rows.len()) + 2 * message_bytes;
        assert!(capture.len() <= most, "{} bytes of {} rows with {message_bytes} bytes", capture.len(), rows.len());
        read_back(&capture, n_frames);

        let mut twin = BadTwin::new(&plan(), sink(&Settings { format: Format::Pcapng, ..settings }));
        for row in &rows {
            twin.row(row).expect("writing to a Vec succeeds");
        }
        let twin = twin.finish().finish().expect("writing to a Vec succeeds");
        assert!(twin.len() <= most, "{} bytes of twins", twin.len());
    }
}

/// The valid rows. The warnings and errors of the others must be safe to print.
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
        "a message is no longer than its row"
    );
    rows
}

fn sink(settings: &Settings) -> CaptureSink<Vec<u8>> {
    CaptureSink::new(Vec::new(), settings, "a mutation").expect("writing to a Vec succeeds")
}

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

/// A built capture must be free of issues, for any input.
fn read_back(capture: &[u8], n_frames: u64) {
    let mut reader = Reader::new(capture).expect("a built capture can be read");
    while let Some(packet) = reader.next_packet().expect("a built packet can be read") {
        let frame = Frame::parse(packet.link_type, packet.captured, packet.original_len);
        assert_eq!(frame.issues(), &[]);
    }
    assert_eq!(reader.packets(), n_frames);
    assert_eq!(reader.notes().list(), &[]);
}

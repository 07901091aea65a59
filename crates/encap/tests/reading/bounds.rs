//! Memory bounds, for any capture.

use switchboard_encap::analyze::chat::MessageFramer;
use switchboard_encap::analyze::{OUT_OF_ORDER_ALL_MAX_BYTES, StreamEvent, StreamItem, StreamListener, Streams};
use switchboard_encap::capture::Reader;
use switchboard_encap::time::Timestamp;

use super::script::capture;

#[derive(Default)]
struct GapCounts(usize, usize);

impl StreamListener for GapCounts {
    fn on_event(&mut self, event: StreamEvent<'_>) {
        match event.item {
            StreamItem::Gap { .. } => self.0 += 1,
            StreamItem::Data { bytes, .. } => self.1 += bytes.len(),
            StreamItem::Fin | StreamItem::Reset => {}
        }
    }
}

fn gaps(streams: &mut Streams, file: &[u8]) -> GapCounts {
    let (mut reader, mut gaps) = (Reader::new(file).unwrap(), GapCounts::default());
    while let Some(packet) = reader.next_packet().unwrap() {
        streams.packet(&packet, &mut gaps);
    }
    gaps
}

#[test]
fn out_of_order_data_of_all_streams_is_bounded() {
    let payload = "x".repeat(60_000);
    // A gap in each of many streams, none of which exceeds its own limit.
    let n_flows = 2 * OUT_OF_ORDER_ALL_MAX_BYTES / (4 * payload.len());
    let mut script = Vec::new();
    for flow in 0..n_flows {
        script.push(format!("{flow}> S 1000"));
        for i in 0..4 {
            script.push(format!("{flow}> A {} 9001 ={payload}", 2000 + i * payload.len()));
        }
    }
    let file = capture(&script.join(";"));
    let found = gaps(&mut Streams::new(Vec::new()), &file);
    let waiting = n_flows * 4 * payload.len() - found.1;
    assert!(found.0 > 0 && waiting <= OUT_OF_ORDER_ALL_MAX_BYTES, "{} gaps, {waiting} bytes", found.0);
    // With a single stream, the total limit does not apply, and no data of the others is kept.
    let found = gaps(&mut Streams::of_conversation(1), &file);
    assert_eq!((found.0, found.1), (0, 0));
}

#[test]
fn one_byte_segments_need_little_more_memory_than_their_bytes() {
    for first in ["", "PING\n"] {
        let mut lines = MessageFramer::default();
        let mut n_bytes = 0;
        let mut give = |message: switchboard_encap::analyze::chat::FramedMessage| n_bytes += message.bytes.len();
        lines.push(0, None, first.as_bytes(), &mut give);
        for i in 0..100_000 {
            lines.push(i, Some(Timestamp::from_nanos(0)), b"A", &mut give);
            assert!(lines.unfinished_bytes() <= 256 * 1024, "{}", lines.unfinished_bytes());
        }
        lines.end(None, &mut give);
        assert_eq!(n_bytes, 100_000 + first.trim_end().len());
    }
}

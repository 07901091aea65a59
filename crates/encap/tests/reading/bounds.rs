//! Memory bounds, for any capture.

use switchboard_encap::analyze::chat::MessageFramer;
use switchboard_encap::analyze::{OUT_OF_ORDER_ALL_MAX_BYTES, StreamEvent, StreamItem, StreamListener, Streams};
use switchboard_encap::capture::Reader;
use switchboard_encap::time::Timestamp;

use super::script::capture;

#[derive(Default)]
struct StreamCounts {
    gaps: usize,
    data_bytes: usize,
}

impl StreamListener for StreamCounts {
    fn on_event(&mut self, event: StreamEvent<'_>) {
        match event.item {
            StreamItem::Gap { .. } => self.gaps += 1,
            StreamItem::Data { bytes, .. } => self.data_bytes += bytes.len(),
            StreamItem::Fin | StreamItem::Reset => {}
        }
    }
}

/// Passes each packet of a capture to `streams`. Returns the gaps and data that were reported before the end.
fn count(streams: &mut Streams, file: &[u8]) -> StreamCounts {
    let (mut reader, mut counts) = (Reader::new(file).unwrap(), StreamCounts::default());
    while let Some(packet) = reader.next_packet().unwrap() {
        streams.packet(&packet, &mut counts);
    }
    counts
}

#[test]
fn out_of_order_data_of_all_streams_is_bounded() {
    let payload = "x".repeat(60_000);
    // Each of many streams has a gap, and data after it. No stream alone exceeds its limit.
    let n_flows = 2 * OUT_OF_ORDER_ALL_MAX_BYTES / (4 * payload.len());
    let mut script = Vec::new();
    for flow in 0..n_flows {
        script.push(format!("{flow}> S 1000"));
        for i in 0..4 {
            script.push(format!("{flow}> A {} 9001 ={payload}", 2000 + i * payload.len()));
        }
    }
    let file = capture(&script.join(";"));
    let StreamCounts { gaps, data_bytes } = count(&mut Streams::new(Vec::new()), &file);
    let waiting_bytes = n_flows * 4 * payload.len() - data_bytes;
    assert!(gaps > 0 && waiting_bytes <= OUT_OF_ORDER_ALL_MAX_BYTES, "{gaps} gaps, {waiting_bytes} bytes waiting");
    // An analysis of one conversation keeps no data of the others. So the total limit is not reached, and the data
    // waits for the missing bytes.
    let StreamCounts { gaps, data_bytes } = count(&mut Streams::of_conversation(1), &file);
    assert_eq!((gaps, data_bytes), (0, 0));
}

#[test]
fn a_line_of_one_byte_segments_needs_bounded_memory() {
    for first_segment in ["", "PING\n"] {
        let mut framer = MessageFramer::default();
        let mut n_bytes = 0;
        let mut on_message = |message: switchboard_encap::analyze::chat::FramedMessage| n_bytes += message.bytes.len();
        framer.push(0, None, first_segment.as_bytes(), &mut on_message);
        for i in 0..100_000 {
            framer.push(i, Some(Timestamp::from_nanos(0)), b"A", &mut on_message);
            assert!(framer.unfinished_bytes() <= 256 * 1024, "{} bytes are kept", framer.unfinished_bytes());
        }
        framer.end(None, &mut on_message);
        assert_eq!(n_bytes, 100_000 + first_segment.trim_end().len());
    }
}

//! Analysis of a capture: its conversations, their handshakes and ends, and the reason for each reported event.
//!
//! ```text
//! capture::CapturedPacket ─▶ wire::Frame ─▶ Analyzer ─┬─▶ TrackedFrame for each frame of a conversation
//!                                                     └─▶ Conversation for each conversation that is over
//! ```
//!
//! The path of one TCP segment:
//!
//! 1. [`Analyzer::frame`] reassembles IP fragments, applies the focus, and finds the conversation by addresses and
//!    ports. A SYN with a new sequence number closes the earlier conversation of the same ports and opens a new one.
//! 2. The conversation determines the cause of an RST and the state of the handshake. It keeps the first few events.
//! 3. The `DirectionState` of the sender tracks the TCP flow. It stores the initial sequence number, unwraps sequence
//!    and acknowledgment numbers, scales windows, and applies the rules of Wireshark's TCP analysis.
//! 4. The result is a [`TrackedSegment`]. [`Streams`], [`report`](crate::report), [`compare`](crate::compare) and
//!    [`send`](crate::send) use it, and do not track TCP flows themselves.
//!
//! Memory grows with the number of open conversations, not with the length of the file. When a conversation is over,
//! the analyzer passes it to the caller as a [`Conversation`] and forgets it.
//!
//! ```
//! use switchboard_encap::analyze::{Analyzer, Handshake};
//! use switchboard_encap::capture::Reader;
//!
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/captures/csv_send_macos_lo0.pcapng");
//! let mut reader = Reader::new(std::fs::File::open(path)?)?;
//! let mut analyzer = Analyzer::new(Vec::new());
//! let mut conversations = Vec::new();
//! while let Some(packet) = reader.next_packet()? {
//!     analyzer.packet(&packet, &mut |conversation| conversations.push(conversation));
//! }
//! let totals = analyzer.finish(&mut |conversation| conversations.push(conversation));
//! assert_eq!(totals.packets, 18);
//! assert_eq!(conversations[0].handshake, Handshake::Complete);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod analyzer;
pub mod chat;
mod checksums;
mod conversation;
mod conversation_table;
mod coverage;
mod direction;
mod endpoint;
mod event;
mod focus;
mod fragment_reassembler;
mod issues;
mod limits;
mod live_conversation;
mod round_trip;
mod serialize;
mod stream_reassembler;
mod streams;
mod totals;
mod tracked_segment;

pub use crate::side::Side;
pub use analyzer::{Analyzer, ConversationSink};
pub use checksums::Checksums;
pub use conversation::{Conversation, DirectionSummary, End, Handshake};
pub use endpoint::{ConversationSide, Transport};
pub use event::{DuplicateAckTrigger, Event, EventCounts, Events, FlaggedEvent, ResetCause};
pub use focus::{Focus, FocusError};
pub use issues::{CaptureByte, CaptureIssueKind, CaptureIssues};
pub use limits::{
    FLAGS_MAX, FRAGMENTED_MAX_BYTES, FRAGMENTED_MAX_PACKETS, FRAGMENTS_MAX_SECS, LINGERING_MAX, LIVE_MAX,
    LIVE_MAX_BYTES, OUT_OF_ORDER_ALL_MAX_BYTES, OUT_OF_ORDER_MAX_BYTES, OUT_OF_ORDER_MAX_PIECES,
};
pub use round_trip::RoundTripTimes;
pub(crate) use round_trip::RoundTrips;
pub use stream_reassembler::{StreamItem, StreamReassembler, StreamSegment};
pub use streams::{StreamEvent, StreamListener, Streams};
pub use totals::{Amount, Totals};
pub use tracked_segment::{TrackedFrame, TrackedSegment, Window};

#[cfg(test)]
mod tests;

//! All drawings of one conversation.

use std::net::SocketAddr;

use super::{DrawnSegment, RoundTrip, Sequence, Throughput, TimeSequence, TimeSpan};
use crate::analyze::{Conversation, Side};

/// The drawings of one conversation.
#[derive(Debug)]
pub struct Diagrams {
    /// The client's address and port, and the server's.
    pub ends: (SocketAddr, SocketAddr),
    /// One arrow for each segment.
    pub sequence: Sequence,
    /// Drawings with a time axis. `None` if the frames have no times, or all have the same time.
    pub over_time: Option<OverTime>,
}

/// The drawings that have a time axis.
#[derive(Debug)]
pub struct OverTime {
    /// The time-sequence graphs: that of the client, then that of the server.
    pub time_sequences: [TimeSequence; 2],
    /// The time from each segment to its acknowledgment.
    pub round_trip: RoundTrip,
    /// Bytes per second.
    pub throughput: Throughput,
}

impl Diagrams {
    /// Empty drawings of `conversation`.
    #[must_use]
    pub fn new(conversation: &Conversation) -> Self {
        let over_time = TimeSpan::of_conversation(conversation).map(|span| OverTime {
            time_sequences: [Side::Client, Side::Server].map(|side| TimeSequence::new(side, span)),
            round_trip: RoundTrip::new(span),
            throughput: Throughput::new(span),
        });
        Self { ends: (conversation.client, conversation.server), sequence: Sequence::default(), over_time }
    }

    /// Adds the next segment.
    pub fn add(&mut self, segment: &DrawnSegment<'_>) {
        self.sequence.add(segment);
        if let Some(over_time) = &mut self.over_time {
            for time_sequence in &mut over_time.time_sequences {
                time_sequence.add(segment);
            }
            over_time.round_trip.add(segment);
            over_time.throughput.add(segment);
        }
    }
}

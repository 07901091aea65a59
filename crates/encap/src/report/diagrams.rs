//! All drawings of one conversation.

use std::net::SocketAddr;

use super::{DrawnSegment, RoundTrip, Sequence, Throughput, TimeSequence, TimeSpan};
use crate::analyze::{Conversation, Side};

/// The drawings of one conversation.
#[derive(Debug)]
pub struct Diagrams {
    /// The client's address and port, and the server's.
    pub ends: (SocketAddr, SocketAddr),
    /// Who sends what to whom.
    pub sequence: Sequence,
    /// How it went over time; `None` if the capture tells no times, or only one.
    pub over_time: Option<OverTime>,
}

/// The drawings that have a time axis.
#[derive(Debug)]
pub struct OverTime {
    /// Which bytes were on their way when: those of the client, and those of the server.
    pub time_sequences: [TimeSequence; 2],
    /// How long they took to be acknowledged.
    pub round_trip: RoundTrip,
    /// How many a second.
    pub throughput: Throughput,
}

impl Diagrams {
    /// Those of `conversation`, whose segments are to come.
    #[must_use]
    pub fn new(conversation: &Conversation) -> Self {
        let over_time = TimeSpan::of(conversation).map(|span| OverTime {
            time_sequences: [Side::Client, Side::Server].map(|side| TimeSequence::new(side, span)),
            round_trip: RoundTrip::new(span),
            throughput: Throughput::new(span),
        });
        Self { ends: (conversation.client, conversation.server), sequence: Sequence::default(), over_time }
    }

    /// Takes the next segment.
    pub fn segment(&mut self, segment: &DrawnSegment<'_>) {
        self.sequence.segment(segment);
        if let Some(over_time) = &mut self.over_time {
            for time_sequence in &mut over_time.time_sequences {
                time_sequence.segment(segment);
            }
            over_time.round_trip.segment(segment);
            over_time.throughput.segment(segment);
        }
    }
}

//! The second pass: the drawings of one conversation, and one frame in full.

use maud::Markup;

use super::{Diagrams, DrawnSegment};
use crate::analyze::{Analyzer, Conversation};
use crate::capture::CapturedPacket;
use crate::show::{FrameRecord, FrameView, html};
use crate::time::Timestamp;
use crate::wire::Frame;

/// A frame, layer by layer.
#[derive(Debug)]
pub struct FrameShown {
    /// Its number in the capture, from 1.
    pub number: u64,
    /// The reason for showing this frame, as the end of a sentence that begins with "It is".
    pub why: &'static str,
    /// Its layers and bytes as HTML.
    pub markup: Markup,
}

/// Receives the packets of a capture one by one, and draws the conversation and the frame of the report.
#[derive(Debug)]
pub(super) struct DetailPass<'a> {
    analyzer: Analyzer,
    conversation: Option<&'a Conversation>,
    /// Time of the conversation's latest frame, in nanoseconds after its first. It also serves for a frame without
    /// time.
    last_nanos: u64,
    diagrams: Option<Diagrams>,
    requested_frame: Option<u64>,
    /// The best frame so far, and its rank.
    frame: Option<(FrameRank, FrameShown)>,
    /// Time of the capture's first packet.
    first_time: Option<Timestamp>,
}

/// Suitability of a frame for the report, from low to high.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum FrameRank {
    FirstOfCapture,
    FirstOfConversation,
    FirstWithPayload,
    Requested,
}

impl FrameRank {
    const fn why(self) -> &'static str {
        match self {
            Self::FirstOfCapture => "the first frame of the capture",
            Self::FirstOfConversation => "the first frame of the conversation; no payload was captured",
            Self::FirstWithPayload => "the first frame of the conversation that has a payload",
            Self::Requested => "the requested frame",
        }
    }
}

impl<'a> DetailPass<'a> {
    pub(super) fn new(conversation: Option<&'a Conversation>, requested_frame: Option<u64>) -> Self {
        Self {
            analyzer: Analyzer::default(),
            conversation,
            last_nanos: 0,
            diagrams: conversation.map(Diagrams::new),
            requested_frame,
            frame: None,
            first_time: None,
        }
    }

    /// Whether the report needs neither this frame nor a later one.
    pub(super) fn is_past(&self, number: u64) -> bool {
        // Without a conversation or a requested frame, the report shows the first frame.
        let last = self.conversation.map_or(1, |conversation| conversation.last_frame);
        number > last.max(self.requested_frame.unwrap_or(1))
    }

    /// Receives the next packet.
    pub(super) fn packet(&mut self, packet: &CapturedPacket<'_>) {
        self.first_time = self.first_time.or(packet.time);
        let frame = Frame::parse(packet.link_type, packet.captured, packet.original_len);
        let tracked = self.analyzer.frame(packet.number, packet.time, &frame, &mut |_| {});
        let tracked = tracked.filter(|tracked| {
            let sender = &tracked.sender;
            self.conversation.is_some_and(|c| (c.transport, c.number) == (sender.transport, sender.number))
        });
        if let (Some(tracked), Some(conversation), Some(diagrams)) = (&tracked, self.conversation, &mut self.diagrams)
            && let Some(whole) = self.analyzer.whole_packet(frame)
        {
            let since = packet.time.zip(conversation.first).and_then(|(time, first)| time.since(first));
            if let Some(since) = since {
                self.last_nanos = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
            }
            diagrams.add(&DrawnSegment {
                frame: packet.number,
                nanos: self.last_nanos,
                from: tracked.sender.side,
                len: whole.payload_len_on_wire(),
                payload: whole.payload(),
                tcp: tracked.segment,
            });
        }
        let rank = match (self.requested_frame, &tracked) {
            (Some(requested), _) if requested != packet.number => return,
            (Some(_), _) => FrameRank::Requested,
            (None, Some(_)) if !frame.payload().is_empty() => FrameRank::FirstWithPayload,
            (None, Some(_)) => FrameRank::FirstOfConversation,
            (None, None) => FrameRank::FirstOfCapture,
        };
        if self.frame.as_ref().is_none_or(|(best, _)| rank > *best) {
            let markup = html::frame(&FrameView::new(&FrameRecord::from_packet(packet, self.first_time)));
            self.frame = Some((rank, FrameShown { number: packet.number, why: rank.why(), markup }));
        }
    }

    pub(super) fn finish(self) -> (Option<Diagrams>, Option<FrameShown>) {
        (self.diagrams, self.frame.map(|(_, frame)| frame))
    }
}

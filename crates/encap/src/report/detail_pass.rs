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
    /// The reason for showing this frame.
    pub why: &'static str,
    /// Its layers and bytes as HTML.
    pub markup: Markup,
}

/// Receives a capture packet by packet.
#[derive(Debug)]
pub(super) struct DetailPass<'a> {
    analyzer: Analyzer,
    conversation: Option<&'a Conversation>,
    /// Time of the conversation's latest frame, in nanoseconds after its first.
    last_nanos: u64,
    diagrams: Option<Diagrams>,
    wanted_frame: Option<u64>,
    /// The best frame so far, and its rank.
    frame: Option<(FrameRank, FrameShown)>,
    first: Option<Timestamp>,
}

/// Suitability of a frame for the report, from low to high.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum FrameRank {
    OfTheCapture,
    OfTheConversation,
    WithPayload,
    Requested,
}

impl FrameRank {
    const fn why(self) -> &'static str {
        match self {
            Self::OfTheCapture => "the first of the capture",
            Self::OfTheConversation => "the first of the conversation, in which no payload was captured",
            Self::WithPayload => "the first of the conversation with a payload",
            Self::Requested => "as it was asked for",
        }
    }
}

impl<'a> DetailPass<'a> {
    pub(super) fn new(conversation: Option<&'a Conversation>, wanted_frame: Option<u64>) -> Self {
        Self {
            analyzer: Analyzer::default(),
            conversation,
            last_nanos: 0,
            diagrams: conversation.map(Diagrams::new),
            wanted_frame,
            frame: None,
            first: None,
        }
    }

    /// Whether neither this frame nor a later one is shown.
    pub(super) fn is_past(&self, number: u64) -> bool {
        let last = self.conversation.map_or(1, |conversation| conversation.last_frame);
        number > last.max(self.wanted_frame.unwrap_or(1))
    }

    pub(super) fn packet(&mut self, packet: &CapturedPacket<'_>) {
        self.first = self.first.or(packet.time);
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
            diagrams.segment(&DrawnSegment {
                frame: packet.number,
                nanos: self.last_nanos,
                from: tracked.sender.side,
                len: whole.payload_len_on_wire(),
                payload: whole.payload(),
                tcp: tracked.segment,
            });
        }
        let rank = match (self.wanted_frame, &tracked) {
            (Some(wanted), _) if wanted != packet.number => return,
            (Some(_), _) => FrameRank::Requested,
            (None, Some(_)) if !frame.payload().is_empty() => FrameRank::WithPayload,
            (None, Some(_)) => FrameRank::OfTheConversation,
            (None, None) => FrameRank::OfTheCapture,
        };
        if self.frame.as_ref().is_none_or(|(best, _)| rank > *best) {
            let markup = html::frame(&FrameView::new(&FrameRecord::from_packet(packet, self.first)));
            self.frame = Some((rank, FrameShown { number: packet.number, why: rank.why(), markup }));
        }
    }

    pub(super) fn finish(self) -> (Option<Diagrams>, Option<FrameShown>) {
        (self.diagrams, self.frame.map(|(_, frame)| frame))
    }
}

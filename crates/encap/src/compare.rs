//! Compares synthesised frames with the frames that a kernel sent for the same rows, field by field. Each difference
//! has its reason, if the reason is known.
//!
//! ```text
//! capture, or rows built in memory ─▶ Recording ─┐
//!                                                ├─▶ paired conversations ─▶ aligned segments ─▶ differences
//! capture of `encap send` ──────────▶ Recording ─┘
//! ```
//!
//! Kernels cut the same rows into different packets. Segments with data are therefore aligned by their range of bytes
//! in the stream; SYN, FIN and RST by their kind; bare acknowledgments by their number; datagrams by their order.
//! Counters that start at a random value (sequence numbers, IPv4 identifications, TCP timestamps) are compared relative
//! to their first value.
//!
//! A difference has a reason only if known behaviour of kernels explains *this* value. An MSS of 65,495 on loopback has
//! a reason; options in another order have none. A difference without a reason is listed as unexplained.
//!
//! In names, `made` stands for the synthesised side, and `captured` for the side that a kernel sent.

mod align;
mod compared_field;
mod difference;
mod explain;
mod limits;
mod pairs;
mod reason;
mod recorded_segment;
mod recording;

pub use align::SegmentGroup;
pub use compared_field::ComparedField;
pub use difference::{Difference, DifferenceKind, FieldPlace};
pub use limits::{BYTES_MAX, FRAMES_MAX};
pub use reason::Reason;
pub use recorded_segment::RecordedSegment;
pub use recording::{RecordedConversation, Recording, RecordingError, RecordingSink};

/// A synthesised conversation and its captured counterpart.
#[derive(Clone, Debug)]
pub struct ConversationPair<'a> {
    /// The synthesised conversation.
    pub made: &'a RecordedConversation,
    /// The captured conversation.
    pub captured: &'a RecordedConversation,
    /// Their aligned segments.
    pub groups: Vec<SegmentGroup>,
}

/// The differences between two recordings.
#[derive(Clone, Debug)]
pub struct Comparison<'a> {
    /// The paired conversations.
    pub conversations: Vec<ConversationPair<'a>>,
    /// All differences, with and without a known reason.
    pub differences: Vec<Difference>,
}

impl<'a> Comparison<'a> {
    /// Compares a captured recording with a synthesised one.
    #[must_use]
    pub fn new(made: &'a Recording, captured: &'a Recording) -> Self {
        let mut differences = Vec::new();
        let (pairs, unpaired) = pairs::pair(made, captured);
        let mut conversations = Vec::with_capacity(pairs.len());
        for (index, (made_conversation, captured_conversation)) in pairs.into_iter().enumerate() {
            let groups = align::group_segments(made_conversation, captured_conversation);
            explain::compare_pair(index, made_conversation, captured_conversation, &groups, &mut differences);
            conversations.push(ConversationPair { made: made_conversation, captured: captured_conversation, groups });
        }
        explain::compare_order(&conversations, &mut differences);
        for (source, conversation) in unpaired {
            let summary = format!("{conversation}, {} frames", conversation.segments().len());
            let frame = conversation.segments().first().map(|segment| segment.frame);
            let missing = "missing".to_owned();
            let place = FieldPlace { conversation: None, field: ComparedField::Conversation, from: None };
            let kind = match source {
                pairs::Source::Made => DifferenceKind {
                    made_frame: frame,
                    made: summary,
                    captured_frame: None,
                    captured: missing,
                    reason: None,
                },
                pairs::Source::Captured => DifferenceKind {
                    made_frame: None,
                    made: missing,
                    captured_frame: frame,
                    captured: summary,
                    reason: None,
                },
            };
            differences.push(Difference::new(place, kind));
        }
        if made.other_frames() != captured.other_frames() {
            differences.push(Difference::new(
                FieldPlace { conversation: None, field: ComparedField::OtherFrames, from: None },
                DifferenceKind {
                    made_frame: None,
                    made: made.other_frames().to_string(),
                    captured_frame: None,
                    captured: captured.other_frames().to_string(),
                    reason: None,
                },
            ));
        }
        Self { conversations, differences }
    }

    /// The differences without a known reason.
    pub fn unexplained(&self) -> impl Iterator<Item = &Difference> {
        self.differences.iter().filter(|difference| difference.kind.reason.is_none())
    }
}

#[cfg(test)]
mod tests;

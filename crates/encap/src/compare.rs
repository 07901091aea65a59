//! Compare: what was synthesised beside what a kernel made of the same rows, field by field, each difference with its
//! reason.
//!
//! ```text
//! capture, or rows built in memory ─▶ Recording ─┐
//!                                                ├─▶ which conversations belong together ─▶ which segments ─▶ fields
//! capture of `encap send` ─────────▶ Recording ──┘
//! ```
//!
//! Packets are not rows, and no two kernels send the same ones: data is matched by where its bytes lie in the stream of
//! its direction, however it was cut; SYN, FIN and RST by what they are; a bare acknowledgment by its number; datagrams by
//! their order. What begins at random (sequence numbers, packet ids, clocks) is compared counted from its beginning.
//!
//! A difference has a reason only if what a kernel is known to do explains *this* value: an option list in another order
//! has none, an MSS of 65,495 on loopback has one. What has none is said to have none.

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
pub use recording::{RecordedConversation, Recording, RecordingError};

/// Two conversations that carry the same, segment by segment.
#[derive(Clone, Debug)]
pub struct ConversationPair<'a> {
    /// The synthesised one.
    pub made: &'a RecordedConversation,
    /// The captured one.
    pub captured: &'a RecordedConversation,
    /// Their segments, those that belong together on one line.
    pub groups: Vec<SegmentGroup>,
}

/// Two recordings, held against each other.
#[derive(Clone, Debug)]
pub struct Comparison<'a> {
    /// The conversations that belong together.
    pub conversations: Vec<ConversationPair<'a>>,
    /// All that is not the same.
    pub differences: Vec<Difference>,
}

impl<'a> Comparison<'a> {
    /// Holds what was captured against what was synthesised.
    #[must_use]
    pub fn new(made: &'a Recording, captured: &'a Recording) -> Self {
        let mut differences = Vec::new();
        let (pairs, left) = pairs::pair(made, captured);
        let mut conversations = Vec::with_capacity(pairs.len());
        for (index, (made, captured)) in pairs.into_iter().enumerate() {
            let groups = align::group_segments(made, captured);
            explain::conversation(index, made, captured, &groups, &mut differences);
            conversations.push(ConversationPair { made, captured, groups });
        }
        explain::order(&conversations, &mut differences);
        for (side, conversation) in left {
            let about = format!("{conversation}, {} frames", conversation.segments().len());
            let frame = conversation.segments().first().map(|segment| segment.frame);
            let none = || "not there".to_owned();
            let (made, captured, made_frame, captured_frame) = match side {
                pairs::Source::Made => (about, none(), frame, None),
                pairs::Source::Captured => (none(), about, None, frame),
            };
            differences.push(Difference::new(
                FieldPlace { conversation: None, field: ComparedField::Conversation, from: None },
                DifferenceKind { made_frame, made, captured_frame, captured, reason: None },
            ));
        }
        if made.beside() != captured.beside() {
            differences.push(Difference::new(
                FieldPlace { conversation: None, field: ComparedField::OtherFrames, from: None },
                DifferenceKind {
                    made_frame: None,
                    made: made.beside().to_string(),
                    captured_frame: None,
                    captured: captured.beside().to_string(),
                    reason: None,
                },
            ));
        }
        Self { conversations, differences }
    }

    /// Those differences for which no reason is known.
    pub fn unexplained(&self) -> impl Iterator<Item = &Difference> {
        self.differences.iter().filter(|difference| difference.kind.reason.is_none())
    }
}

#[cfg(test)]
mod tests;

//! The first reading: what there is in a capture.

use std::convert::Infallible;

use super::ConversationId;
use crate::analyze::chat::{Transcript, TranscriptEntry, Verdict};
use crate::analyze::{Conversation, StreamEvent, StreamListener, Streams, Totals};
use crate::capture::{CapturedPacket, Format, Interface, Reader, Section};

/// Conversations that are listed: the first ones of a capture.
pub const LISTED_MAX: usize = 200;
/// Entries of the transcript that are kept.
pub const ENTRIES_MAX: usize = 400;

/// What there is in a capture.
#[derive(Debug)]
pub struct CaptureSummary {
    /// Which kind of file it is.
    pub format: Format,
    /// Its interfaces.
    pub interfaces: Vec<Interface>,
    /// What its last section says of where it was made.
    pub section: Section,
    /// What its sections remark on themselves, each remark once.
    pub remarks: Vec<String>,
    /// Packets of sections that say that they were made, not captured, and what the first of these sections says.
    pub synthesised: Option<(u64, String)>,
    /// What there was as a whole.
    pub totals: Totals,
    /// The first conversations.
    pub listed: Vec<Conversation>,
    /// The one that is drawn.
    pub chosen: Option<Conversation>,
    /// What was said in chats: its beginning.
    pub entries: Vec<TranscriptEntry>,
    /// Entries that are not kept.
    pub entries_left_out: u64,
    /// What there is to say of all chats.
    pub verdict: Verdict,
    /// What the reader went past.
    pub notes: Vec<String>,
    /// Why the file could not be read to its end.
    pub damage: Option<String>,
}

/// Takes a capture packet by packet.
#[derive(Debug)]
pub(super) struct SummaryPass {
    streams: Streams,
    heard: SummaryListener,
    transcript: Vec<TranscriptEntry>,
    left_out: u64,
    synthesised: Option<(u64, String)>,
}

/// What is kept of what is heard.
#[derive(Debug)]
struct SummaryListener {
    transcript: Transcript,
    listed: Vec<Conversation>,
    wanted: Option<ConversationId>,
    chosen: Option<Conversation>,
}

impl StreamListener for SummaryListener {
    fn said(&mut self, said: StreamEvent<'_>) {
        self.transcript.said(said);
    }

    fn over(&mut self, conversation: Conversation) {
        let is_chosen = match (self.wanted, &self.chosen) {
            (Some(which), _) => {
                which == ConversationId { transport: conversation.transport, number: conversation.number }
            }
            (None, None) => true,
            (None, Some(chosen)) => {
                (conversation.segments(), chosen.first_frame) > (chosen.segments(), conversation.first_frame)
            }
        };
        if is_chosen {
            self.chosen = Some(conversation.clone());
        }
        self.transcript.over(conversation.clone());
        self.listed.push(conversation);
        if self.listed.len() == 2 * LISTED_MAX {
            self.cut();
        }
    }
}

impl SummaryListener {
    /// Keeps the first conversations, in order.
    fn cut(&mut self) {
        self.listed.sort_by_key(|conversation| conversation.first_frame);
        self.listed.truncate(LISTED_MAX);
    }
}

impl SummaryPass {
    pub(super) fn new(wanted: Option<ConversationId>) -> Self {
        let heard = SummaryListener { transcript: Transcript::default(), listed: Vec::new(), wanted, chosen: None };
        Self { streams: Streams::new(Vec::new()), heard, transcript: Vec::new(), left_out: 0, synthesised: None }
    }

    pub(super) fn packet(&mut self, packet: &CapturedPacket<'_>) {
        self.heard.transcript.packet_at(packet.time);
        self.streams.packet(packet, &mut self.heard);
        if self.heard.transcript.is_long() {
            self.tell();
        }
    }

    /// The section of the packet that came last.
    pub(super) fn section(&mut self, section: &Section) {
        if let Some(comment) = section.synthesised() {
            self.synthesised.get_or_insert_with(|| (0, comment.to_owned())).0 += 1;
        }
    }

    fn tell(&mut self) {
        let Ok(()) = self.heard.transcript.tell(|entry| {
            if self.transcript.len() < ENTRIES_MAX {
                self.transcript.push(entry);
            } else {
                self.left_out += 1;
            }
            Ok::<(), Infallible>(())
        });
    }

    pub(super) fn finish<R>(mut self, reader: &Reader<R>, damage: Option<String>) -> CaptureSummary {
        let streams = std::mem::replace(&mut self.streams, Streams::new(Vec::new()));
        let totals = streams.finish(&mut self.heard);
        self.tell();
        self.heard.cut();
        let SummaryListener { transcript, listed, chosen, .. } = self.heard;
        let mut notes: Vec<String> = reader.notes().list().iter().map(ToString::to_string).collect();
        if reader.notes().left_out() > 0 {
            notes.push(format!("{} further remarks are left out", reader.notes().left_out()));
        }
        CaptureSummary {
            format: reader.format(),
            interfaces: reader.interfaces().to_vec(),
            section: reader.section().clone(),
            remarks: reader.remarks().to_vec(),
            synthesised: self.synthesised,
            totals,
            listed,
            chosen,
            entries: self.transcript,
            entries_left_out: self.left_out,
            verdict: transcript.verdict(),
            notes,
            damage,
        }
    }
}

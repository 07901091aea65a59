//! The first pass: all conversations of a capture, in short.

use std::convert::Infallible;

use super::ConversationId;
use crate::analyze::chat::{Transcript, TranscriptEntry, Verdict};
use crate::analyze::{Conversation, StreamEvent, StreamListener, Streams, Totals};
use crate::capture::{CapturedPacket, Format, Interface, Reader, Section};

/// Maximum number of listed conversations. Later ones are only counted.
pub const LISTED_MAX: usize = 200;
/// Maximum number of transcript entries. Later ones are only counted.
pub const ENTRIES_MAX: usize = 400;

/// The result of the first pass.
#[derive(Debug)]
pub struct CaptureSummary {
    /// pcap or pcapng.
    pub format: Format,
    /// The interfaces, in the order of their descriptions.
    pub interfaces: Vec<Interface>,
    /// The last section: the capturing program, system and hardware.
    pub section: Section,
    /// The comments on all sections, without repetitions.
    pub remarks: Vec<String>,
    /// Number of packets in sections that are marked as synthesised, and the comment of the first such section.
    pub synthesised: Option<(u64, String)>,
    /// Counters of the whole capture.
    pub totals: Totals,
    /// The first [`LISTED_MAX`] conversations.
    pub listed: Vec<Conversation>,
    /// The conversation to draw.
    pub chosen: Option<Conversation>,
    /// The first [`ENTRIES_MAX`] entries of the chat transcript.
    pub entries: Vec<TranscriptEntry>,
    /// Number of later entries.
    pub entries_left_out: u64,
    /// The verdict on all chats.
    pub verdict: Verdict,
    /// Diagnostics of the capture reader.
    pub notes: Vec<String>,
    /// The error that ended the file early.
    pub damage: Option<String>,
}

/// Receives the packets of a capture one by one, and collects the summary of the report.
#[derive(Debug)]
pub(super) struct SummaryPass {
    streams: Streams,
    listener: SummaryListener,
    entries: Vec<TranscriptEntry>,
    entries_left_out: u64,
    synthesised: Option<(u64, String)>,
}

/// Collects the conversations of the first pass.
#[derive(Debug)]
struct SummaryListener {
    transcript: Transcript,
    listed: Vec<Conversation>,
    requested: Option<ConversationId>,
    /// The requested conversation, or else the one with the most segments so far.
    chosen: Option<Conversation>,
}

impl StreamListener for SummaryListener {
    fn on_event(&mut self, event: StreamEvent<'_>) {
        self.transcript.on_event(event);
    }

    fn on_end(&mut self, conversation: Conversation) {
        let is_chosen = match (self.requested, &self.chosen) {
            (Some(id), _) => id == ConversationId { transport: conversation.transport, number: conversation.number },
            (None, None) => true,
            (None, Some(chosen)) => {
                // Of two equally long ones, the earlier.
                (conversation.segments(), chosen.first_frame) > (chosen.segments(), conversation.first_frame)
            }
        };
        if is_chosen {
            self.chosen = Some(conversation.clone());
        }
        self.transcript.on_end(conversation.clone());
        self.listed.push(conversation);
        if self.listed.len() == 2 * LISTED_MAX {
            self.keep_first();
        }
    }
}

impl SummaryListener {
    /// Keeps the first [`LISTED_MAX`] conversations, in order.
    fn keep_first(&mut self) {
        self.listed.sort_by_key(|conversation| conversation.first_frame);
        self.listed.truncate(LISTED_MAX);
    }
}

impl SummaryPass {
    pub(super) fn new(requested: Option<ConversationId>) -> Self {
        let listener =
            SummaryListener { transcript: Transcript::default(), listed: Vec::new(), requested, chosen: None };
        Self {
            streams: Streams::new(Vec::new()),
            listener,
            entries: Vec::new(),
            entries_left_out: 0,
            synthesised: None,
        }
    }

    /// Receives the next packet.
    pub(super) fn packet(&mut self, packet: &CapturedPacket<'_>) {
        self.listener.transcript.note_packet_time(packet.time);
        self.streams.packet(packet, &mut self.listener);
        if self.listener.transcript.is_long() {
            self.take_entries();
        }
    }

    /// Receives the section of the latest packet, and counts the packet if the section is synthesised.
    pub(super) fn note_section(&mut self, section: &Section) {
        if let Some(comment) = section.synthesised() {
            self.synthesised.get_or_insert_with(|| (0, comment.to_owned())).0 += 1;
        }
    }

    fn take_entries(&mut self) {
        let Ok(()) = self.listener.transcript.write_entries(|entry| {
            if self.entries.len() < ENTRIES_MAX {
                self.entries.push(entry);
            } else {
                self.entries_left_out += 1;
            }
            Ok::<(), Infallible>(())
        });
    }

    pub(super) fn finish<R>(mut self, reader: &Reader<R>, damage: Option<String>) -> CaptureSummary {
        let streams = std::mem::replace(&mut self.streams, Streams::new(Vec::new()));
        let totals = streams.finish(&mut self.listener);
        self.take_entries();
        self.listener.keep_first();
        let SummaryListener { transcript, listed, chosen, .. } = self.listener;
        CaptureSummary {
            format: reader.format(),
            interfaces: reader.interfaces().to_vec(),
            section: reader.section().clone(),
            remarks: reader.section_comments().to_vec(),
            synthesised: self.synthesised,
            totals,
            listed,
            chosen,
            entries: self.entries,
            entries_left_out: self.entries_left_out,
            verdict: transcript.verdict(),
            notes: reader.notes().lines().collect(),
            damage,
        }
    }
}

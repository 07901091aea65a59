//! A report on a capture: one self-contained page, and drawings that other documents can embed.
//!
//! ```text
//! capture ─┬─▶ SummaryPass: all conversations ─▶ CaptureSummary ─┬─▶ Report ─▶ page (HTML, with its drawings as SVG)
//!          └─▶ DetailPass: one conversation ───▶ Diagrams ───────┘
//! ```
//!
//! A capture is read twice. The first pass lists the conversations and their time spans. The second pass draws one
//! conversation. Because its time span is already known, each drawing has a bounded number of parts, and memory does
//! not grow with the file. The page says how much it leaves out.
//!
//! Each drawing is a value that takes [`DrawnSegment`]s and returns a stand-alone SVG:
//! [`Sequence`], [`TimeSequence`], [`RoundTrip`], [`Throughput`]. [`Diagrams`] has them all for one conversation.
//!
//! ```
//! use switchboard_encap::report::{Report, ReportOptions, page};
//!
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/captures/csv_send_macos_lo0.pcapng");
//! let mut file = std::fs::File::open(path)?;
//! let report = Report::read(&mut file, "csv_send_macos_lo0.pcapng", &ReportOptions::default())?;
//! let diagrams = report.diagrams.as_ref().expect("there is a conversation");
//! assert!(diagrams.sequence.svg(diagrams.ends).into_string().starts_with("<svg"));
//! assert!(page(&report).into_string().starts_with("<!DOCTYPE html>"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod axis;
mod byte_count;
mod detail_pass;
mod diagrams;
mod drawn_segment;
mod page;
pub mod plot;
mod round_trip;
mod sequence;
mod summary_pass;
pub mod svg_color;
mod throughput;
mod time_sequence;
mod time_span;

use std::io::{self, Read, Seek};

use crate::analyze::Transport;
use crate::capture::{ReadError, Reader};

pub use detail_pass::FrameShown;
pub use diagrams::Diagrams;
pub use drawn_segment::DrawnSegment;
pub use page::page;
pub use round_trip::RoundTrip;
pub use sequence::{FIRST_MAX, LAST_MAX, Sequence};
pub use summary_pass::{CaptureSummary, ENTRIES_MAX, LISTED_MAX};
pub use throughput::Throughput;
pub use time_sequence::TimeSequence;
pub use time_span::TimeSpan;

use detail_pass::DetailPass;
use summary_pass::SummaryPass;

/// Selection of the conversation and the frame that a report shows in full.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReportOptions {
    /// The conversation to draw. By default, the conversation with the most segments.
    pub conversation: Option<ConversationId>,
    /// The frame to show layer by layer. By default, the first frame of the conversation that has a payload.
    pub frame: Option<u64>,
}

/// Identifies a conversation of a capture.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ConversationId {
    /// Transport of the conversation.
    pub transport: Transport,
    /// Its number among the conversations of that transport, from 0.
    pub number: u64,
}

/// The reason why a report cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The file is not a capture.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The input cannot be read a second time.
    #[error("the input cannot be read twice, but a report needs that: store it in a file first ({0})")]
    Rewind(io::Error),
    /// The capture lacks the selected conversation.
    #[error("there is no {} conversation {}: encap analyze lists them", .0.transport, .0.number)]
    NoConversation(ConversationId),
    /// The capture lacks the selected frame.
    #[error("the capture has {frames} frames: there is no frame {number}")]
    NoFrame {
        /// The selected frame.
        number: u64,
        /// Frames of the capture.
        frames: u64,
    },
}

/// The content of a page.
#[derive(Debug)]
pub struct Report {
    /// The name of the file, safe to show.
    pub file: String,
    /// The result of the first pass.
    pub summary: CaptureSummary,
    /// The drawings of the selected conversation. `None` for a capture without conversations.
    pub diagrams: Option<Diagrams>,
    /// The selected frame. `None` for an empty capture.
    pub frame: Option<FrameShown>,
}

impl Report {
    /// Reads a capture twice. `file` is its name on the page.
    pub fn read(input: &mut (impl Read + Seek), file: &str, options: &ReportOptions) -> Result<Self, ReportError> {
        input.rewind().map_err(ReportError::Rewind)?;
        let mut reader = Reader::new(&mut *input)?;
        let mut summary_pass = SummaryPass::new(options.conversation);
        let damage = loop {
            match reader.next_packet() {
                Ok(Some(packet)) => summary_pass.packet(&packet),
                Ok(None) => break None,
                Err(error) => break Some(error.to_string()),
            }
            summary_pass.note_section(reader.section());
        };
        let summary = summary_pass.finish(&reader, damage);
        if let (Some(id), None) = (options.conversation, &summary.chosen) {
            return Err(ReportError::NoConversation(id));
        }
        let frames = summary.totals.packets;
        if let Some(number) = options.frame.filter(|number| *number > frames) {
            return Err(ReportError::NoFrame { number, frames });
        }
        input.rewind().map_err(ReportError::Rewind)?;
        let mut reader = Reader::new(input)?;
        let mut detail_pass = DetailPass::new(summary.chosen.as_ref(), options.frame);
        // A read error ends this pass, too. The first pass has reported it.
        while let Ok(Some(packet)) = reader.next_packet() {
            if detail_pass.is_past(packet.number) {
                break;
            }
            detail_pass.packet(&packet);
        }
        let (diagrams, frame) = detail_pass.finish();
        Ok(Self { file: switchboard_protocol::sanitize(file).into_owned(), summary, diagrams, frame })
    }
}

#[cfg(test)]
mod tests;

//! A report about a capture: one page that needs nothing else, and drawings that other documents can take.
//!
//! ```text
//! capture ─┬─▶ SummaryPass: all conversations ─▶ CaptureSummary ─┬─▶ Report ─▶ page (HTML, with its drawings as SVG)
//!          └─▶ DetailPass: one conversation ───▶ Diagrams ───────┘
//! ```
//!
//! A capture is read twice: once to learn what there is in it, and once more for the drawings of one conversation, whose
//! time is known by then. So each drawing has a bounded number of parts, and memory does not follow the file. What is
//! left out is said.
//!
//! Each drawing is a value of its own, which takes [`DrawnSegment`]s and gives an SVG that stands alone:
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

/// What a report is to show in full.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReportOptions {
    /// The conversation that is drawn. By default the one with the most segments.
    pub conversation: Option<ConversationId>,
    /// The frame that is shown layer by layer. By default that conversation's first one with a payload.
    pub frame: Option<u64>,
}

/// One conversation, by its number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ConversationId {
    /// What carries it.
    pub transport: Transport,
    /// Its number among those.
    pub number: u64,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// It is no capture.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It cannot be read again.
    #[error("it cannot be read twice, as a report needs: put it in a file first ({0})")]
    Rewind(io::Error),
    /// There is no such conversation.
    #[error("there is no {} conversation {}: encap analyze lists them", .0.transport, .0.number)]
    NoConversation(ConversationId),
    /// There is no such frame.
    #[error("it has {frames} frames: there is no frame {number}")]
    NoFrame {
        /// The one that was wanted.
        number: u64,
        /// How many there are.
        frames: u64,
    },
}

/// All that a page is made of.
#[derive(Debug)]
pub struct Report {
    /// The name of the file, safe to show.
    pub file: String,
    /// What there is in it.
    pub findings: CaptureSummary,
    /// The drawings of one conversation, if there is one.
    pub diagrams: Option<Diagrams>,
    /// One frame in full, if there is one.
    pub frame: Option<FrameShown>,
}

impl Report {
    /// Reads a capture, twice. `file` is what it is called.
    pub fn read(input: &mut (impl Read + Seek), file: &str, wanted: &ReportOptions) -> Result<Self, ReportError> {
        input.rewind().map_err(ReportError::Rewind)?;
        let mut reader = Reader::new(&mut *input)?;
        let mut summary_pass = SummaryPass::new(wanted.conversation);
        let damage = loop {
            match reader.next_packet() {
                Ok(Some(packet)) => summary_pass.packet(&packet),
                Ok(None) => break None,
                Err(error) => break Some(error.to_string()),
            }
            summary_pass.section(reader.section());
        };
        let findings = summary_pass.finish(&reader, damage);
        if let (Some(which), None) = (wanted.conversation, &findings.chosen) {
            return Err(ReportError::NoConversation(which));
        }
        let frames = findings.totals.packets;
        if let Some(number) = wanted.frame.filter(|number| *number > frames) {
            return Err(ReportError::NoFrame { number, frames });
        }
        input.rewind().map_err(ReportError::Rewind)?;
        let mut reader = Reader::new(input)?;
        let mut detail_pass = DetailPass::new(findings.chosen.as_ref(), wanted.frame);
        // What could not be read is known from the first time.
        while let Ok(Some(packet)) = reader.next_packet() {
            if detail_pass.is_past(packet.number) {
                break;
            }
            detail_pass.packet(&packet);
        }
        let (diagrams, frame) = detail_pass.finish();
        Ok(Self { file: switchboard_protocol::sanitize(file).into_owned(), findings, diagrams, frame })
    }
}

#[cfg(test)]
mod tests;

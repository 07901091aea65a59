//! All that is said of a frame, as data.

use serde::{Serialize, Serializer};
use switchboard_protocol::sanitize;

use super::checksum::ChecksumView;
use super::{FrameRecord, LayerView, RowView, Stage, escape, layer, seconds};
use crate::wire::Issue;

/// What is shown of a payload as text, in bytes: more is told by its length, and is in the dump.
const TEXT_MAX_BYTES: usize = 2048;

/// All that is said of a frame. Every text in it is safe to show.
#[derive(Clone, Debug, Serialize)]
pub struct FrameView<'a> {
    /// The frame's number, from 1.
    pub number: u64,
    /// When it was captured, as ISO 8601.
    pub time: Option<String>,
    /// When it was captured, in seconds after the first.
    pub since_first: Option<String>,
    /// What its first bytes are.
    pub link_type: String,
    /// Bytes that it had on the wire.
    pub original_len: u32,
    /// What was remarked on it.
    pub comments: Vec<String>,
    /// The row that it was made for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<RowView>,
    /// What could not be read, or is not as it should be.
    pub issues: Vec<IssueView>,
    /// Its layers, from the outermost in.
    pub layers: Vec<LayerView>,
    /// What it carries, as text; the beginning of it, if it is long.
    pub text: String,
    /// Bytes of it that are not in `text`.
    pub text_left_out: usize,
    /// Bytes of payload on the wire, more than there are if the capture cut the frame short.
    pub payload_len_on_wire: u32,
    /// Its checksums, each worked.
    pub checksums: Vec<ChecksumView>,
    /// All that was captured.
    #[serde(rename = "hex", serialize_with = "as_hex")]
    pub bytes: &'a [u8],
}

/// An issue of a frame.
#[derive(Clone, Debug, Serialize)]
pub struct IssueView {
    /// The byte of the frame that it is about.
    pub at: u32,
    /// What it is.
    pub what: String,
}

fn as_hex<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&escape::hex(bytes))
}

impl<'a> FrameView<'a> {
    /// All that is to be said of a frame.
    #[must_use]
    pub fn new(record: &FrameRecord<'a>) -> Self {
        let frame = &record.frame;
        let payload = frame.payload();
        let payload_end = layer::payload_end(frame);
        let (text, text_left_out) = escape::text(payload, TEXT_MAX_BYTES);
        let issue = |issue: &Issue| IssueView { at: issue.at, what: issue.what.to_string() };
        Self {
            number: record.number,
            time: record.time.map(|time| time.iso().to_string()),
            since_first: record.relative_nanos().map(seconds),
            link_type: frame.link_type().to_string(),
            original_len: frame.original_len(),
            comments: record.comments.iter().map(|comment| sanitize(comment).into_owned()).collect(),
            row: record.row.as_ref().map(RowView::new),
            issues: frame.issues().iter().map(issue).collect(),
            layers: frame.layers().iter().map(|layer| LayerView::new(frame, layer, payload_end)).collect(),
            text,
            text_left_out,
            payload_len_on_wire: frame.payload_len_on_wire(),
            checksums: ChecksumView::all(frame),
            bytes: frame.bytes(),
        }
    }

    /// Whether the capture kept only the beginning of the frame.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.bytes.len() < self.original_len as usize
    }

    /// How the message grew to a frame: `payload 15 → TCP segment 15 + 32 = 47 → …`, from its row if that is known.
    #[must_use]
    pub fn wrapping(&self) -> String {
        let trailer = self.layers.iter().find(|layer| layer.stage == Stage::Trailer);
        let mut steps: Vec<_> = self.row.iter().map(|row| format!("row {}", row.msg_id)).collect();
        let mut inside = 0;
        for layer in self.layers.iter().rev().filter(|layer| layer.stage != Stage::Trailer) {
            let after = trailer.filter(|trailer| layer.range().end <= trailer.start && trailer.end <= layer.inside_end);
            let after = after.map_or(String::new(), |trailer| format!(" + {} of trailer", trailer.adds()));
            steps.push(match inside {
                0 if after.is_empty() => format!("{} {}", layer.unit, layer.total()),
                inside => format!("{} {inside} + {}{after} = {}", layer.unit, layer.adds(), layer.total()),
            });
            inside = layer.total();
        }
        let captured = if self.is_cut() { "as far as it was captured: " } else { "" };
        format!("{captured}{}", steps.join(" → "))
    }

    /// The layer that a byte of the frame belongs to.
    #[must_use]
    pub fn layer_at(&self, at: usize) -> Option<&LayerView> {
        self.layers.iter().find(|layer| layer.range().contains(&at))
    }
}

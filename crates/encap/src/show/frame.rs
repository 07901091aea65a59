//! Everything to display about a frame, as data.

use serde::{Serialize, Serializer};
use switchboard_protocol::sanitize;

use super::checksum::ChecksumView;
use super::{FrameRecord, LayerView, RowView, Stage, escape, layer, seconds};
use crate::wire::FrameIssue;

/// Maximum bytes of a payload shown as text. The dump shows the others, too.
const TEXT_MAX_BYTES: usize = 2048;

/// Everything to display about a frame. All texts are safe to display.
#[derive(Clone, Debug, Serialize)]
pub struct FrameView<'a> {
    /// Frame number, from 1.
    pub(crate) number: u64,
    /// Capture time in ISO 8601.
    pub(crate) time: Option<String>,
    /// Seconds since the first frame.
    pub(crate) since_first: Option<String>,
    /// Link type, the format of the first header.
    pub(crate) link_type: String,
    /// Length on the wire, in bytes.
    pub(crate) original_len: u32,
    pub(crate) comments: Vec<String>,
    /// The row from which the frame was synthesised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) row: Option<RowView>,
    /// Unreadable or irregular parts.
    pub(crate) issues: Vec<FrameIssue>,
    /// The layers, outermost first.
    pub(crate) layers: Vec<LayerView>,
    /// Start of the payload as text.
    pub(crate) text: String,
    /// Payload bytes not shown in `text`.
    pub(crate) text_left_out: usize,
    /// Payload length on the wire, in bytes. Longer than the captured payload if the capture cut the frame.
    pub(crate) payload_len_on_wire: u32,
    /// The checksums, each with its calculation.
    pub(crate) checksums: Vec<ChecksumView>,
    #[serde(rename = "hex", serialize_with = "as_hex")]
    pub(crate) bytes: &'a [u8],
}

fn as_hex<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&escape::hex(bytes))
}

impl<'a> FrameView<'a> {
    /// Collects everything to display about a frame.
    #[must_use]
    pub fn new(record: &FrameRecord<'a>) -> Self {
        let frame = &record.frame;
        let payload = frame.payload();
        let payload_end = layer::payload_end(frame);
        let (text, text_left_out) = escape::text(payload, TEXT_MAX_BYTES);
        Self {
            number: record.number,
            time: record.time.map(|time| time.iso().to_string()),
            since_first: record.relative_nanos().map(seconds),
            link_type: frame.link_type().to_string(),
            original_len: frame.original_len(),
            comments: record.comments.iter().map(|comment| sanitize(comment).into_owned()).collect(),
            row: record.row.as_ref().map(RowView::new),
            issues: frame.issues(),
            layers: frame.layers().iter().map(|layer| LayerView::new(frame, layer, payload_end)).collect(),
            text,
            text_left_out,
            payload_len_on_wire: frame.payload_len_on_wire(),
            checksums: ChecksumView::all(frame),
            bytes: frame.bytes(),
        }
    }

    /// Whether the capture truncated the frame.
    pub(crate) fn is_cut(&self) -> bool {
        self.bytes.len() < self.original_len as usize
    }

    /// The lengths from payload to frame: `payload 15 → TCP segment 15 + 32 = 47 → …`. It starts with the row, if
    /// known.
    #[must_use]
    pub fn wrapping(&self) -> String {
        let trailer = self.layers.iter().find(|layer| layer.stage == Stage::Trailer);
        let mut steps: Vec<_> = self.row.iter().map(|row| format!("row {}", row.msg_id)).collect();
        // The length of the layers so far.
        let mut inside = 0;
        for layer in self.layers.iter().rev().filter(|layer| layer.stage != Stage::Trailer) {
            let inner_trailer = trailer.filter(|it| layer.end <= it.start && it.end <= layer.inside_end);
            let trailer_len = inner_trailer.map_or(String::new(), |it| format!(" + {} of trailer", it.own_len()));
            steps.push(match inside {
                0 if inner_trailer.is_none() => format!("{} {}", layer.unit, layer.total_len()),
                inside => format!("{} {inside} + {}{trailer_len} = {}", layer.unit, layer.own_len(), layer.total_len()),
            });
            inside = layer.total_len();
        }
        let captured = if self.is_cut() { "captured part: " } else { "" };
        format!("{captured}{}", steps.join(" → "))
    }

    /// The layer of the byte at an offset. `None` if no layer claims the byte.
    pub(crate) fn layer_at(&self, at: usize) -> Option<&LayerView> {
        self.layers.iter().find(|layer| layer.range().contains(&at))
    }
}

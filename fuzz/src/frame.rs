//! A frame, taken apart and shown each way.

use switchboard_encap::show::{FrameRecord, FrameView, html, text};
use switchboard_encap::wire::{Frame, LinkType};
use switchboard_protocol::is_display_control;

/// The link types that are known, and one that is not.
pub const LINK_TYPES: [LinkType; 9] = [
    LinkType::NULL,
    LinkType::ETHERNET,
    LinkType::RAW,
    LinkType::LOOP,
    LinkType::LINUX_SLL,
    LinkType::IPV4,
    LinkType::IPV6,
    LinkType::LINUX_SLL2,
    LinkType(147),
];

/// How frames are printed.
pub(crate) const PLAIN: text::TextLayout = text::TextLayout { width: 80, coloured: false };

/// Takes bytes for a frame, whole or cut short, of each link type in turn, and shows the one that makes most of them.
///
/// # Panics
///
/// If something does not hold that holds of any frame.
pub fn check_frame(bytes: &[u8]) {
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    for link_type in LINK_TYPES {
        for original_len in [len, len.saturating_add(1), u32::MAX] {
            assert_covered(&Frame::parse(link_type, bytes, original_len));
        }
    }
    let frames = LINK_TYPES.map(|link_type| Frame::parse(link_type, bytes, len));
    if let Some(most) = frames.into_iter().max_by_key(|frame| frame.layers().len()) {
        show(&FrameRecord::new(1, most));
    }
}

/// Shows a frame in full, each way.
pub(crate) fn show(record: &FrameRecord<'_>) {
    assert_covered(&record.frame);
    let view = FrameView::new(record);
    assert_safe(&text::frame(&view, PLAIN));
    assert!(!html::frame(&view).into_string().is_empty());
    assert!(serde_json::to_string(&view).is_ok());
}

/// Layers touch, cover the frame, and hold their fields; what can be asked of a frame is answered.
fn assert_covered(frame: &Frame<'_>) {
    let mut at = 0;
    for layer in frame.layers() {
        assert_eq!(layer.range().start, at, "layers touch: {:?}", frame.layers());
        at = layer.range().end;
        let fields = frame.fields(&layer);
        assert!(fields.iter().all(|field| field.bytes.end <= layer.range().len()), "{}: {fields:?}", layer.kind);
    }
    assert_eq!(at, frame.bytes().len(), "layers cover the frame: {:?}", frame.layers());
    for issue in frame.issues() {
        assert_safe(&issue.to_string());
    }
    let _ = (frame.verify(), frame.payload_len_on_wire(), frame.addresses(), frame.icmp().map(|icmp| icmp.is_error()));
}

/// No display control from the input reaches the terminal.
pub(crate) fn assert_safe(text: &str) {
    assert!(!text.contains(|c| c != '\n' && is_display_control(c)), "{text:?}");
}

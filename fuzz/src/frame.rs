//! Checks a frame with the parser and every output format.

use switchboard_encap::show::{FrameRecord, FrameView, html, text};
use switchboard_encap::wire::{Frame, LinkType};
use switchboard_protocol::is_display_control;

/// The supported link types, and one that is not supported.
pub const LINK_TYPES: [LinkType; 9] = [
    LinkType::NULL,
    LinkType::ETHERNET,
    LinkType::RAW,
    LinkType::LOOP,
    LinkType::LINUX_SLL,
    LinkType::IPV4,
    LinkType::IPV6,
    LinkType::LINUX_SLL2,
    // LINKTYPE_USER0, which is reserved for private use.
    LinkType(147),
];

/// Layout of printed frames.
pub(crate) const PLAIN: text::TextLayout = text::TextLayout { width: 80, coloured: false };

/// Parses the bytes as a frame of each link type, whole and truncated, and renders the frame with the most layers.
///
/// # Panics
///
/// If the result breaks a property that must hold for every frame.
pub fn check_frame(bytes: &[u8]) {
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    for link_type in LINK_TYPES {
        for original_len in [len, len.saturating_add(1), u32::MAX] {
            assert_covered(&Frame::parse(link_type, bytes, original_len));
        }
    }
    let frames = LINK_TYPES.map(|link_type| Frame::parse(link_type, bytes, len));
    if let Some(deepest) = frames.into_iter().max_by_key(|frame| frame.layers().len()) {
        check_rendering(&FrameRecord::new(1, deepest));
    }
}

/// Renders a frame in full, in each output format, and checks the output.
pub(crate) fn check_rendering(record: &FrameRecord<'_>) {
    assert_covered(&record.frame);
    let view = FrameView::new(record);
    assert_safe(&text::frame(&view, PLAIN));
    assert!(!html::frame(&view).into_string().is_empty());
    assert!(serde_json::to_string(&view).is_ok());
}

/// Asserts that the layers are adjacent, cover the frame and contain their fields. Calls the other accessors, which
/// must not panic.
fn assert_covered(frame: &Frame<'_>) {
    let mut end = 0;
    for layer in frame.layers() {
        assert_eq!(layer.range().start, end, "layers are adjacent: {:?}", frame.layers());
        end = layer.range().end;
        let fields = frame.fields(&layer);
        assert!(
            fields.iter().all(|field| field.bytes.end <= layer.range().len()),
            "a layer contains its fields: {} with {fields:?}",
            layer.kind
        );
    }
    assert_eq!(end, frame.bytes().len(), "layers cover the frame: {:?}", frame.layers());
    for issue in frame.issues() {
        assert_safe(&issue.to_string());
    }
    let _ = (frame.verify(), frame.payload_len_on_wire(), frame.addresses(), frame.icmp().map(|icmp| icmp.is_error()));
}

/// Asserts that `text` has no display control except LF, so that it is safe to print.
pub(crate) fn assert_safe(text: &str) {
    assert!(!text.contains(|c| c != '\n' && is_display_control(c)), "a display control in {text:?}");
}

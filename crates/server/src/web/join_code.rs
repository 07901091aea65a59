//! The QR code of a link (ISO/IEC 18004), as an SVG image.

use std::fmt::Write as _;

use qrcodegen::{QrCode, QrCodeEcc};

/// Width of the light border, in modules (ISO/IEC 18004 §5.3.8).
const QUIET_ZONE: i32 = 4;

/// Draws the QR code of `link`. `None` if the link is too long.
pub(super) fn svg(link: &str) -> Option<String> {
    // A cracked screen or a reflection may hide a seventh of the code.
    let code = QrCode::encode_text(link, QrCodeEcc::Medium).ok()?;
    let size = code.size() + 2 * QUIET_ZONE;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {size} {size}\" shape-rendering=\"crispEdges\">\
         <path fill=\"#fff\" d=\"M0 0h{size}v{size}H0z\"/><path d=\""
    );
    for y in 0..code.size() {
        for x in (0..code.size()).filter(|&x| code.get_module(x, y)) {
            let _ = write!(svg, "M{} {}h1v1h-1z", x + QUIET_ZONE, y + QUIET_ZONE);
        }
    }
    svg.push_str("\"/></svg>");
    Some(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_has_its_finder_patterns() {
        let svg = svg("https://192.0.2.7:8088/#lab").expect("a short link");
        // Version 3 has 29 modules (ISO/IEC 18004 §5.1). The corners of a finder pattern are dark, and the ring in it is
        // light.
        assert!(svg.contains("viewBox=\"0 0 37 37\""), "{svg}");
        for corner in ["M4 4h", "M10 4h", "M26 4h", "M4 32h"] {
            assert!(svg.contains(corner), "{corner}");
        }
        assert!(!svg.contains("M5 5h"), "{svg}");
        assert_eq!(super::svg(&"x".repeat(5000)), None);
    }
}

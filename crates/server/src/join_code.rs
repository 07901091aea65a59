//! The QR code of a link (ISO/IEC 18004), as an SVG image.

use std::fmt::Write as _;

use qrcodegen::{QrCode, QrCodeEcc};

/// Width of the light border, in modules (ISO/IEC 18004 §5.3.8).
const QUIET_ZONE: i32 = 4;

/// Draws the QR code of `link`. `None` if the link is too long.
pub(crate) fn svg(link: &str) -> Option<String> {
    // A cracked screen or a reflection may hide a seventh of the code.
    let code = QrCode::encode_text(link, QrCodeEcc::Medium).ok()?;
    let size = code.size() + 2 * QUIET_ZONE;
    // Each row of dark modules is a line of width 1, so the rows begin half a module above their numbers.
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 -.5 {size} {size}\" shape-rendering=\"crispEdges\">\
         <path fill=\"#fff\" d=\"M0-.5h{size}v{size}H0z\"/><path stroke=\"#000\" d=\""
    );
    for y in 0..code.size() {
        let mut x = 0;
        while x < code.size() {
            let length = (x..code.size()).take_while(|&at| code.get_module(at, y)).count();
            if length > 0 {
                let _ = write!(svg, "M{} {}h{length}", x + QUIET_ZONE, y + QUIET_ZONE);
            }
            x += i32::try_from(length).unwrap_or(0) + 1;
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
        // Version 3 has 29 modules (ISO/IEC 18004 §5.1). A finder pattern is a dark square of 7 modules with a light ring
        // in it.
        assert!(svg.contains("viewBox=\"0 -.5 37 37\""), "{svg}");
        for row in ["M4 4h7M", "M26 4h7M", "M4 32h7M", "M4 5h1M10 5h1M", "M4 6h1M6 6h3M10 6h1M"] {
            assert!(svg.contains(row), "{row}: {svg}");
        }
        assert_eq!(super::svg(&"x".repeat(5000)), None);
    }
}

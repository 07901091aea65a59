//! The QR code of a link (ISO/IEC 18004), as an SVG image and for a terminal.

use std::fmt::Write as _;

use qrcodegen::{QrCode, QrCodeEcc};

/// Width of the light border, in modules (ISO/IEC 18004 §5.3.8).
const QUIET_ZONE: i32 = 4;

/// Colours of a terminal with 256 colours: black on white, because not all readers know light codes on a dark ground.
const DARK_ON_LIGHT: &str = "\x1b[38;5;16;48;5;231m";

/// The end of the colours.
const PLAIN: &str = "\x1b[0m";

fn encode(link: &str) -> Option<QrCode> {
    // A cracked screen or a reflection may hide a seventh of the code.
    QrCode::encode_text(link, QrCodeEcc::Medium).ok()
}

/// Draws the QR code of `link` as an image. `None` if the link is too long.
pub(crate) fn svg(link: &str) -> Option<String> {
    let code = encode(link)?;
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

/// Draws the QR code of `link` for a terminal, with two modules, one above the other, in each character. `None` if the
/// link is too long.
pub(crate) fn half_blocks(link: &str) -> Option<String> {
    let code = encode(link)?;
    let range = || -QUIET_ZONE..code.size() + QUIET_ZONE;
    let mut text = String::new();
    for y in range().step_by(2) {
        text.push_str(DARK_ON_LIGHT);
        // Modules outside of the code are light.
        text.extend(range().map(|x| match (code.get_module(x, y), code.get_module(x, y + 1)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        }));
        text.push_str(PLAIN);
        text.push('\n');
    }
    Some(text)
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

    #[test]
    fn half_blocks_have_a_light_border() {
        let text = half_blocks("https://192.0.2.7:8088/#lab").expect("a short link");
        let rows: Vec<_> = text
            .lines()
            .map(|line| line.strip_prefix(DARK_ON_LIGHT).and_then(|line| line.strip_suffix(PLAIN)).expect("colours"))
            .collect();
        // 37 modules, with an empty one below the last.
        assert_eq!(rows.len(), 19);
        assert!(rows.iter().all(|row| row.chars().count() == 37), "{text}");
        let finder_patterns = ["    █▀▀▀▀▀█", "    █ ███ █", "    █ ▀▀▀ █", "    ▀▀▀▀▀▀▀"];
        assert!(rows[..2].iter().all(|row| row.trim().is_empty()), "{text}");
        for (row, start) in rows[2..].iter().zip(finder_patterns) {
            assert!(row.starts_with(start), "{text}");
        }
        assert_eq!(half_blocks(&"x".repeat(5000)), None);
    }
}

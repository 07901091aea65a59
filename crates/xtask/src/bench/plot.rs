//! The frame of a plot: a self-contained SVG, for a light and a dark background.

/// A plot with a title. `width` and `height` are in pixels.
pub(super) fn svg(title: &str, width: f64, height: f64, body: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" role=\"img\">\
         <title>{title}</title><style>text{{font:11px system-ui,sans-serif;fill:#333}}\
         .grid{{stroke:#999;stroke-opacity:.35}}\
         svg{{background:#fff}}@media(prefers-color-scheme:dark){{svg{{background:#111}}text{{fill:#ddd}}}}</style>\
         <text x=\"8\" y=\"20\" style=\"font-size:15px;font-weight:bold\">{title}</text>{body}</svg>\n"
    )
}

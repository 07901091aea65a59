//! Drawings of one conversation, with captions, from the library of `encap report`.

use std::collections::BTreeMap;
use std::fs::File;

use serde::Serialize;
use switchboard_encap::analyze::Transport;
use switchboard_encap::report::{ConversationId, Report, ReportOptions};

use super::ReportContext;

/// An SVG file of the report with its caption.
#[derive(Debug, Serialize)]
pub(super) struct Drawing {
    file: String,
    caption: String,
    /// Time of the conversation's first segment, from the start of the capture.
    begins: String,
}

/// The drawings of one conversation, by name.
pub(super) type Drawings = BTreeMap<&'static str, Drawing>;

/// Draws TCP conversation `number` of a capture. A name in `wanted` is `sequence`, `time_client` or `time_server`
/// (that side's bytes over time), or `round_trip`.
pub(super) fn draw(
    context: &ReportContext,
    capture: &str,
    number: u64,
    who: &str,
    begins: &str,
    wanted: &[&'static str],
) -> Result<Drawings, String> {
    let file = context.run.join(capture);
    let mut input = File::open(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let which = ReportOptions { conversation: Some(ConversationId { transport: Transport::Tcp, number }), frame: None };
    let report = Report::read(&mut input, capture, &which).map_err(|error| format!("{capture}: {error}"))?;
    let diagrams = report.diagrams.ok_or_else(|| format!("{capture}: no packets of {who} to draw"))?;
    let over_time = || diagrams.over_time.as_ref().ok_or_else(|| format!("{capture}: {who} has no times"));
    let side = |at: usize| over_time().map(|over_time| &over_time.time_sequences[at]);
    let mut drawings = Drawings::new();
    for &name in wanted {
        let (svg, caption) = match name {
            "sequence" => (diagrams.sequence.svg(diagrams.ends), diagrams.sequence.caption()),
            "time_client" => (side(0)?.svg(), side(0)?.caption()),
            "time_server" => (side(1)?.svg(), side(1)?.caption()),
            "round_trip" => (over_time()?.round_trip.svg(), over_time()?.round_trip.caption()),
            other => return Err(format!("unknown drawing {other}")),
        };
        let file = format!("{who}-{}.svg", name.replace('_', "-"));
        context.write_svg(&file, &svg.into_string())?;
        drawings.insert(name, Drawing { file, caption, begins: begins.to_owned() });
    }
    Ok(drawings)
}

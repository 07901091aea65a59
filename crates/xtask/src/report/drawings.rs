//! Drawings of one conversation, with captions. The library of `encap report` draws them.

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

/// The drawings of one conversation, by the names of [`draw`].
pub(super) type Drawings = BTreeMap<&'static str, Drawing>;

/// Draws TCP conversation `number` of a capture. `wanted` holds the names of the drawings: `sequence`, `time_client`
/// and `time_server` (the bytes of one side over time), and `round_trip`. `client` is the client's name, for file
/// names and errors.
pub(super) fn draw(
    context: &ReportContext,
    capture: &str,
    number: u64,
    client: &str,
    begins: &str,
    wanted: &[&'static str],
) -> Result<Drawings, String> {
    let file = context.run.join(capture);
    let mut input = File::open(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let options =
        ReportOptions { conversation: Some(ConversationId { transport: Transport::Tcp, number }), frame: None };
    let report = Report::read(&mut input, capture, &options).map_err(|error| format!("{capture}: {error}"))?;
    let diagrams = report.diagrams.ok_or_else(|| format!("{capture}: no packets of {client} to draw"))?;
    let over_time =
        || diagrams.over_time.as_ref().ok_or_else(|| format!("{capture}: the packets of {client} have no times"));
    let time_sequence = |side: usize| over_time().map(|over_time| &over_time.time_sequences[side]);
    let mut drawings = Drawings::new();
    for &name in wanted {
        let (svg, caption) = match name {
            "sequence" => (diagrams.sequence.svg(diagrams.ends), diagrams.sequence.caption()),
            "time_client" => (time_sequence(0)?.svg(), time_sequence(0)?.caption()),
            "time_server" => (time_sequence(1)?.svg(), time_sequence(1)?.caption()),
            "round_trip" => (over_time()?.round_trip.svg(), over_time()?.round_trip.caption()),
            other => return Err(format!("there is no drawing {other}")),
        };
        let file = format!("{client}-{}.svg", name.replace('_', "-"));
        context.write_svg(&file, &svg.into_string())?;
        drawings.insert(name, Drawing { file, caption, begins: begins.to_owned() });
    }
    Ok(drawings)
}

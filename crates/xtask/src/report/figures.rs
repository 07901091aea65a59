//! The drawings of a conversation, as `encap report` makes them, with their captions.

use std::fs::File;

use serde::Serialize;
use switchboard_encap::analyze::Transport;
use switchboard_encap::report::{Report, Wanted, Which};

use super::Context;

/// A drawing, and what is seen in it.
#[derive(Debug, Serialize)]
pub(super) struct Figure {
    file: String,
    caption: String,
}

/// The drawings of one conversation.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    sequence: Figure,
    /// Of the client's bytes, and of the server's.
    time_sequences: Vec<Figure>,
    round_trip: Option<Figure>,
    throughput: Option<Figure>,
}

/// Draws the TCP conversation of this number.
pub(super) fn draw(context: &Context, capture: &str, number: u64, prefix: &str) -> Result<Figures, String> {
    let file = context.run.join(capture);
    let mut input = File::open(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let wanted = Wanted { conversation: Some(Which { transport: Transport::Tcp, number }), frame: None };
    let report = Report::read(&mut input, capture, &wanted).map_err(|error| format!("{capture}: {error}"))?;
    let diagrams = report.diagrams.ok_or_else(|| format!("{capture}: nothing to draw of conversation {number}"))?;
    let figure = |name: &str, svg: String, caption: String| -> Result<Figure, String> {
        let file = format!("{prefix}-{name}.svg");
        context.write_svg(&file, &svg)?;
        Ok(Figure { file, caption })
    };
    let sequence = figure("sequence", diagrams.sequence.svg(diagrams.ends).into_string(), diagrams.sequence.caption())?;
    let mut figures = Figures { sequence, time_sequences: Vec::new(), round_trip: None, throughput: None };
    if let Some(over_time) = diagrams.over_time {
        for (name, drawing) in ["time-client", "time-server"].iter().zip(&over_time.time_sequences) {
            figures.time_sequences.push(figure(name, drawing.svg().into_string(), drawing.caption())?);
        }
        let (round_trip, throughput) = (&over_time.round_trip, &over_time.throughput);
        if !round_trip.is_empty() {
            figures.round_trip = Some(figure("round-trip", round_trip.svg().into_string(), round_trip.caption())?);
        }
        if !throughput.is_empty() {
            figures.throughput = Some(figure("throughput", throughput.svg().into_string(), throughput.caption())?);
        }
    }
    Ok(figures)
}

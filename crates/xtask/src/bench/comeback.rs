//! Clients that come back after a restart of the server: the figures and the plot of docs/operating.md.

use std::fmt::Write as _;
use std::fs;

use serde_json::{Value, json};

use super::machine::Machine;

/// The figures of the last run.
const JSON: &str = "report/comeback.json";

/// The plot of the last run.
const PLOT: &str = "report/comeback.svg";

/// Options of `cargo xtask bench comeback`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Number of clients. Each needs an open file in the test and one in the server
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    clients: usize,
    /// Print the figures, and write no file
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: &Args) -> Result<(), String> {
    let measured = tempfile::NamedTempFile::new().map_err(|error| format!("no temporary file: {error}"))?;
    let status = crate::cargo::command()
        .args([
            "test",
            "--release",
            "--locked",
            "--package",
            "switchboard-tests",
            "--test",
            "comeback",
            "--",
            "--nocapture",
        ])
        .env("SWITCHBOARD_COMEBACK_CLIENTS", args.clients.to_string())
        .env("SWITCHBOARD_COMEBACK_FILE", measured.path())
        .status();
    if !status.is_ok_and(|status| status.success()) {
        return Err("the clients did not come back: see above".to_owned());
    }
    let text = fs::read_to_string(measured.path()).map_err(|error| format!("the figures cannot be read: {error}"))?;
    let figures: Value = serde_json::from_str(&text).map_err(|error| format!("the figures are damaged: {error}"))?;
    let plot = plot(&figures).ok_or("the figures lack an expected field")?;
    if args.dry_run {
        return Ok(());
    }
    let json = json!({ "machine": Machine::detect(), "figures": figures });
    let json = serde_json::to_string_pretty(&json).map_err(|error| error.to_string())? + "\n";
    for (file, text) in [(JSON, json), (PLOT, plot)] {
        fs::write(file, text).map_err(|error| format!("cannot write {file}: {error}"))?;
    }
    Ok(())
}

/// The share of the clients that are back, over the time since the operator's command. `None` if a field is missing.
fn plot(figures: &Value) -> Option<String> {
    const WIDTH: f64 = 760.0;
    let (left, right, top, bottom) = (60.0, 740.0, 50.0, 290.0);
    let number = |name: &str| figures[name].as_f64();
    let (clients, ended, listened) = (number("clients")?, number("ended_ms")?, number("listened_ms")?);
    let back: Vec<f64> = figures["back_ms_by_percent"].as_array()?.iter().filter_map(Value::as_f64).collect();
    let seconds = (back.last()? / 1000.0).ceil().max(1.0);
    let x = |millis: f64| left + millis / 1000.0 / seconds * (right - left);
    let y = |percent: f64| bottom - percent / 100.0 * (bottom - top);
    let mut body = String::new();
    let mut tick = 0.0;
    while tick <= seconds {
        let x = x(tick * 1000.0);
        let _ = write!(
            body,
            "<line x1=\"{x:.1}\" y1=\"{top}\" x2=\"{x:.1}\" y2=\"{bottom}\" class=\"grid\"/>\
             <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{tick} s</text>",
            bottom + 16.0,
        );
        tick += 1.0;
    }
    for percent in [0.0, 25.0, 50.0, 75.0, 100.0] {
        let y = y(percent);
        let _ = write!(
            body,
            "<line x1=\"{left}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\" class=\"grid\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{percent} %</text>",
            left - 6.0,
            y + 4.0,
        );
    }
    for (millis, label_y, label) in
        [(ended, top + 12.0, "the server has ended"), (listened, top + 28.0, "it listens again")]
    {
        let x = x(millis);
        let _ = write!(
            body,
            "<line x1=\"{x:.1}\" y1=\"{top}\" x2=\"{x:.1}\" y2=\"{bottom}\" stroke=\"#d55e00\"/>\
             <text x=\"{:.1}\" y=\"{label_y}\">{label}</text>",
            x + 4.0,
        );
    }
    let points: Vec<_> =
        (0_u32..).zip(&back).map(|(percent, &time)| format!("{:.1},{:.1}", x(time), y(percent.into()))).collect();
    let _ = write!(
        body,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#0072b2\" stroke-width=\"2\"/>",
        points.join(" "),
    );
    let title = format!("{clients} clients come back after a restart of the server");
    Some(super::plot::svg(&title, WIDTH, bottom + 30.0, &body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plot_is_drawn_of_complete_figures_only() {
        let figures = json!({ "clients": 2, "ended_ms": 5, "listened_ms": 9, "back_ms_by_percent": [300, 480] });
        let plot = plot(&figures).expect("complete figures");
        assert!(plot.contains("2 clients come back") && plot.contains("1 s") && !plot.contains("NaN"), "{plot}");
        assert_eq!(super::plot(&json!({ "clients": 2 })), None);
    }
}

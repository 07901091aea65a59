//! The figures of all rounds, report/client.json, and the table of docs/comparison-clients.md.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use serde::Serialize;
use serde_json::Value;

use super::super::machine::Machine;
use super::super::median::median;
use super::program::Client;

const JSON: &str = "report/client.json";
const DOCUMENT: &str = "docs/comparison-clients.md";
const BEGIN: &str = "<!-- made by `cargo xtask bench client` -->\n";
const END: &str = "<!-- end -->\n";

/// A measured figure. Less is better.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Figure {
    LivelyCpu,
    FloodCpu,
    EmptyMemory,
    Memory,
    FirstCharacter,
    Room,
}

impl Figure {
    const ALL: [Self; 6] =
        [Self::LivelyCpu, Self::FloodCpu, Self::Memory, Self::EmptyMemory, Self::FirstCharacter, Self::Room];

    fn name(self) -> &'static str {
        match self {
            Self::LivelyCpu => "processor time for 10,000 messages, 1,000 a second",
            Self::FloodCpu => "processor time for 10,000 messages, 5,000 a second",
            Self::EmptyMemory => "resident memory in an empty room",
            Self::Memory => "resident memory with 100,000 lines",
            Self::FirstCharacter => "start to the first typed character",
            Self::Room => "start to the room with its members, connected",
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::LivelyCpu | Self::FloodCpu => "s",
            Self::EmptyMemory | Self::Memory => "MiB",
            Self::FirstCharacter | Self::Room => "ms",
        }
    }
}

/// All measurements of a run.
#[derive(Debug)]
pub(super) struct Results {
    rounds: usize,
    measurements: Vec<(Client, Figure, f64)>,
}

impl Results {
    pub(super) fn new(rounds: usize) -> Self {
        Self { rounds, measurements: Vec::new() }
    }

    pub(super) fn add(&mut self, client: Client, figure: Figure, value: f64) {
        self.measurements.push((client, figure, value));
    }

    /// The text of report/client.json.
    pub(super) fn to_json(&self) -> Result<String, String> {
        #[derive(Serialize)]
        struct Json {
            machine: Machine,
            versions: BTreeMap<&'static str, String>,
            rounds: usize,
            figures: Vec<JsonFigure>,
        }
        #[derive(Serialize)]
        struct JsonFigure {
            figure: &'static str,
            unit: &'static str,
            medians: BTreeMap<&'static str, f64>,
            measured: BTreeMap<&'static str, Vec<f64>>,
        }
        let figures = Figure::ALL.map(|figure| {
            let values = |client| {
                let of_both = self.measurements.iter().filter(|(of, is, _)| (*of, *is) == (client, figure));
                of_both.map(|(_, _, value)| (value * 1000.0).round() / 1000.0).collect::<Vec<_>>()
            };
            let measured = Client::ALL.map(|client| (client.name(), values(client)));
            let medians = measured.iter().filter_map(|(name, values)| Some((*name, median(values.clone())?)));
            JsonFigure {
                figure: figure.name(),
                unit: figure.unit(),
                medians: medians.collect(),
                measured: BTreeMap::from(measured.clone()),
            }
        });
        let versions = Client::ALL.into_iter().filter_map(|client| Some((client.name(), client.version()?)));
        let json = Json {
            machine: Machine::detect(),
            versions: versions.collect(),
            rounds: self.rounds,
            figures: figures.into(),
        };
        serde_json::to_string_pretty(&json).map(|json| json + "\n").map_err(|error| error.to_string())
    }
}

/// Writes the results, and the table of the document.
pub(super) fn write(json: &str) -> Result<(), String> {
    let document = fs::read_to_string(DOCUMENT).map_err(|error| format!("cannot read {DOCUMENT}: {error}"))?;
    let (before, after) = split_at_table(&document)
        .ok_or_else(|| format!("{DOCUMENT} lacks a line {BEGIN:?} with a line {END:?} below it"))?;
    let table = table(json).ok_or("the results lack an expected field")?;
    fs::write(JSON, json).map_err(|error| format!("cannot write {JSON}: {error}"))?;
    fs::write(DOCUMENT, format!("{before}{BEGIN}{table}{END}{after}"))
        .map_err(|error| format!("cannot write {DOCUMENT}: {error}"))
}

/// The text before the table, and the text after it. `None` if the marks of the table are missing.
fn split_at_table(document: &str) -> Option<(&str, &str)> {
    let (before, table_and_after) = document.split_once(BEGIN)?;
    Some((before, table_and_after.split_once(END)?.1))
}

/// The medians, then the rounds and the machine. `None` if a field is missing.
pub(super) fn table(json: &str) -> Option<String> {
    let json: Value = serde_json::from_str(json).ok()?;
    let weechat = json["versions"]["weechat"].as_str()?;
    let mut table = format!("| | ours | weechat {weechat} | ours / weechat |\n|---|---|---|---|\n");
    for figure in json["figures"].as_array()? {
        let (name, unit) = (figure["figure"].as_str()?, figure["unit"].as_str()?);
        let median = |client: &str| figure["medians"][client].as_f64();
        let (ours, theirs) = (median("switchboard")?, median("weechat")?);
        let decimals = if unit == "s" { 2 } else { 1 };
        let ratio = ours / theirs;
        writeln!(table, "| {name} | {ours:.decimals$} {unit} | {theirs:.decimals$} {unit} | {ratio:.2} |").ok()?;
    }
    let machine = &json["machine"];
    writeln!(
        table,
        "\nMedians of {} rounds on {} cores of an {}.",
        json["rounds"],
        machine["cores"],
        machine["processor"].as_str()?
    )
    .ok()?;
    Some(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_table_matches_the_results() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../");
        let read = |name: &str| fs::read_to_string(format!("{root}{name}")).expect(name);
        let document = read(DOCUMENT);
        let (before, after) = split_at_table(&document).expect("the document has the table");
        let table = table(&read(JSON)).expect("the results can be read");
        assert_eq!(document, format!("{before}{BEGIN}{table}{END}{after}"), "run `cargo xtask bench client`");
    }
}

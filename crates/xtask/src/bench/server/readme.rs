//! The benchmark table of README.md, generated from report/bench.json.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

const README: &str = "README.md";
const BEGIN: &str = "<!-- made by `cargo xtask bench server` -->\n";
const END: &str = "<!-- end -->\n";

/// Replaces the table in README.md with a table of the results in `json`.
pub(super) fn update(json: &str) -> Result<(), String> {
    let readme = fs::read_to_string(README).map_err(|error| format!("cannot read {README}: {error}"))?;
    let (before, after) = split_at_table(&readme)
        .ok_or_else(|| format!("{README} lacks a line {BEGIN:?} with a line {END:?} below it"))?;
    let table = table(json).ok_or("the results lack an expected field")?;
    fs::write(README, format!("{before}{BEGIN}{table}{END}{after}"))
        .map_err(|error| format!("cannot write {README}: {error}"))
}

/// The text before the table, and the text after it. `None` if the marks of the table are missing.
fn split_at_table(readme: &str) -> Option<(&str, &str)> {
    let (before, table_and_after) = readme.split_once(BEGIN)?;
    Some((before, table_and_after.split_once(END)?.1))
}

/// The claims with their figures, then the number of measurements and the machine. `None` if a field is missing.
fn table(json: &str) -> Option<String> {
    let json: Value = serde_json::from_str(json).ok()?;
    let summary = &json["summary"];
    let mut table = "| load | ours | |\n|---|---|---|\n".to_owned();
    for claim in summary["held"].as_array()? {
        let workload = claim["workload"].as_str()?;
        let holds = claim["holds"].as_bool()?;
        let aim = format!("{} {}", claim["rule"].as_str()?, claim["bound"].as_f64()?);
        let missed = if holds { "" } else { ", which it misses" };
        let figure = match (claim["value"].as_f64(), claim["against"].as_str()) {
            (None, _) => "not measured".to_owned(),
            (Some(value), None) if workload != "isolation" => format!("{value:.0} {}", claim["unit"].as_str()?),
            (Some(value), None) => format!("p99 latency of the other pairs changed by {value:.0} µs"),
            (Some(value), Some(against)) if workload == "idle" => format!("{value:.2} times the memory of {against}"),
            (Some(value), Some(against)) => format!("{value:.2} times {against}"),
        };
        writeln!(table, "| {workload} | {figure} | (aim: {aim}{missed}) |").ok()?;
    }
    let machine = &json["machine"];
    let faults = summary["faults"].as_object()?.values().filter_map(Value::as_u64).sum::<u64>();
    writeln!(
        table,
        "\n{} measurements in {} rounds on {} cores of an {};\n\
         {faults} messages lost, reordered, duplicated, corrupt or acknowledged wrongly.\n\
         The machine was disturbed during {} measurements.",
        summary["measurements"],
        json["rounds"],
        machine["cores"],
        machine["processor"].as_str()?,
        summary["disturbed"],
    )
    .ok()?;
    Some(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readme_table_matches_the_results() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../");
        let read = |name: &str| fs::read_to_string(format!("{root}{name}")).expect(name);
        let readme = read(README);
        let (before, after) = split_at_table(&readme).expect("README has the table");
        let table = table(&read("report/bench.json")).expect("the results can be read");
        assert_eq!(readme, format!("{before}{BEGIN}{table}{END}{after}"), "run `cargo xtask bench server`");
    }
}

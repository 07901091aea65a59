//! The CSVs: what `encap build` makes of each, and one of them beside what a kernel made of it.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use super::scenario::SENT_ROWS;
use super::{ReportContext, format};

/// Where the CSVs are.
const CSVS: &str = "tests/data/csv";

pub(super) fn write(context: &ReportContext) -> Result<(), String> {
    let root = fs::canonicalize(".").map_err(|error| error.to_string())?;
    let mut names: Vec<_> = fs::read_dir(CSVS)
        .map_err(|error| format!("{CSVS}: {error}"))?
        .filter_map(|file| file.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    let mut files = Vec::new();
    for name in &names {
        let csv = root.join(CSVS).join(name).display().to_string();
        let capture = format!("{}.pcapng", name.trim_end_matches(".csv"));
        context.output("encap", &["build", &csv, "-o", &capture], &[0])?;
        let found = context.json("encap", &["analyze", "--json", &capture])?;
        let number = |value: &Value| value.as_u64().unwrap_or_default();
        let rows = fs::read_to_string(&csv).map_err(|error| format!("{name}: {error}"))?;
        let list = found["conversations"].as_array().cloned().unwrap_or_default();
        files.push(json!({
            "name": name, "rows": rows.lines().filter(|line| !line.trim().is_empty()).count() - 1,
            "frames": found["packets"], "bytes": format::count(number(&found["bytes"])),
            "conversations": list.len(),
            "retransmissions": list.iter().map(|one| number(&one["retransmissions"])).sum::<u64>(),
            "checksums": found["checksums"], "issues": found["issues"].as_array().map_or(0, Vec::len),
        }));
    }
    let sent = root.join(SENT_ROWS).display().to_string();
    let rows = fs::read_to_string(&sent).map_err(|error| format!("{SENT_ROWS}: {error}"))?;
    context.write(
        "rows.json",
        &json!({ "files": files, "sent": SENT_ROWS, "csv": rows, "compared": compare(context, &sent)? }),
    )
}

/// What differs between the rows as built and as a kernel carried them, kind by kind, and why.
fn compare(context: &ReportContext, csv: &str) -> Result<Value, String> {
    let said = context.json("encap", &["compare", csv, "sent.pcapng", "--json"])?;
    // Of each kind the first, and how many there are. Without a reason, it would be a fault of ours.
    let mut kinds: Vec<(String, Value, u64)> = Vec::new();
    let mut places = BTreeMap::new();
    for difference in said["differences"].as_array().into_iter().flatten() {
        let field = difference["field"].as_str().unwrap_or_default().to_owned();
        let reason = difference["reason"].as_str().unwrap_or("no reason is known").to_owned();
        let place = *places.entry((field.clone(), reason)).or_insert_with(|| {
            kinds.push((field.replace('_', " "), difference.clone(), 0));
            kinds.len() - 1
        });
        kinds[place].2 += 1;
    }
    let kinds: Vec<_> = kinds
        .into_iter()
        .map(|(field, first, count)| {
            json!({
                "field": field, "made": first["made"], "captured": first["captured"], "reason": first["reason"],
                "frames": [first["made_frame"], first["captured_frame"]], "count": count,
            })
        })
        .collect();
    Ok(json!({
        "made_frames": said["synthesised"]["frames"], "captured_frames": said["captured"]["frames"],
        "conversations": said["conversations"].as_array().map_or(0, Vec::len),
        "differences": said["differences"].as_array().map_or(0, Vec::len), "unexplained": said["unexplained"], "kinds": kinds,
    }))
}

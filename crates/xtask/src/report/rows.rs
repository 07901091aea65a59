//! The CSV files of tests/data/csv: the result of `encap build` for each file. One file is also compared with a capture
//! of its rows, as a real kernel sent them.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use super::scenario::SENT_ROWS;
use super::{ReportContext, format};

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
        let analysis = context.json("encap", &["analyze", "--json", &capture])?;
        let number = |value: &Value| value.as_u64().unwrap_or_default();
        let rows = fs::read_to_string(&csv).map_err(|error| format!("{name}: {error}"))?;
        let conversations = analysis["conversations"].as_array().cloned().unwrap_or_default();
        let lines = rows.lines().filter(|line| !line.trim().is_empty()).count();
        let retransmissions = conversations.iter().map(|conversation| number(&conversation["retransmissions"]));
        files.push(json!({
            // The first line is the head.
            "name": name, "rows": lines - 1,
            "frames": analysis["packets"], "bytes": format::count(number(&analysis["bytes"])),
            "conversations": conversations.len(),
            "retransmissions": retransmissions.sum::<u64>(),
            "checksums": analysis["checksums"], "issues": analysis["issues"].as_array().map_or(0, Vec::len),
        }));
    }
    let sent = root.join(SENT_ROWS).display().to_string();
    let rows = fs::read_to_string(&sent).map_err(|error| format!("{SENT_ROWS}: {error}"))?;
    context.write(
        "rows.json",
        &json!({ "files": files, "sent": SENT_ROWS, "csv": rows, "compared": compare(context, &sent)? }),
    )
}

/// Differences between the rows as built and as sent by a kernel, by kind, with their reasons.
fn compare(context: &ReportContext, csv: &str) -> Result<Value, String> {
    let comparison = context.json("encap", &["compare", csv, "sent.pcapng", "--json"])?;
    // Differences of a kind have the same field and the same reason. Each kind has the name of its field, its first
    // difference, and its number of differences. A difference without a reason would be a bug in the builder.
    let mut kinds: Vec<(String, Value, u64)> = Vec::new();
    let mut index_by_kind = BTreeMap::new();
    for difference in comparison["differences"].as_array().into_iter().flatten() {
        let field = difference["field"].as_str().unwrap_or_default().to_owned();
        let reason = difference["reason"].as_str().unwrap_or("no reason is known").to_owned();
        let index = *index_by_kind.entry((field.clone(), reason)).or_insert_with(|| {
            kinds.push((field.replace('_', " "), difference.clone(), 0));
            kinds.len() - 1
        });
        kinds[index].2 += 1;
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
        "made_frames": comparison["synthesised"]["frames"], "captured_frames": comparison["captured"]["frames"],
        "conversations": comparison["conversations"].as_array().map_or(0, Vec::len),
        "differences": comparison["differences"].as_array().map_or(0, Vec::len),
        "unexplained": comparison["unexplained"], "kinds": kinds,
    }))
}

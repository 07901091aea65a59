//! The latest results of `cargo xtask bench`, formatted for the report.

use std::fs;

use serde_json::{Map, Value, json};

use super::{ReportContext, format, markdown};

const SERVER: &str = "report/bench.json";
const WIRE: &str = "report/wire.json";
const METHOD: &str = "docs/bench.md";

pub(super) fn write(context: &ReportContext) -> Result<(), String> {
    let server = read(SERVER)?.map(|bench| server_figures(&bench));
    let wire = read(WIRE)?.map(|bench| wire_figures(&bench));
    for name in ["bench.svg", "bench-curve.svg"] {
        if server.is_some() {
            let svg =
                fs::read_to_string(format!("report/{name}")).map_err(|error| format!("report/{name}: {error}"))?;
            context.write_svg(name, &svg)?;
        }
    }
    context.write("speed.json", &json!({ "server": server, "wire": wire, "method": method()? }))
}

/// The method of the benchmarks, quoted from docs/bench.md: the workloads, and the differences between the servers.
fn method() -> Result<Value, String> {
    let text = markdown::read(METHOD)?;
    let workloads = markdown::section(&text, "## The workloads").map(markdown::table).unwrap_or_default();
    let comparison = markdown::section(&text, "## Our server beside others").unwrap_or_default();
    let differences = comparison.split("\n- ").find_map(|item| item.strip_prefix("**Differences.**"));
    let differences = differences.and_then(|item| item.split("\n\n").next()).unwrap_or_default();
    let differences = differences.split_whitespace().collect::<Vec<_>>().join(" ");
    if workloads.is_empty() || differences.is_empty() {
        return Err(format!("{METHOD} needs a table of workloads and a list item `**Differences.**`"));
    }
    Ok(json!({ "workloads": workloads, "differs": differences }))
}

/// Reads the results of a benchmark. `None` if it has not run yet.
fn read(file: &str) -> Result<Option<Value>, String> {
    match fs::read_to_string(file) {
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(|error| format!("{file}: {error}")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("        {file} is missing, so the report lacks its figures: run cargo xtask bench");
            Ok(None)
        }
        Err(error) => Err(format!("{file}: {error}")),
    }
}

/// A figure rounded to three significant digits, because further digits differ from run to run. A figure below 100 is
/// rounded to a whole number.
fn three_digits(figure: f64) -> String {
    let (sign, figure) = if figure < 0.0 { ("−", -figure) } else { ("", figure) };
    // The figures are far below 2^53, so the conversion is exact.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rounded, and not negative")]
    let whole = figure.round() as u64;
    let unit = 10_u64.pow(whole.checked_ilog10().unwrap_or_default().saturating_sub(2));
    format!("{sign}{}", format::count((whole + unit / 2) / unit * unit))
}

/// A figure in a short form: three significant digits with k or M, and below a thousand a whole number.
fn compact(figure: f64) -> String {
    let (sign, figure) = if figure < 0.0 { ("−", -figure) } else { ("", figure) };
    let (scaled, unit) = [(1e6, " M"), (1e3, " k")]
        .into_iter()
        .find(|(size, _)| figure >= *size)
        .map_or((figure, ""), |(size, unit)| (figure / size, unit));
    let decimals = match scaled {
        _ if unit.is_empty() => 0,
        ..10.0 => 2,
        10.0..100.0 => 1,
        _ => 0,
    };
    format!("{sign}{scaled:.decimals$}{unit}")
}

/// The figure by which a measurement is compared with others.
fn figure(measurement: &Value) -> Option<f64> {
    let report = &measurement["report"];
    let figures = [
        &report["measured"]["delivered_per_server_cpu_second"],
        &report["idle"]["bytes_per_session"],
        &report["churn"]["sessions_per_server_cpu_second"],
        &report["isolation"]["p99_moved_us"],
    ];
    figures.into_iter().find_map(Value::as_f64)
}

/// The figures of a server at a workload, one for each round.
fn figures_of_rounds(bench: &Value, workload: &Value, server: &str) -> Vec<f64> {
    let measurements = bench["measurements"].as_array().into_iter().flatten();
    let selected =
        measurements.filter(|measurement| measurement["workload"] == *workload && measurement["server"] == *server);
    selected.filter_map(figure).collect()
}

/// The number in a version text: 7.0.15 for `Redis server v=7.0.15 sha=…`.
fn version(text: &str) -> &str {
    let is_number = |word: &&str| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit());
    let mut words = text.split([' ', '=', '-']).map(|word| word.strip_prefix('v').unwrap_or(word));
    words.find(is_number).unwrap_or(text)
}

/// The figures of `cargo xtask bench server`.
fn server_figures(bench: &Value) -> Value {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let summary = &bench["summary"];
    let table: Vec<_> = list(&summary["table"])
        .iter()
        .map(|row| {
            let medians = row["medians"].as_object().cloned().unwrap_or_default();
            let medians: Map<_, _> = medians
                .iter()
                .map(|(name, median)| {
                    let figures = figures_of_rounds(bench, &row["workload"], name);
                    let minimum = figures.iter().copied().fold(f64::MAX, f64::min);
                    let maximum = figures.iter().copied().fold(f64::MIN, f64::max);
                    let median = compact(median.as_f64().unwrap_or_default());
                    let spread = if figures.len() > 1 {
                        format!("{} – {}", compact(minimum), compact(maximum))
                    } else {
                        String::new()
                    };
                    (name.clone(), json!({ "median": median, "spread": spread }))
                })
                .collect();
            json!({ "workload": row["workload"], "medians": medians })
        })
        .collect();
    let claims: Vec<_> = list(&summary["held"])
        .iter()
        .map(|claim| {
            // A claim without another server has a unit instead, except in results of earlier versions.
            let against = claim["against"].as_str().or(claim["unit"].as_str()).unwrap_or_default();
            json!({
                "workload": claim["workload"], "against": against, "rule": claim["rule"],
                "value": format!("{:.2}", claim["value"].as_f64().unwrap_or_default()),
                "bound": format!("{:.2}", claim["bound"].as_f64().unwrap_or_default()),
                "holds": claim["holds"],
            })
        })
        .collect();
    let n_held = claims.iter().filter(|claim| claim["holds"] == true).count();
    let missed: Vec<_> = claims.iter().filter(|claim| claim["holds"] != true).cloned().collect();
    let moved: Vec<_> =
        figures_of_rounds(bench, &json!("isolation"), "switchboard").into_iter().map(three_digits).collect();
    let versions = bench["versions"].as_object().cloned().unwrap_or_default();
    let versions: Map<_, _> =
        versions.into_iter().map(|(name, text)| (name, version(text.as_str().unwrap_or_default()).into())).collect();
    let kernel = bench["machine"]["kernel"].as_str().and_then(|release| release.split('-').next());
    let machine =
        json!({ "processor": bench["machine"]["processor"], "cores": bench["machine"]["cores"], "kernel": kernel });
    json!({
        "machine": machine, "versions": versions, "rounds": bench["rounds"], "table": table, "held": claims,
        "n_held": n_held, "n_promised": claims.len(), "missed": missed, "moved": moved,
        "bottlenecked": summary["bottlenecked"],
        "measurements": summary["measurements"], "disturbed": summary["disturbed"], "faults": summary["faults"],
    })
}

/// The figures of `cargo xtask bench wire`.
fn wire_figures(bench: &Value) -> Value {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let runs: Vec<_> = list(&bench["runs"])
        .iter()
        .map(|run| {
            json!({
                "name": run["name"], "rounds": run["rounds"], "cpu": format::time(1_000 * number(&run["cpu_micros"])),
                "peak": format!("{} KiB", format::count(number(&run["peak_bytes"]) / 1024)),
            })
        })
        .collect();
    let promises: Vec<_> = list(&bench["promises"])
        .iter()
        .map(|promise| {
            let decimal = |value: &Value| format!("{}.{:03}", number(value) / 1_000, number(value) % 1_000);
            json!({
                "ours": promise["ours"], "other": promise["other"], "found": decimal(&promise["thousandths"]),
                "most": decimal(&promise["thousandths_max"]), "holds": promise["holds"],
            })
        })
        .collect();
    let n_held = promises.iter().filter(|promise| promise["holds"] == true).count();
    json!({
        "n_held": n_held, "n_promised": promises.len(), "frames": format::count(number(&bench["frames"])),
        "runs": runs, "promises": promises,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quoted_method_exists() {
        assert_eq!(method().map(|_| ()), Ok(()));
    }

    #[test]
    fn figures_are_rounded_to_three_digits() {
        for (given, expected) in
            [(0.4, "0"), (999.4, "999"), (1_234.0, "1,230"), (1_062_767.0, "1,060,000"), (-27_151.0, "−27,200")]
        {
            assert_eq!(three_digits(given), expected);
        }
        for (given, expected) in [(945.2, "945"), (9_980.0, "9.98 k"), (4_723_647.0, "4.72 M"), (-27_151.0, "−27.2 k")]
        {
            assert_eq!(compact(given), expected);
        }
    }

    #[test]
    fn version_text_is_reduced_to_its_number() {
        for (given, expected) in [
            ("Redis server v=7.0.15 sha=00000000:0", "7.0.15"),
            ("nats-server: v2.9.10", "2.9.10"),
            ("ngIRCd 26.1-IDENT+IPv6", "26.1"),
            ("none", "none"),
        ] {
            assert_eq!(version(given), expected);
        }
    }
}

//! What `cargo xtask bench` measured last, as the report tells it.

use std::fs;

use serde_json::{Map, Value, json};

use super::{Context, words};

const SERVER: &str = "report/bench.json";
const WIRE: &str = "report/wire.json";

pub(super) fn write(context: &Context) -> Result<(), String> {
    let server = read(SERVER)?.map(|bench| self::server(&bench));
    let wire = read(WIRE)?.map(|bench| self::wire(&bench));
    for name in ["bench.svg", "bench-curve.svg"] {
        if server.is_some() {
            let svg =
                fs::read_to_string(format!("report/{name}")).map_err(|error| format!("report/{name}: {error}"))?;
            context.write_svg(name, &svg)?;
        }
    }
    context.write("speed.json", &json!({ "server": server, "wire": wire }))
}

fn read(file: &str) -> Result<Option<Value>, String> {
    match fs::read_to_string(file) {
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(|error| format!("{file}: {error}")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("        {file} is not there: the report says so; cargo xtask bench makes it");
            Ok(None)
        }
        Err(error) => Err(format!("{file}: {error}")),
    }
}

/// A figure as a whole number.
fn whole(figure: &Value) -> String {
    let figure = figure.as_f64().unwrap_or_default();
    // What is measured is never negative, and far below what a double holds exactly.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rounded, and not negative")]
    words::count(figure.round().max(0.0) as u64)
}

fn server(bench: &Value) -> Value {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let summary = &bench["summary"];
    let table: Vec<_> = list(&summary["table"])
        .iter()
        .map(|line| {
            let medians = line["medians"].as_object().cloned().unwrap_or_default();
            let medians: Map<_, _> =
                medians.iter().map(|(name, figure)| (name.clone(), whole(figure).into())).collect();
            json!({ "workload": line["workload"], "medians": medians })
        })
        .collect();
    let held: Vec<_> = list(&summary["held"])
        .iter()
        .map(|held| {
            json!({
                "workload": held["workload"], "against": held["against"], "rule": held["rule"],
                "value": format!("{:.2}", held["value"].as_f64().unwrap_or_default()),
                "bound": format!("{:.2}", held["bound"].as_f64().unwrap_or_default()),
                "holds": held["holds"],
            })
        })
        .collect();
    let kernel = bench["machine"]["kernel"].as_str().and_then(|release| release.split('-').next());
    let machine =
        json!({ "processor": bench["machine"]["processor"], "cores": bench["machine"]["cores"], "kernel": kernel });
    json!({
        "machine": machine, "versions": bench["versions"], "rounds": bench["rounds"], "table": table, "held": held,
        "measurements": summary["measurements"], "disturbed": summary["disturbed"], "faults": summary["faults"],
    })
}

fn wire(bench: &Value) -> Value {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let runs: Vec<_> = list(&bench["runs"])
        .iter()
        .map(|run| {
            json!({
                "name": run["name"], "rounds": run["rounds"], "cpu": words::time(1_000 * number(&run["cpu_micros"])),
                "peak": format!("{} KiB", words::count(number(&run["peak_bytes"]) / 1024)),
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
    json!({ "frames": words::count(number(&bench["frames"])), "runs": runs, "promises": promises })
}

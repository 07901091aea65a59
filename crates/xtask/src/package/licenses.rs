//! The licenses of the libraries in a program. Most of them ask that copies of the program carry their text.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::Package;
use crate::cargo;
use crate::command::output_of;

/// Beginnings of the names of files with licenses and notices, in capitals.
const FILE_NAMES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"];

/// All license texts of the libraries in the program of a package, each with the libraries that have it.
pub(super) fn of(package: &Package) -> Result<String, String> {
    let mut command = cargo::command();
    command.args(["metadata", "--format-version=1", "--locked", "--filter-platform", &host()?]);
    let metadata: Value = serde_json::from_slice(&output_of(&mut command)?).map_err(|error| error.to_string())?;
    let packages: BTreeMap<&str, &Value> = items(&metadata["packages"], "id").collect();
    let nodes: BTreeMap<&str, &Value> = items(&metadata["resolve"]["nodes"], "id").collect();
    let root = packages.iter().find(|(_, found)| found["name"] == package.name);
    let (root, _) = root.ok_or_else(|| format!("cargo knows no package {}", package.name))?;

    // The libraries that are linked into the program, and not those of build scripts and tests.
    let (mut linked, mut queue) = (BTreeSet::new(), vec![*root]);
    while let Some(id) = queue.pop() {
        if !linked.insert(id) {
            continue;
        }
        for dependency in nodes.get(id).and_then(|node| node["deps"].as_array()).into_iter().flatten() {
            let is_normal =
                dependency["dep_kinds"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()));
            queue.extend(dependency["pkg"].as_str().filter(|_| is_normal));
        }
    }

    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for found in linked.iter().filter_map(|id| packages.get(id)).filter(|found| !found["source"].is_null()) {
        let field = |name: &str| found[name].as_str().unwrap_or_default();
        let library = format!("{} {} ({})", field("name"), field("version"), field("license"));
        let folder = Path::new(field("manifest_path")).parent().unwrap_or(Path::new("."));
        let mut files: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().collect();
        files.sort_by_key(fs::DirEntry::file_name);
        let mut has_text = false;
        for file in files {
            let name = file.file_name().to_string_lossy().to_uppercase();
            if FILE_NAMES.iter().any(|start| name.starts_with(start))
                && let Ok(text) = fs::read_to_string(file.path())
            {
                has_text = true;
                texts.entry(text.trim().to_owned()).or_default().insert(library.clone());
            }
        }
        if !has_text {
            texts.entry("(These libraries come without a text.)".to_owned()).or_default().insert(library);
        }
    }
    let sections = texts.iter().map(|(text, libraries)| {
        let libraries: Vec<_> = libraries.iter().map(|library| format!("* {library}\n")).collect();
        format!("{}\n{text}\n", libraries.concat())
    });
    let line = format!("\n{}\n\n", "=".repeat(80));
    Ok(format!(
        "Licenses of the libraries in the program {}, from their sources.\n{line}{}",
        package.program,
        sections.collect::<Vec<_>>().join(&line)
    ))
}

/// The platform of this machine, as rustc calls it.
fn host() -> Result<String, String> {
    let text = output_of(Command::new("rustc").args(["--version", "--verbose"]))?;
    let text = String::from_utf8_lossy(&text);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc names no host".to_owned())
}

/// The items of a list, with the value of `key` of each.
fn items<'a>(list: &'a Value, key: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    list.as_array().into_iter().flatten().filter_map(move |item| Some((item[key].as_str()?, item)))
}

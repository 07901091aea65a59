//! What ARCHITECTURE.md says, for the report to say the same: its picture, the walk of one message, what holds.

use std::fs;

use serde_json::{Value, json};

use super::Context;

const FILE: &str = "ARCHITECTURE.md";

pub(super) fn write(context: &Context) -> Result<(), String> {
    let text = fs::read_to_string(FILE).map_err(|error| format!("{FILE}: {error}"))?;
    let section = |title: &str| section(&text, title).ok_or_else(|| format!("{FILE} has no section {title:?}"));
    let view = section("Bird's-eye view")?;
    let mut blocks = view.split("```");
    let diagram = blocks.nth(1).and_then(|block| block.strip_prefix("text\n")).unwrap_or_default();
    let homes: Vec<_> =
        view.lines().filter_map(row).filter(|row| row[0] != "state" && !row[0].starts_with("---")).collect();
    let walk: Vec<_> =
        paragraphs(section("The walk of one message")?).into_iter().flat_map(|paragraph| steps(&paragraph)).collect();
    let invariants: Vec<_> = paragraphs(section("Invariants")?).iter().filter_map(|text| invariant(text)).collect();
    if diagram.is_empty() || homes.is_empty() || walk.is_empty() || invariants.is_empty() {
        return Err(format!("{FILE} is not as the report expects it: a picture, a table of homes, a walk, invariants"));
    }
    context.write(
        "architecture.json",
        &json!({ "diagram": diagram.trim_end(), "homes": homes, "walk": walk, "invariants": invariants }),
    )
}

/// What is below a heading, up to the next.
fn section<'a>(text: &'a str, title: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("\n## {title}\n"))?;
    Some(rest.split("\n## ").next().unwrap_or(rest))
}

/// Paragraphs, each in one line.
fn paragraphs(section: &str) -> Vec<String> {
    section.split("\n\n").map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// The two cells of a row of a table.
fn row(line: &str) -> Option<[&str; 2]> {
    let (one, other) =
        line.strip_prefix("| ").or_else(|| line.strip_prefix('|'))?.trim_end_matches('|').split_once('|')?;
    Some([one.trim(), other.trim()])
}

/// The steps of a numbered list in one line, without their numbers.
fn steps(list: &str) -> Vec<String> {
    if !list.starts_with("1. ") {
        return Vec::new();
    }
    let mut rest = list;
    let mut steps = Vec::new();
    for number in 1.. {
        let Some(step) = rest.strip_prefix(&format!("{number}. ")) else { break };
        let next = step.find(&format!(" {}. ", number + 1));
        steps.push(step[..next.unwrap_or(step.len())].to_owned());
        rest = next.map_or("", |at| &step[at + 1..]);
    }
    steps
}

/// `**What holds.** Why. *Kept by* what keeps it.`
fn invariant(text: &str) -> Option<Value> {
    let (claim, rest) = text.strip_prefix("**")?.split_once("**")?;
    let (why, kept) = rest.split_once("*Kept by*").unwrap_or((rest, ""));
    Some(json!({ "claim": claim.trim_end_matches([',', '.']), "why": why.trim(), "kept": kept.trim() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_parted_at_its_numbers() {
        assert_eq!(steps("1. one 1.5 2. two 3. three"), ["one 1.5", "two", "three"]);
        assert_eq!(row("| a | b |"), Some(["a", "b"]));
        assert_eq!(section("\n## A\nx\n## B\ny", "A"), Some("x"));
        let told = invariant("**It holds.** Because. *Kept by* a test.").expect("it is one");
        assert_eq!(told, json!({ "claim": "It holds", "why": "Because.", "kept": "a test." }));
    }
}

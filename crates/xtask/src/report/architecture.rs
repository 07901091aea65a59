//! The parts of ARCHITECTURE.md that the report quotes: the diagram, the table of state, the walk of one message, and
//! the invariants.

use serde_json::{Value, json};

use super::{ReportContext, markdown};

const FILE: &str = "ARCHITECTURE.md";

pub(super) fn write(context: &ReportContext) -> Result<(), String> {
    context.write("architecture.json", &quote()?)
}

/// The quoted parts. Fails if one is missing.
fn quote() -> Result<Value, String> {
    let text = markdown::read(FILE)?;
    let section = |heading: &str| markdown::section(&text, heading).ok_or_else(|| format!("{FILE} has no {heading:?}"));
    let view = section("## Bird's-eye view")?;
    let mut blocks = view.split("```");
    let diagram = blocks.nth(1).and_then(|block| block.strip_prefix("text\n")).unwrap_or_default();
    let state_table = markdown::table(view);
    let walk: Vec<_> = paragraphs(section("## The walk of one message")?)
        .into_iter()
        .flat_map(|paragraph| steps(&paragraph))
        .collect();
    let invariants: Vec<_> = paragraphs(section("## Invariants")?).iter().filter_map(|text| invariant(text)).collect();
    if diagram.is_empty() || state_table.is_empty() || walk.is_empty() || invariants.is_empty() {
        return Err(format!(
            "{FILE} lacks a part that the report quotes: a diagram, the table of state, a walk, invariants"
        ));
    }
    Ok(json!({ "diagram": diagram.trim_end(), "homes": state_table, "walk": walk, "invariants": invariants }))
}

/// Paragraphs, each joined into one line.
fn paragraphs(section: &str) -> Vec<String> {
    section.split("\n\n").map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// Splits a numbered list that is joined into one line. Returns its items without their numbers.
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

/// Parses `**Claim.** Reason. *Kept by* its proof.`
fn invariant(text: &str) -> Option<Value> {
    let (claim, reason_and_proof) = text.strip_prefix("**")?.split_once("**")?;
    let (why, kept) = reason_and_proof.split_once("*Kept by*").unwrap_or((reason_and_proof, ""));
    Some(json!({ "claim": claim.trim_end_matches([',', '.', ':']), "why": why.trim(), "kept": kept.trim() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quoted_parts_exist() {
        assert_eq!(quote().map(|_| ()), Ok(()));
    }

    #[test]
    fn lists_and_invariants_are_split_into_their_parts() {
        assert_eq!(steps("1. one 1.5 2. two 3. three"), ["one 1.5", "two", "three"]);
        let invariant = invariant("**It holds.** Because. *Kept by* a test.").expect("a claim");
        assert_eq!(invariant, json!({ "claim": "It holds", "why": "Because.", "kept": "a test." }));
    }
}

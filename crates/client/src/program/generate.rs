//! Generates shell completions and the manual page from the clap definition.

use std::io::{self, Write as _};

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;

use super::args::{Cli, ENVIRONMENT, EXAMPLES, EXIT_CODES, INPUT_HELP};

/// Prints the completion script for `shell`.
pub(crate) fn completions(shell: Shell) -> io::Result<()> {
    // The generator panics if its writer fails. A write to memory cannot fail.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "switchboard", &mut script);
    io::stdout().lock().write_all(&script)
}

/// Prints the manual page, which covers all subcommands.
pub(crate) fn man() -> io::Result<()> {
    let mut page = Vec::new();
    write_man(&mut page)?;
    io::stdout().lock().write_all(&page)
}

fn write_man(page: &mut Vec<u8>) -> io::Result<()> {
    let mut command = Cli::command();
    command.build();
    let main = Man::new(command.clone());
    main.render_title(page)?;
    main.render_name_section(page)?;
    main.render_synopsis_section(page)?;
    main.render_description_section(page)?;
    for paragraph in INPUT_HELP {
        writeln!(page, ".PP\n{}", escape_roff(paragraph))?;
    }
    main.render_options_section(page)?;
    writeln!(page, ".SH SUBCOMMANDS")?;
    write_subcommands(&mut command, page)?;
    writeln!(page, ".SH ENVIRONMENT")?;
    for (variable, about) in ENVIRONMENT {
        writeln!(page, ".TP\n{variable}\n{}", escape_roff(about))?;
    }
    writeln!(page, ".SH \"EXIT STATUS\"")?;
    for (code, about) in EXIT_CODES {
        writeln!(page, ".TP\n{code}\n{}", escape_roff(about))?;
    }
    writeln!(page, ".SH EXAMPLES")?;
    for (example, about) in EXAMPLES {
        writeln!(page, ".TP\n.nf\n{}\n.fi\n{}", escape_roff(example), escape_roff(about))?;
    }
    main.render_version_section(page)
}

/// Writes a section for each subcommand of `command`. If a subcommand has subcommands of its own, it writes the
/// sections of those instead.
fn write_subcommands(command: &mut Command, page: &mut Vec<u8>) -> io::Result<()> {
    for subcommand in command.get_subcommands_mut().filter(|subcommand| subcommand.get_name() != "help") {
        if subcommand.has_subcommands() {
            write_subcommands(subcommand, page)?;
            continue;
        }
        let usage = subcommand.render_usage().to_string();
        let about = subcommand.get_about().map(ToString::to_string).unwrap_or_default();
        writeln!(page, ".SS \"{}\"\n{}.", escape_roff(usage.trim_start_matches("Usage: ")), escape_roff(&about))?;
        let mut options = Vec::new();
        Man::new(subcommand.clone()).render_options_section(&mut options)?;
        // Keep only the text after the heading.
        let options = String::from_utf8_lossy(&options);
        let (_, options) = options.split_once(".SH OPTIONS\n").unwrap_or_default();
        write!(page, "{options}")?;
    }
    Ok(())
}

/// Escapes `text` for roff: no part of it acts as a roff request or escape, and its hyphens are printed as ASCII
/// hyphens, so that a user can copy an option.
fn escape_roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq").replace('"', "\\(dq");
    if text.starts_with('.') { format!("\\&{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manual_lists_every_option_of_every_subcommand() {
        let mut page = Vec::new();
        write_man(&mut page).expect("writing to memory succeeds");
        let page = String::from_utf8(page).expect("it is UTF-8");
        let mut command = Cli::command();
        command.build();
        let bench = command.find_subcommand("bench").expect("the subcommand exists").get_subcommands();
        let subcommands = command.get_subcommands().map(|subcommand| (subcommand, ""));
        let subcommands = subcommands.chain(bench.map(|workload| (workload, "bench ")));
        for (subcommand, parent) in subcommands.filter(|(subcommand, _)| subcommand.get_name() != "help") {
            let heading = format!(".SS \"switchboard {parent}{}", subcommand.get_name());
            let (_, after_heading) = page.split_once(&heading).unwrap_or_else(|| panic!("{heading} is not in\n{page}"));
            let section = after_heading.split("\n.S").next().expect("split yields at least one part");
            for option in subcommand.get_arguments().filter_map(|argument| argument.get_long()) {
                let option = format!("\\-\\-{}", option.replace('-', "\\-"));
                assert!(section.contains(&option), "{option} is not in\n{section}");
            }
        }
        for part in [".SH ENVIRONMENT", "SWITCHBOARD_ADDR", ".SH \"EXIT STATUS\"", ".nf\nprintf"] {
            assert!(page.contains(part), "{part} is not in\n{page}");
        }
    }
}

//! Manual pages and shell completions of the programs, from their clap definitions.

use std::io::{self, Write as _};

use clap::Command;
pub use clap_complete::Shell;
use clap_mangen::Man;

/// A manual page: a clap definition, and the sections that clap does not know.
#[derive(Debug)]
pub struct Manual<'a> {
    /// The program with its options and subcommands.
    pub command: Command,
    /// Further paragraphs of the description.
    pub description: &'a [&'a str],
    /// The environment variables that the program reads, each with its use.
    pub environment: &'a [(&'a str, &'a str)],
    /// The exit codes, each with its meaning.
    pub exit_codes: &'a [(&'a str, &'a str)],
    /// The files that the program uses, each with its content.
    pub files: &'a [(&'a str, &'a str)],
    /// Example command lines, each with a description.
    pub examples: &'a [(&'a str, &'a str)],
}

/// Prints the completion script of a program for `shell`.
///
/// # Errors
///
/// If standard output cannot be written.
pub fn print_completions(shell: Shell, mut command: Command) -> io::Result<()> {
    let program = command.get_name().to_owned();
    // The generator panics if its writer fails. A write to memory cannot fail.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, program, &mut script);
    io::stdout().lock().write_all(&script)
}

impl Manual<'_> {
    /// Prints the page, which covers all subcommands.
    ///
    /// # Errors
    ///
    /// If standard output cannot be written.
    pub fn print(self) -> io::Result<()> {
        io::stdout().lock().write_all(&self.page()?)
    }

    /// The page, for the test of a program.
    ///
    /// # Panics
    ///
    /// If an option of a subcommand is missing in the section of this subcommand.
    #[must_use]
    pub fn checked_page(self) -> String {
        let mut command = self.command.clone();
        command.build();
        let page = self.page().expect("writing to memory succeeds");
        let page = String::from_utf8(page).expect("it is UTF-8");
        check_page(&page, &command);
        page
    }

    fn page(mut self) -> io::Result<Vec<u8>> {
        let mut page = Vec::new();
        self.command.build();
        let main = Man::new(self.command.clone());
        main.render_title(&mut page)?;
        main.render_name_section(&mut page)?;
        main.render_synopsis_section(&mut page)?;
        main.render_description_section(&mut page)?;
        for paragraph in self.description {
            writeln!(page, ".PP\n{}", escape_roff(paragraph))?;
        }
        main.render_options_section(&mut page)?;
        if self.command.has_subcommands() {
            writeln!(page, ".SH SUBCOMMANDS")?;
            write_subcommands(&mut self.command, &mut page)?;
        }
        for (title, entries) in
            [("ENVIRONMENT", self.environment), ("\"EXIT STATUS\"", self.exit_codes), ("FILES", self.files)]
        {
            if !entries.is_empty() {
                writeln!(page, ".SH {title}")?;
            }
            for (term, about) in entries {
                writeln!(page, ".TP\n{}\n{}", escape_roff(term), escape_roff(about))?;
            }
        }
        if !self.examples.is_empty() {
            writeln!(page, ".SH EXAMPLES")?;
        }
        for (example, about) in self.examples {
            writeln!(page, ".TP\n.nf\n{}\n.fi\n{}", escape_roff(example), escape_roff(about))?;
        }
        main.render_version_section(&mut page)?;
        Ok(page)
    }
}

/// Writes a section for each subcommand of `command`. If a subcommand has subcommands of its own, it writes the
/// sections of those instead.
fn write_subcommands(command: &mut Command, page: &mut Vec<u8>) -> io::Result<()> {
    let is_shown = |subcommand: &&mut Command| subcommand.get_name() != "help" && !subcommand.is_hide_set();
    for subcommand in command.get_subcommands_mut().filter(is_shown) {
        if subcommand.has_subcommands() {
            write_subcommands(subcommand, page)?;
            continue;
        }
        let usage = subcommand.render_usage().to_string();
        writeln!(page, ".SS \"{}\"", escape_roff(usage.trim_start_matches("Usage: ")))?;
        let long_about = subcommand.get_long_about().map(ToString::to_string);
        // clap drops the full stop of a single paragraph.
        let about = || subcommand.get_about().map(|about| format!("{}.", about.to_string().trim_end_matches('.')));
        let about = long_about.or_else(about).unwrap_or_default();
        let paragraphs: Vec<_> = about.split("\n\n").map(escape_roff).collect();
        writeln!(page, "{}", paragraphs.join("\n.PP\n"))?;
        let mut options = Vec::new();
        Man::new(subcommand.clone()).render_options_section(&mut options)?;
        // Keep only the text after the heading.
        let options = String::from_utf8_lossy(&options);
        let (_, options) = options.split_once(".SH OPTIONS\n").unwrap_or_default();
        for line in options.lines() {
            // A group of options belongs to the subcommand, so its heading must not begin a section of the page.
            match line.strip_prefix(".SH ") {
                Some(group) => writeln!(page, ".PP\n.B {group}")?,
                None => writeln!(page, "{line}")?,
            }
        }
    }
    Ok(())
}

/// Escapes `text` for roff: no line of it acts as a roff request or escape, and its hyphens are printed as ASCII hyphens,
/// so that a user can copy an option.
fn escape_roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq").replace('"', "\\(dq");
    let lines = text.split('\n').map(|line| if line.starts_with('.') { format!("\\&{line}") } else { line.to_owned() });
    lines.collect::<Vec<_>>().join("\n")
}

fn check_page(page: &str, command: &Command) {
    let is_shown = |subcommand: &&Command| subcommand.get_name() != "help" && !subcommand.is_hide_set();
    for subcommand in command.get_subcommands().filter(is_shown) {
        if subcommand.has_subcommands() {
            check_page(page, subcommand);
            continue;
        }
        let path = subcommand.get_bin_name().unwrap_or_default();
        let heading = format!(".SS \"{}", escape_roff(path));
        let (_, after_heading) = page.split_once(&heading).unwrap_or_else(|| panic!("{heading} is not in\n{page}"));
        let section = after_heading.split("\n.S").next().unwrap_or_default();
        for option in subcommand.get_arguments().filter(|argument| !argument.is_hide_set()) {
            let Some(option) = option.get_long() else { continue };
            let option = format!("\\-\\-{}", escape_roff(option));
            assert!(section.contains(&option), "{option} is not in\n{section}");
        }
    }
}

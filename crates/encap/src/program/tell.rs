//! What is said on standard error, and how a fault is written there.

use std::fmt;
use std::io::{self, Write as _};

use switchboard_encap::diagnostic::Severity;
use switchboard_encap::rows::RowFault;

use super::colour;

/// Says something on standard error. Where nobody can hear it, that is no reason to stop.
pub(crate) fn tell(what: impl fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{what}");
}

/// What is said of the places of a file.
#[derive(Debug)]
pub(crate) struct Places {
    /// The file's name, safe to show.
    pub(crate) file: String,
    pub(crate) coloured: bool,
}

impl Places {
    /// `file:line:character: severity: what`, as editors read it.
    pub(crate) fn at(
        &self,
        line: u64,
        character: Option<u64>,
        severity: Severity,
        what: impl fmt::Display,
    ) -> impl fmt::Display {
        let severity = colour::paint(severity, colour::of(severity), self.coloured);
        let character = character.unwrap_or(1);
        fmt::from_fn(move |f| write!(f, "{}:{line}:{character}: {severity}: {what}", self.file))
    }

    /// A fault at its place.
    pub(crate) fn fault(&self, fault: &RowFault) -> impl fmt::Display {
        self.at(fault.place.line, fault.place.character, fault.severity(), fault.message())
    }
}

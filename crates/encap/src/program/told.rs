//! What was said of rows on standard error, and what is to be said of it at the end.

use std::fmt;
use std::io;

use serde::Serialize;
use switchboard_encap::build::{BuildRemark, Refusal};
use switchboard_encap::diagnostic::Severity;
use switchboard_encap::rows::RowFault;

use super::colour;
use super::tell::{Places, tell};

/// Faults that are listed for a program to read. The rest is counted.
const LISTED_MAX: usize = 1_000;

/// What was said of the rows of a file.
#[derive(Debug)]
pub(crate) struct Told {
    places: Places,
    /// Rows that are carried.
    pub(crate) admitted: u64,
    /// Rows that were not carried.
    pub(crate) refused: u64,
    pub(crate) warnings: u64,
    pub(crate) notes: u64,
    /// The first ones, for a program to read.
    pub(crate) faults: Vec<FaultJson>,
    pub(crate) not_listed: u64,
}

/// Something that was said of a row.
#[derive(Debug, Serialize)]
pub(crate) struct FaultJson {
    severity: Severity,
    line: u64,
    character: Option<u64>,
    message: String,
}

impl Told {
    /// Nothing so far, of the rows of `file`.
    pub(crate) fn new(file: String) -> Self {
        let places = Places { file, coloured: colour::is_wanted(&io::stderr()) };
        Self { places, admitted: 0, refused: 0, warnings: 0, notes: 0, faults: Vec::new(), not_listed: 0 }
    }

    /// What the file is called, safe to show.
    pub(crate) fn file(&self) -> &str {
        &self.places.file
    }

    pub(crate) fn fault(&mut self, fault: &RowFault) {
        tell(self.places.fault(fault));
        self.list(fault.place.line, fault.place.character, fault.severity(), &fault.message());
    }

    pub(crate) fn refusal(&mut self, refusal: &Refusal) {
        self.refused += 1;
        self.say(refusal.place.line, refusal.severity(), &refusal.text());
    }

    pub(crate) fn remark(&mut self, remark: &BuildRemark) {
        self.say(remark.place.line, remark.severity(), &remark.text());
    }

    fn say(&mut self, line: u64, severity: Severity, what: &dyn fmt::Display) {
        tell(self.places.at(line, None, severity, what));
        self.list(line, None, severity, what);
    }

    fn list(&mut self, line: u64, character: Option<u64>, severity: Severity, message: &dyn fmt::Display) {
        self.warnings += u64::from(severity == Severity::Warning);
        self.notes += u64::from(severity == Severity::Note);
        if self.faults.len() < LISTED_MAX {
            self.faults.push(FaultJson { severity, line, character, message: message.to_string() });
        } else {
            self.not_listed += 1;
        }
    }
}

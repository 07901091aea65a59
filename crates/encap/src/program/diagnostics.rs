//! Diagnostics on standard error, and their JSON.

use std::fmt;
use std::io::{self, Write as _};

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};
use switchboard_encap::build::{BuildRemark, Refusal, RowLine};
use switchboard_encap::diagnostic::{Diagnostic, Diagnostics, Kind, Severity};
use switchboard_encap::rows::RowFault;

use super::colour;

/// Maximum diagnostics of rows that JSON lists; the others are counted.
const LISTED_MAX: usize = 1_000;

/// Prints a message on standard error. Errors are ignored, so the program goes on if standard error is closed.
pub(crate) fn report(message: impl fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{message}");
}

/// Formats diagnostics of a file of rows as editors read them: `file:line:character: severity: message`.
#[derive(Debug)]
pub(crate) struct RowFormat {
    /// The name of the file, safe to show.
    pub(crate) file: String,
    pub(crate) coloured: bool,
}

impl RowFormat {
    /// The line of a fault.
    pub(crate) fn fault(&self, fault: &RowFault) -> impl fmt::Display {
        self.line(Position::of(fault), fault.severity(), fault.message())
    }

    fn line(&self, position: Position, severity: Severity, message: impl fmt::Display) -> impl fmt::Display {
        let Position { line, character } = position;
        let severity = colour::paint(severity, colour::severity_style(severity), self.coloured);
        let character = character.unwrap_or(1);
        fmt::from_fn(move |f| write!(f, "{}:{line}:{character}: {severity}: {message}", self.file))
    }
}

/// A place in a file of rows.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
struct Position {
    line: u64,
    character: Option<u64>,
}

impl Position {
    fn of(fault: &RowFault) -> Self {
        Self { line: fault.place.line, character: fault.place.character }
    }
}

/// A diagnostic with the text that was printed for it.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
struct PrintedDiagnostic {
    severity: Severity,
    message: String,
}

impl Kind for PrintedDiagnostic {
    type Place = Position;
    const MERGES: bool = false;

    fn severity(&self) -> Severity {
        self.severity
    }
}

/// A diagnostic in JSON: its severity, its own keys, its message.
#[derive(Serialize)]
pub(crate) struct DiagnosticJson<'a, T: Serialize> {
    pub(crate) severity: Severity,
    #[serde(flatten)]
    pub(crate) keys: &'a T,
    pub(crate) message: String,
}

/// The diagnostics of the rows of one file. Each is printed on standard error and counted; JSON lists the first ones.
#[derive(Debug)]
pub(crate) struct RowDiagnostics {
    format: RowFormat,
    /// Rows that are carried.
    pub(crate) admitted: u64,
    /// Rows that are not carried.
    pub(crate) refused: u64,
    pub(crate) warnings: u64,
    notes: u64,
    printed: Diagnostics<PrintedDiagnostic, LISTED_MAX>,
}

impl RowDiagnostics {
    /// Starts without diagnostics. The name `file` must be safe to show.
    pub(crate) fn new(file: String) -> Self {
        let format = RowFormat { file, coloured: colour::is_wanted(&io::stderr()) };
        Self { format, admitted: 0, refused: 0, warnings: 0, notes: 0, printed: Diagnostics::default() }
    }

    /// The name of the file, safe to show.
    pub(crate) fn file(&self) -> &str {
        &self.format.file
    }

    pub(crate) fn report_fault(&mut self, fault: &RowFault) {
        self.add(Position::of(fault), fault.severity(), fault.message());
    }

    /// Reports a refusal, and counts its row as refused.
    pub(crate) fn report_refusal(&mut self, refusal: &Refusal) {
        self.refused += 1;
        self.report_row(refusal);
    }

    pub(crate) fn report_remark(&mut self, remark: &BuildRemark) {
        self.report_row(remark);
    }

    fn report_row<K: Kind<Place = RowLine>>(&mut self, diagnostic: &Diagnostic<K>) {
        let position = Position { line: diagnostic.place.line, character: None };
        self.add(position, diagnostic.severity(), diagnostic.text());
    }

    fn add(&mut self, position: Position, severity: Severity, message: impl fmt::Display) {
        report(self.format.line(position, severity, &message));
        self.warnings += u64::from(severity == Severity::Warning);
        self.notes += u64::from(severity == Severity::Note);
        if self.printed.list().len() < LISTED_MAX {
            self.printed.add(position, PrintedDiagnostic { severity, message: message.to_string() });
        } else {
            self.printed.leave_out();
        }
    }
}

/// Counts, and the first diagnostics as `faults`.
impl Serialize for RowDiagnostics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let printed = self.printed.list().iter();
        let faults: Vec<_> = printed
            .map(|Diagnostic { place, kind, .. }| DiagnosticJson {
                severity: kind.severity,
                keys: place,
                message: kind.message.clone(),
            })
            .collect();
        let mut fields = serializer.serialize_struct("RowDiagnostics", 5)?;
        fields.serialize_field("refused", &self.refused)?;
        fields.serialize_field("warnings", &self.warnings)?;
        fields.serialize_field("notes", &self.notes)?;
        fields.serialize_field("faults", &faults)?;
        fields.serialize_field("faults_not_listed", &self.printed.left_out())?;
        fields.end()
    }
}

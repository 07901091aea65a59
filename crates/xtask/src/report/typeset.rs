//! Typst, which sets the report: its wheel from `PyPI` in a folder of its own, nothing to compile.
//!
//! PDF and HTML are of one source: Typst writes both, so that no sentence is there twice. What HTML needs beside it is a
//! style sheet, `report/report.css`, as pages, columns and colours are not the same on a screen.

use std::path::Path;
use std::process::Command;

use crate::venv::{Venv, run_silently};

/// Where it is installed.
const VENV: &str = "target/report/venv";
/// Which one.
pub(super) const TYPST: &str = "typst==0.15.2";

/// What it is asked: a PDF and a page, of one source. Fonts come from Debian's packages and from Typst itself, whatever
/// else a machine has.
const COMPILE: &str = r#"
import sys
import typst
out, data = sys.argv[1:]
settings = dict(
    root=".",
    sys_inputs={"data": data},
    ignore_system_fonts=True,
    font_paths=["/usr/share/fonts/truetype/dejavu", "/usr/share/fonts/truetype/noto"],
)
for kind in ["pdf", "html"]:
    typst.compile("report/report.typ", output=f"{out}/report.{kind}", format=kind, **settings)
"#;

/// A Typst that is installed.
pub(super) struct Typst(Venv);

impl Typst {
    /// Installs it where it is not there yet.
    pub(super) fn ensure() -> Result<Self, String> {
        Venv::ensure(VENV, TYPST).map(Self)
    }

    /// Sets the report in `out`, whose data are in a folder of it.
    pub(super) fn compile(&self, out: &Path) -> Result<(), String> {
        // Typst's root is here, and paths in the source begin there.
        let data = format!("/{}/data", out.display());
        run_silently(Command::new(self.0.python()).args(["-c", COMPILE]).arg(out).arg(data))
    }
}

//! Typst, the program that typesets the report. It is installed from `PyPI` as a prebuilt wheel.
//!
//! Typst writes both PDF and HTML from one source. The HTML also needs a style sheet, `report/report.css`, because
//! pages, columns and colours differ on a screen.

use std::path::Path;
use std::process::Command;

use crate::venv::{Venv, run_silently};

/// Folder of the Python environment.
const VENV: &str = "target/report/venv";
/// The package with its pinned version.
pub(super) const TYPST: &str = "typst==0.15.2";

/// The Python program that compiles the PDF and the HTML. It takes fonts only from Debian packages and from Typst, so
/// that the result is the same on every machine.
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

/// An installed Typst.
pub(super) struct Typst(Venv);

impl Typst {
    /// Installs Typst if it is missing.
    pub(super) fn ensure() -> Result<Self, String> {
        Venv::ensure(VENV, TYPST).map(Self)
    }

    /// Typesets the report into `out`, from the data files in `out/data`.
    pub(super) fn compile(&self, out: &Path) -> Result<(), String> {
        // Paths in the source start at Typst's root: the working directory, which is the root of the repository.
        let data = format!("/{}/data", out.display());
        run_silently(Command::new(self.0.python()).args(["-c", COMPILE]).arg(out).arg(data))
    }
}

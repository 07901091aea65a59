//! Typst, which sets the report: its wheel from PyPI in a folder of its own, nothing to compile.

use std::path::Path;
use std::process::Command;

/// Where it is installed.
const VENV: &str = "target/report/venv";
/// Which one.
const TYPST: &str = "typst==0.15.2";

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
pub(super) struct Typst(());

impl Typst {
    /// Installs it where it is not there yet.
    pub(super) fn ensure() -> Result<Self, String> {
        let python = format!("{VENV}/bin/python");
        let version = TYPST.trim_start_matches("typst==");
        let is_there = format!("import importlib.metadata as m; assert m.version('typst') == '{version}'");
        if run(Command::new(&python).args(["-c", &is_there])).is_err() {
            println!("        installs {TYPST} in {VENV}");
            run(Command::new("python3").args(["-m", "venv", VENV]))?;
            run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--only-binary", ":all:", TYPST]))?;
        }
        Ok(Self(()))
    }

    /// Sets the report in `out`, whose data are in a folder of it.
    pub(super) fn compile(&self, out: &Path) -> Result<(), String> {
        // Typst's root is here, and paths in the source begin there.
        let data = format!("/{}/data", out.display());
        run(Command::new(format!("{VENV}/bin/python")).args(["-c", COMPILE]).arg(out).arg(data))
    }
}

/// Runs it to its end, silently; what it said is the error.
fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{program} cannot be started: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program} failed:\n{}", String::from_utf8_lossy(&output.stderr).trim()))
}

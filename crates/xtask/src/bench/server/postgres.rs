//! The files and programs of a PostgreSQL server.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::protocols::Postgres;
use crate::venv::run_silently;

/// The folder of Debian's versions.
const VERSIONS: &str = "/usr/lib/postgresql";

/// Name of the folder with the files of a server.
const DATA: &str = "data";

/// Path of a program of the newest installed version.
pub(super) fn program(name: &str) -> Result<PathBuf, String> {
    let versions = fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    let programs = versions.filter_map(|version| {
        let number: u32 = version.file_name().to_str()?.parse().ok()?;
        let path = version.path().join("bin").join(name);
        path.exists().then_some((number, path))
    });
    let newest = programs.max_by_key(|(number, _)| *number);
    newest.map(|(_, path)| path).ok_or_else(|| format!("{VERSIONS} has no {name}: install the package postgresql"))
}

/// A command that runs a program of PostgreSQL. The programs refuse to run as root, so root runs them as the user
/// `postgres`, which the Debian package creates.
pub(super) fn command(name: &str) -> Result<Command, String> {
    let program = program(name)?;
    if !rustix::process::geteuid().is_root() {
        return Ok(Command::new(program));
    }
    // `setpriv` replaces itself with the program, so both have the same process id.
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    Ok(command)
}

/// Whether the server whose files [`create`] has made in `folder` accepts sessions. It listens before it does.
pub(super) fn is_ready(folder: &Path) -> bool {
    let status = fs::read_to_string(folder.join(DATA).join("postmaster.pid"));
    status.is_ok_and(|status| status.trim_end().ends_with("ready"))
}

/// Creates the files of a server in `folder`, with the table of the messages. Returns their folder.
pub(super) fn create(folder: &Path) -> Result<PathBuf, String> {
    let data = folder.join(DATA);
    fs::create_dir(&data).map_err(|error| format!("{}: {error}", data.display()))?;
    if rustix::process::geteuid().is_root() {
        // The user `postgres` has to reach the folder that it owns.
        run_silently(Command::new("chown").arg("postgres:postgres").arg(folder).arg(&data))?;
    }
    let mut initdb = command("initdb")?;
    initdb.args(["--auth=trust", "--no-locale", "--encoding=UTF8", "--username", Postgres::ROLE, "--pgdata"]);
    run_silently(initdb.arg(&data).current_dir(folder))?;
    let mut single = command("postgres")?;
    single.args(["--single", "-D"]).arg(&data).arg("postgres").current_dir(folder);
    single.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let failed = |error: std::io::Error| format!("PostgreSQL cannot create its table: {error}");
    let mut child = single.spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        writeln!(stdin, "{}", Postgres::TABLE).map_err(failed)?;
    }
    let status = child.wait().map_err(failed)?;
    if status.success() { Ok(data) } else { Err(format!("PostgreSQL cannot create its table: {status}")) }
}

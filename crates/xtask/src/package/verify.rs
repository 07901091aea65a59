//! Checks of the packages: lintian, systemd-analyze, and an installation in a small Debian system.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::stage::FOLDER;
use super::{build_debs, enter_workspace, stage};
use crate::command::{output_of, run_command};

/// Highest exposure of the unit, in tenths. `systemd-analyze security` rates a unit from 0 to 10, and calls 2 "OK".
const EXPOSURE_MAX: u32 = 12;

/// The release of Debian in which the packages are installed: the oldest one that they support.
const RELEASE: &str = "bookworm";

/// Checks the packages of the programs in the folder of a release build.
pub(crate) fn run() -> Result<(), String> {
    enter_workspace()?;
    stage::all()?;
    let packages = build_debs()?;
    let mut lintian = Command::new("lintian");
    run_command(lintian.args(["--fail-on", "error", "--allow-root"]).args(&packages))?;
    check_units()?;
    let root = small_system()?;
    let mut script = as_root("bash");
    script.arg("crates/xtask/src/package/install_test.sh").arg(&root).args(&packages);
    run_command(&mut script)?;
    run_command(as_root("rm").arg("-rf").arg(&root))
}

/// Checks that systemd understands the units, and how much of the system the server may reach.
fn check_units() -> Result<(), String> {
    let staged = Path::new(FOLDER).join("switchboard-server").canonicalize().map_err(|error| error.to_string())?;
    // systemd-analyze asks that the program exists. So copies of the units name the staged one.
    let program = staged.join("usr/bin/switchboard-server").display().to_string();
    let folder = Path::new(FOLDER).join("units");
    stage::copy_tree(&staged.join("usr/lib/systemd/system"), &folder)?;
    let entries = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let units: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    for unit in &units {
        let text = String::from_utf8_lossy(&stage::read(unit)?).replace("/usr/bin/switchboard-server", &program);
        stage::write(unit, text.as_bytes())?;
    }
    let verified = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&units).output();
    let verified = verified.map_err(|error| format!("systemd-analyze cannot be started: {error}"))?;
    if !verified.status.success() || !verified.stderr.is_empty() {
        return Err(format!("systemd-analyze verify: {}", String::from_utf8_lossy(&verified.stderr)));
    }

    let mut command = Command::new("systemd-analyze");
    command.args(["security", "--offline=yes", "--no-pager", &format!("--threshold={EXPOSURE_MAX}")]);
    let output = output_of(command.arg(folder.join("switchboard-server.service")))?;
    let text = String::from_utf8_lossy(&output);
    println!("{}", text.lines().last().unwrap_or_default());
    Ok(())
}

/// A new small Debian system, from the mirror that this machine uses.
fn small_system() -> Result<PathBuf, String> {
    let root = Path::new(FOLDER).join("root");
    let sites =
        output_of(Command::new("apt-get").args(["indextargets", "--format", "$(SITE)", "Identifier: Packages"]))?;
    let sites = String::from_utf8_lossy(&sites);
    let site = sites.lines().next().ok_or("apt has no source of packages")?;
    run_command(as_root("rm").arg("-rf").arg(&root))?;
    let mut debootstrap = as_root("debootstrap");
    debootstrap.args(["--variant=minbase", "--include=systemd-standalone-sysusers", RELEASE]).arg(&root).arg(site);
    output_of(&mut debootstrap)?;
    Ok(root)
}

/// A command as root, by sudo if this process is not root.
fn as_root(program: &str) -> Command {
    if rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut sudo = Command::new("sudo");
    sudo.arg("--non-interactive").arg(program);
    sudo
}

//! Scripts and tests in a network of their own.
//!
//! They run in new user, network, mount and process namespaces. There, they need no privilege, no other program sends
//! packets, and they may change the network and mount files. All processes inside end when the script or test ends.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use crate::wire_lab::texts;

/// An address of the machine that is not loopback, for [`in_namespace`] with [`WITH_ADDRESS`].
pub const ADDRESS: &str = "192.0.2.1";

/// The setup of a network in which the machine has [`ADDRESS`].
pub const WITH_ADDRESS: &str = "ip link set lo up; ip address add 192.0.2.1/32 dev lo";

/// Time limit of a script. The longest one takes a few seconds.
const SCRIPT_TIME_MAX: Duration = Duration::from_secs(30);

/// Time limit of a test. The longest one takes three minutes (`cargo xtask soak readers`).
const TEST_TIME_MAX: Duration = Duration::from_mins(10);

/// Environment variable that is set when a test runs inside the namespaces.
const INSIDE: &str = "SWITCHBOARD_TEST_IN_NAMESPACE";

/// Whether the test runs inside the namespaces.
#[must_use]
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs a bash script in new namespaces, in a new empty folder. In the script, `$0` is `program`, and `$1` the first of
/// `args`. The script ends at the first command that fails.
///
/// # Panics
///
/// If the script does not end in time, or a required program is missing.
#[must_use]
pub fn run_script(script: &str, program: &Path, args: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = script_command(SCRIPT_TIME_MAX, script, program);
    run(command.args(args).current_dir(&folder))
}

/// Runs the test function `name` in new namespaces, after the shell command `setup`. `test` is its body: the test
/// starts itself a second time. Prints its output.
///
/// # Panics
///
/// If the test fails there or does not end in time, or namespaces are unavailable.
pub fn in_namespace(name: &str, setup: &str, test: impl FnOnce()) {
    if is_inside() {
        return test();
    }
    let script = format!("{setup}; \"$0\" --exact \"$1\" --nocapture --include-ignored");
    let test_binary = std::env::current_exe().expect("a test has a path");
    let output = run(script_command(TEST_TIME_MAX, &script, &test_binary).arg(name).env(INSIDE, "1"));
    let (out, errors) = texts(&output);
    assert!(output.status.success(), "{out}\n{errors}");
    assert!(out.contains("1 passed"), "the test did not run in the namespaces: {out}");
    println!("{out}");
}

/// A command that runs a bash script in new namespaces, and kills it after `limit`. Append `$1` and the further
/// arguments.
fn script_command(limit: Duration, script: &str, program: &Path) -> Command {
    let mut command = Command::new("timeout");
    command
        // In the foreground, Ctrl-C reaches the script. SIGKILL, because `unshare` may block other signals.
        .args(["--foreground", "--signal=KILL", &limit.as_secs().to_string()])
        .args(["unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child"])
        .args(["bash", "-ec", script])
        .arg(program);
    command
}

fn run(command: &mut Command) -> Output {
    /// The exit code of `timeout` after it has sent SIGKILL: 128 + 9.
    const KILLED: i32 = 137;
    let output = command.output();
    let output =
        output.expect("timeout, unshare, ip and bash are installed (Debian: coreutils, util-linux, iproute2, bash)");
    if output.status.code() == Some(KILLED) {
        let (out, errors) = texts(&output);
        panic!("killed, perhaps because it did not end in time: {out}\n{errors}");
    }
    output
}

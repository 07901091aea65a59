//! A private network namespace. In it, a user without root rights may capture packets.

use std::process::Command;

/// Options of `unshare` for the namespaces.
const NAMESPACE: [&str; 3] = ["--user", "--map-root-user", "--net"];

/// A command that runs a program in new user and network namespaces with loopback up. Append the program and its
/// arguments.
pub(crate) fn command() -> Command {
    let mut command = Command::new("unshare");
    command.args(NAMESPACE).args(["sh", "-ec", "ip link set lo up; exec \"$0\" \"$@\""]);
    command
}

/// Checks that network namespaces are available. The error names the setting to change.
pub(crate) fn ensure() -> Result<(), String> {
    let output = command().arg("true").output();
    let output = output.map_err(|error| format!("unshare cannot be started (Debian: util-linux): {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "a network namespace cannot be created here: {}. Allow it, as root: sysctl \
         kernel.unprivileged_userns_clone=1 (Debian), sysctl kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu); \
         in a container, start the container with --privileged. To test it, run: unshare {} true",
        String::from_utf8_lossy(&output.stderr).trim(),
        NAMESPACE.join(" ")
    ))
}

//! Tests in a network of their own.
//!
//! Such a test starts itself a second time, in new user and network namespaces. There, it needs no privilege, no other
//! program sends packets, and it may change the network.

use std::process::Command;

use crate::wire_lab::texts;

/// Environment variable that is set when a test runs inside the namespaces.
const INSIDE: &str = "SWITCHBOARD_TEST_IN_NAMESPACE";

/// Whether the test runs inside the namespaces.
#[must_use]
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs the test function `name` in new namespaces, after the shell command `setup`. `test` is its body.
///
/// # Panics
///
/// If the test fails there, or namespaces are unavailable.
pub fn in_namespace(name: &str, setup: &str, test: impl FnOnce()) {
    if is_inside() {
        return test();
    }
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "sh", "-ec"])
        .arg(format!("{setup}; exec \"$0\" --exact \"$1\" --nocapture --include-ignored"))
        .arg(std::env::current_exe().expect("a test has a path"))
        .arg(name)
        .env(INSIDE, "1")
        .output()
        .expect("unshare and ip are installed (Debian: util-linux, iproute2)");
    let (out, errors) = texts(&output);
    assert!(output.status.success(), "{out}\n{errors}");
    assert!(out.contains("1 passed"), "the test did not run in the namespaces: {out}");
}

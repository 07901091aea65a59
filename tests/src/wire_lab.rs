//! The `encap` program on live traffic, in a network namespace.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

use crate::namespace;
use crate::process::program;
use crate::test_client::TIMEOUT;

/// Runs the test function `name` in new namespaces with loopback up. `test` is its body.
///
/// # Panics
///
/// If the test fails there, or namespaces are unavailable.
pub fn in_namespace(name: &str, test: impl FnOnce()) {
    if !namespace::is_inside() {
        // Builds the program here, because a build inside the namespaces has no network and runs at the same time as
        // the builds of other tests.
        let _ = program("encap");
    }
    namespace::in_namespace(name, "ip link set lo up", test);
}

/// Standard output and standard error of a program.
#[must_use]
pub fn texts(output: &Output) -> (String, String) {
    (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Runs `encap` and returns its standard output and standard error.
///
/// # Panics
///
/// If the exit code is not `status`.
#[expect(clippy::must_use_candidate, reason = "some callers need only the check of the exit code")]
pub fn encap(status: i32, args: &[&str]) -> (String, String) {
    let output = Command::new(program("encap")).args(args).output().expect("encap can be started");
    let (out, errors) = texts(&output);
    assert_eq!(output.status.code(), Some(status), "encap {args:?}: {out}\n{errors}");
    (out, errors)
}

/// Returns the fields that tshark prints for each frame that passes the filter.
///
/// # Panics
///
/// If tshark is missing, or cannot read the file.
#[must_use]
pub fn tshark(file: &Path, args: &[&str], filter: &str, fields: &[&str]) -> Vec<Vec<String>> {
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(file).args(args).args(["-Y", filter, "-T", "fields"]);
    // A temporary home, so that a user's plugins are not loaded.
    tshark.env("HOME", file.parent().expect("a file in a folder"));
    for field in fields {
        tshark.args(["-e", field]);
    }
    let output = tshark.output().expect("tshark is installed (Debian: tshark)");
    let (out, errors) = texts(&output);
    // tshark reports an error of a Lua dissector, but exits with 0.
    assert!(output.status.success() && !errors.contains("Lua"), "{out}\n{errors}");
    out.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

/// Path of a CSV test file.
#[must_use]
pub fn csv(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/csv").join(name)
}

/// A running `encap capture` on loopback.
#[derive(Debug)]
pub struct Capture {
    /// The process of `encap`.
    pub child: Child,
    /// The file that the capture is written to.
    pub file: PathBuf,
}

impl Capture {
    /// Starts a capture into a file in `folder`, and waits until it has started.
    ///
    /// # Panics
    ///
    /// If no file appears within [`TIMEOUT`].
    #[must_use]
    pub fn start(folder: &TempDir, args: &[&str]) -> Self {
        let file = folder.path().join("captured.pcapng");
        let mut capture = Command::new(program("encap"));
        capture.args(["capture", "-i", "lo", "-o"]).arg(&file).args(args).stderr(Stdio::piped());
        let capture = Self { child: capture.spawn().expect("encap can be started"), file };
        // The program writes the first bytes of the file after it has opened its socket.
        capture.wait_for_bytes(1);
        capture
    }

    /// Waits until the file has at least `min_bytes`.
    ///
    /// # Panics
    ///
    /// If the file is still shorter after [`TIMEOUT`].
    pub fn wait_for_bytes(&self, min_bytes: u64) {
        for _ in 0..TIMEOUT.as_millis() / 10 {
            if std::fs::metadata(&self.file).is_ok_and(|file| file.len() >= min_bytes) {
                return;
            }
            sleep(Duration::from_millis(10));
        }
        panic!("the capture does not grow to {min_bytes} bytes");
    }

    /// Sends a signal, such as `INT`.
    ///
    /// # Panics
    ///
    /// If the process is gone.
    pub fn signal(&self, name: &str) {
        let kill = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(kill.is_ok_and(|status| status.success()), "kill -s {name} failed");
    }

    /// Waits for a successful exit, and returns the standard error of the program.
    ///
    /// # Panics
    ///
    /// If the exit code is not 0.
    #[must_use]
    pub fn wait(mut self) -> String {
        let mut errors = String::new();
        self.child.stderr.take().expect("a piped stream").read_to_string(&mut errors).expect("UTF-8 text");
        assert!(self.child.wait().expect("a child of this process").success(), "{errors}");
        errors
    }
}

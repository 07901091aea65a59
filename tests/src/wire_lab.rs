//! The wire lab on live traffic: `encap` as a program, in a network that a test makes for itself.
//!
//! Whatever captures runs itself again in user and network namespaces, as anybody may, so no other traffic is in the way.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::program;
use crate::test_client::TIMEOUT;

/// Set for the run in the namespaces.
const INSIDE: &str = "SWITCHBOARD_TEST_IN_NAMESPACE";

/// Runs `test`, of this name, in namespaces of its own, in which loopback is up.
///
/// # Panics
///
/// If it fails there, or there are no namespaces.
pub fn in_namespace(name: &str, test: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return test();
    }
    // Built out here, where the tests before this one may be building, too.
    let _ = program("encap");
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "sh", "-ec"])
        .arg("ip link set lo up; exec \"$0\" --exact \"$1\" --nocapture")
        .arg(std::env::current_exe().expect("a test has a path"))
        .arg(name)
        .env(INSIDE, "1")
        .output()
        .expect("unshare and ip are installed (Debian: util-linux, iproute2)");
    let (out, errors) = texts(&output);
    assert!(output.status.success(), "{out}\n{errors}");
    assert!(out.contains("1 passed"), "the test ran inside: {out}");
}

/// What a program wrote to standard output and error.
#[must_use]
pub fn texts(output: &Output) -> (String, String) {
    (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// What `encap` prints, once it has ended with this status.
///
/// # Panics
///
/// If it ends with another.
#[expect(clippy::must_use_candidate, reason = "what it does may be all that is asked for")]
pub fn encap(status: i32, args: &[&str]) -> (String, String) {
    let output = Command::new(program("encap")).args(args).output().expect("encap can be started");
    let (out, errors) = texts(&output);
    assert_eq!(output.status.code(), Some(status), "encap {args:?}: {out}\n{errors}");
    (out, errors)
}

/// The lines that tshark prints: of each frame that passes the filter, the fields.
///
/// # Panics
///
/// Where tshark is missing, or cannot read it.
#[must_use]
pub fn tshark(file: &Path, args: &[&str], filter: &str, fields: &[&str]) -> Vec<Vec<String>> {
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(file).args(args).args(["-Y", filter, "-T", "fields"]);
    // A home of its own: what is installed for whoever runs this is not what is tested.
    tshark.env("HOME", file.parent().expect("it is in a folder"));
    for field in fields {
        tshark.args(["-e", field]);
    }
    let output = tshark.output().expect("tshark is installed (Debian: tshark)");
    let (out, errors) = texts(&output);
    assert!(output.status.success() && !errors.contains("Lua"), "{out}\n{errors}");
    out.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

/// One of the files of rows.
#[must_use]
pub fn csv(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/csv").join(name)
}

/// `encap capture` on loopback, while it runs.
#[derive(Debug)]
pub struct Capture {
    /// The program.
    pub child: Child,
    /// What it writes.
    pub file: PathBuf,
}

impl Capture {
    /// Starts it, and waits until it listens.
    ///
    /// # Panics
    ///
    /// If it does not begin to write.
    #[must_use]
    pub fn start(folder: &TempDir, args: &[&str]) -> Self {
        let file = folder.path().join("captured.pcapng");
        let mut capture = Command::new(program("encap"));
        capture.args(["capture", "-i", "lo", "-o"]).arg(&file).args(args).stderr(Stdio::piped());
        let capture = Self { child: capture.spawn().expect("encap can be started"), file };
        // The beginning of the file is written once it listens.
        capture.wait_for_bytes(1);
        capture
    }

    /// Waits until the file is so long.
    ///
    /// # Panics
    ///
    /// If it stays shorter.
    pub fn wait_for_bytes(&self, least: u64) {
        for _ in 0..TIMEOUT.as_millis() / 10 {
            if std::fs::metadata(&self.file).is_ok_and(|file| file.len() >= least) {
                return;
            }
            sleep(Duration::from_millis(10));
        }
        panic!("the capture does not grow to {least} bytes");
    }

    /// Sends it a signal.
    ///
    /// # Panics
    ///
    /// If it is gone.
    pub fn signal(&self, name: &str) {
        let kill = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(kill.is_ok_and(|status| status.success()));
    }

    /// Waits until it has ended as it should, and gives what it said.
    ///
    /// # Panics
    ///
    /// If it ends otherwise.
    #[must_use]
    pub fn end(mut self) -> String {
        let mut said = String::new();
        self.child.stderr.take().expect("it is piped").read_to_string(&mut said).expect("text");
        assert!(self.child.wait().expect("it is our child").success(), "{said}");
        said
    }
}

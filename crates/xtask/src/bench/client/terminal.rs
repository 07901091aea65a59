//! A client in tmux.

use std::process::Command;
use std::time::Duration;
use std::{fs, io};

use super::{COLUMNS, ROWS, output};

/// Ticks in the processor times of /proc. Linux has the same number on each architecture that Rust supports.
const TICKS_PER_SECOND: u64 = 100;

/// A client in a tmux of its own. Dropping it ends both.
#[derive(Debug)]
pub(super) struct Terminal {
    /// The folder of the socket and of the settings of tmux.
    folder: tempfile::TempDir,
    /// The process of the client.
    pid: u32,
}

impl Terminal {
    /// Starts a client.
    pub(super) fn start(client: &Command) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| format!("no folder for tmux: {error}"))?;
        // Without a status line, the client has all rows.
        fs::write(folder.path().join("settings"), "set -g status off\nset -g default-terminal tmux-256color\n")
            .map_err(|error: io::Error| error.to_string())?;
        let mut terminal = Self { folder, pid: 0 };
        let mut tmux = terminal.tmux();
        tmux.args(["new-session", "-d", "-x", &COLUMNS.to_string(), "-y", &ROWS.to_string(), "--"]);
        output(tmux.arg(client.get_program()).args(client.get_args()))?;
        let pid = output(terminal.tmux().args(["list-panes", "-F", "#{pane_pid}"]))?;
        terminal.pid = pid.trim().parse().map_err(|_| format!("tmux names no process: {pid:?}"))?;
        Ok(terminal)
    }

    fn tmux(&self) -> Command {
        let mut tmux = Command::new("tmux");
        tmux.arg("-S").arg(self.folder.path().join("socket")).arg("-f").arg(self.folder.path().join("settings"));
        tmux
    }

    /// Types keys.
    pub(super) fn type_in(&self, keys: &str) -> Result<(), String> {
        output(self.tmux().args(["send-keys", "-l", "--", keys])).map(drop)
    }

    /// The text on the screen.
    pub(super) fn screen(&self) -> Result<String, String> {
        output(self.tmux().args(["capture-pane", "-p"]))
    }

    /// The processor time of the client so far, in user mode and in the kernel. Exact to a tick of the kernel.
    pub(super) fn cpu_time(&self) -> Result<Duration, String> {
        let stat = self.proc_file("stat")?;
        // The name of the program, in parentheses, may contain spaces. Fields 14 and 15 are the two times.
        let ticks = stat.rsplit_once(')').and_then(|(_, fields)| {
            let mut times = fields.split_ascii_whitespace().skip(11).map(str::parse::<u64>);
            Some(times.next()?.ok()? + times.next()?.ok()?)
        });
        let ticks = ticks.ok_or_else(|| format!("/proc/{}/stat has no times", self.pid))?;
        Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
    }

    /// The resident memory of the client, in bytes.
    pub(super) fn resident_bytes(&self) -> Result<u64, String> {
        let status = self.proc_file("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
        Ok(1024 * kibibytes.ok_or_else(|| format!("/proc/{}/status has no VmRSS", self.pid))?)
    }

    fn proc_file(&self, name: &str) -> Result<String, String> {
        let path = format!("/proc/{}/{name}", self.pid);
        fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = output(self.tmux().arg("kill-server"));
    }
}

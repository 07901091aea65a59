//! A real terminal, provided by tmux.

use std::process::{Command, Output};
use std::thread::sleep;
use std::time::Duration;

use crate::test_client::TIMEOUT;

/// Width of the terminal, in characters.
const COLUMNS: u16 = 80;

/// A terminal with one program, on its own tmux server.
#[derive(Debug)]
pub struct Terminal {
    folder: tempfile::TempDir,
}

impl Terminal {
    /// Runs `program` in a new terminal.
    ///
    /// # Panics
    ///
    /// If tmux fails.
    #[must_use]
    pub fn start(program: &str, args: &[&str]) -> Self {
        let terminal = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        let home = terminal.folder.path().to_str().expect("a UTF-8 path").to_owned();
        let columns = COLUMNS.to_string();
        let mut command = vec!["new-session", "-d", "-x", &columns, "-y", "24", "env"];
        let (home_env, state_env) = (format!("HOME={home}"), format!("XDG_STATE_HOME={home}"));
        command.extend([&*home_env, &*state_env, "TERM=xterm-256color", "NO_COLOR=1"]);
        command.push(program);
        command.extend(args);
        assert!(terminal.tmux(&command).status.success(), "tmux cannot start {program}");
        terminal
    }

    fn tmux(&self, args: &[&str]) -> Output {
        let socket = self.folder.path().join("tmux");
        let mut tmux = Command::new("tmux");
        tmux.arg("-S").arg(socket).args(["-f", "/dev/null"]).args(args).env("LC_ALL", "C.UTF-8");
        tmux.output().expect("tmux is installed (Debian: tmux)")
    }

    /// Types `text`, without Enter.
    ///
    /// # Panics
    ///
    /// If tmux fails.
    pub fn type_in(&self, text: &str) {
        assert!(self.tmux(&["send-keys", "-l", text]).status.success());
    }

    /// Presses Enter.
    ///
    /// # Panics
    ///
    /// If tmux fails.
    pub fn enter(&self) {
        assert!(self.tmux(&["send-keys", "Enter"]).status.success());
    }

    /// Presses a key that tmux knows by this name, such as `Escape`.
    ///
    /// # Panics
    ///
    /// If tmux fails.
    pub fn press(&self, key: &str) {
        assert!(self.tmux(&["send-keys", key]).status.success());
    }

    /// Changes the size of the terminal.
    ///
    /// # Panics
    ///
    /// If tmux fails.
    pub fn resize(&self, columns: u16, rows: u16) {
        let (columns, rows) = (columns.to_string(), rows.to_string());
        assert!(self.tmux(&["resize-window", "-x", &columns, "-y", &rows]).status.success());
    }

    /// Presses Ctrl and `key`.
    ///
    /// # Panics
    ///
    /// If tmux fails.
    pub fn control(&self, key: char) {
        assert!(self.tmux(&["send-keys", &format!("C-{key}")]).status.success());
    }

    /// Sends SIGINT to the program.
    ///
    /// # Panics
    ///
    /// If tmux or `kill` fails.
    pub fn interrupt(&self) {
        let shown = self.tmux(&["display-message", "-p", "#{pane_pid}"]).stdout;
        let pid = String::from_utf8(shown).expect("a process id");
        assert!(Command::new("kill").args(["-INT", pid.trim()]).status().expect("`kill` runs").success());
    }

    /// Pastes `text`. A bracketed paste is marked as a paste, as most terminals do it. Any other paste arrives like
    /// typed keys, but at once.
    ///
    /// # Panics
    ///
    /// If tmux fails.
    pub fn paste(&self, text: &str, is_bracketed: bool) {
        let file = self.folder.path().join("paste");
        std::fs::write(&file, text).expect("the folder is writable");
        assert!(self.tmux(&["load-buffer", file.to_str().expect("a UTF-8 path")]).status.success());
        let paste: &[&str] = if is_bracketed { &["paste-buffer", "-p"] } else { &["paste-buffer"] };
        assert!(self.tmux(paste).status.success());
    }

    /// The text on the screen.
    #[must_use]
    pub fn screen(&self) -> String {
        let output = self.tmux(&["capture-pane", "-p"]);
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Waits until the screen shows exactly the `expected` lines, and prints the screen.
    ///
    /// # Panics
    ///
    /// If the screen does not show them within [`TIMEOUT`].
    pub fn wait_for(&self, expected: &[&str]) {
        let expected: Vec<_> = expected.iter().flat_map(|line| rows(line)).collect();
        self.wait_until(&expected, |rows| rows == expected);
    }

    /// Waits until the last rows of the screen are exactly the `expected` lines, and prints the screen.
    ///
    /// # Panics
    ///
    /// If the screen does not show them within [`TIMEOUT`].
    pub fn wait_for_end(&self, expected: &[&str]) {
        let expected: Vec<_> = expected.iter().flat_map(|line| rows(line)).collect();
        self.wait_until(&expected, |rows| rows.ends_with(&expected));
    }

    /// Waits until a row of the screen contains `text`, and prints the screen.
    ///
    /// # Panics
    ///
    /// If the screen does not show it within [`TIMEOUT`].
    pub fn wait_for_text(&self, text: &str) {
        self.wait_until(&[text.to_owned()], |rows| rows.iter().any(|row| row.contains(text)));
    }

    fn wait_until(&self, expected: &[String], is_reached: impl Fn(&[String]) -> bool) {
        let mut screen = String::new();
        for _ in 0..TIMEOUT.as_millis() / 20 {
            screen = self.screen();
            let rows: Vec<_> = screen.lines().map(|row| row.trim_end().to_owned()).collect();
            if is_reached(&rows) {
                return println!("{screen}\n");
            }
            sleep(Duration::from_millis(20));
        }
        panic!("the screen should show\n{}\nbut shows\n{screen}", expected.join("\n"));
    }
}

/// Splits a line into the rows that it fills on the terminal.
fn rows(line: &str) -> Vec<String> {
    let chars: Vec<_> = line.chars().collect();
    chars.chunks(usize::from(COLUMNS)).map(|row| row.iter().collect::<String>().trim_end().to_owned()).collect()
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

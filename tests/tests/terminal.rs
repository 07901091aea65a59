//! The interactive client on a real terminal, by way of tmux.

use std::process::{Command, Output};
use std::thread::sleep;
use std::time::Duration;

use switchboard_protocol::Dialect;
use switchboard_tests::people::{PATIENCE, Person};
use switchboard_tests::process::{EmbeddedServer, program};

const COLUMNS: u16 = 80;

/// A terminal of so many columns that runs one program, on a tmux server of its own.
struct Terminal {
    folder: tempfile::TempDir,
}

impl Terminal {
    fn running(args: &[&str]) -> Self {
        let terminal = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        let home = terminal.folder.path().to_str().expect("it is UTF-8").to_owned();
        let columns = COLUMNS.to_string();
        let mut command = vec!["new-session", "-d", "-x", &columns, "-y", "24", "env"];
        let (home_env, state_env) = (format!("HOME={home}"), format!("XDG_STATE_HOME={home}"));
        command.extend([&*home_env, &*state_env, "TERM=xterm-256color", "NO_COLOR=1"]);
        let client = program("switchboard");
        command.push(client.to_str().expect("it is UTF-8"));
        command.extend(args);
        assert!(terminal.tmux(&command).status.success(), "tmux cannot start the client");
        terminal
    }

    fn tmux(&self, args: &[&str]) -> Output {
        let socket = self.folder.path().join("tmux");
        let mut tmux = Command::new("tmux");
        tmux.arg("-S").arg(socket).args(["-f", "/dev/null"]).args(args).env("LC_ALL", "C.UTF-8");
        tmux.output().expect("tmux is installed (Debian: tmux)")
    }

    fn type_in(&self, text: &str) {
        assert!(self.tmux(&["send-keys", "-l", text]).status.success());
    }

    fn enter(&self) {
        assert!(self.tmux(&["send-keys", "Enter"]).status.success());
    }

    fn screen(&self) -> String {
        let output = self.tmux(&["capture-pane", "-p"]);
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Waits until the screen shows these lines after the one on which the connection is reported, and nothing else.
    fn wait_for(&self, expected: &[&str]) {
        let expected: Vec<_> = expected.iter().flat_map(|line| rows(line)).collect();
        let mut screen = String::new();
        for _ in 0..PATIENCE.as_millis() / 20 {
            screen = self.screen();
            if screen.lines().map(str::trim_end).skip(1).eq(&expected) {
                return println!("{screen}\n");
            }
            sleep(Duration::from_millis(20));
        }
        panic!("the screen should show\n{}\nand shows\n{screen}", expected.join("\n"));
    }
}

/// The rows of the terminal that a line takes.
fn rows(line: &str) -> Vec<String> {
    let chars: Vec<_> = line.chars().collect();
    chars.chunks(usize::from(COLUMNS)).map(|row| row.iter().collect::<String>().trim_end().to_owned()).collect()
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[test]
fn what_arrives_never_breaks_the_line_being_typed() {
    let server = EmbeddedServer::start();
    let address = server.address(Dialect::Commands);
    let mut elias = Person::registered(address, "Elias");
    let terminal = Terminal::running(&["--name", "Noy", "--chat", "Elias", &address.to_string()]);
    elias.expect("INCOMING_CONNECTION Noy");

    let (you, chat) = ("* You are Noy.", "* You are in a chat with Elias: type to talk, DISCONNECT to leave.");
    let half = "a line that is long enough to fill more than one row of this terminal, and half";
    let typing = format!("> {half}");
    terminal.type_in(half);
    terminal.wait_for(&[you, chat, &typing]);

    // What arrives stands above, whole; what would steer a terminal is shown instead of obeyed.
    elias.say("MSG are you there?");
    elias.expect("MSG_SENT");
    terminal.wait_for(&[you, chat, "Elias: are you there?", &typing]);
    elias.say("MSG \u{202e}and safe?");
    elias.expect("MSG_SENT");
    let (there, safe) = ("Elias: are you there?", r"Elias: \u{202e}and safe?");
    terminal.wait_for(&[you, chat, there, safe, &typing]);

    // And the line goes on as if nothing had been.
    terminal.type_in(" done");
    terminal.enter();
    elias.expect(&format!("FROM Noy: {half} done"));
    terminal.wait_for(&[you, chat, there, safe, &format!("{typing} done"), ">"]);

    terminal.type_in("/quit");
    terminal.enter();
    elias.expect("PEER_DISCONNECTED");
}

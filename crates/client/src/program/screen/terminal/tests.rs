//! Tests on a pseudoterminal. The program at the terminal is this test binary, which runs only [`chat_at_a_terminal`].

use std::env;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyModifiers};
use ratatui_core::terminal::Frame;
use ratatui_core::text::Line;
use ratatui_core::widgets::Widget as _;
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{ColorDepth, Terminal};
use crate::program::cli_error::CliError;
use crate::program::screen::event::Event;
use crate::program::screen::stage::Stage;
use crate::program::signals::TerminationSignals;

/// The time limit for each step of a test.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Names the scene of [`chat_at_a_terminal`].
const SCENE: &str = "SWITCHBOARD_TERMINAL_TEST_SCENE";

/// The screen begins, and ends.
const TAKEN: &str = "\x1b[?1049h";
const GIVEN_BACK: &str = "\x1b[?25h\x1b[?1049l";

/// A chat that shows its events.
#[derive(Default)]
struct EventLog {
    shown: String,
    n_messages: u64,
}

impl EventLog {
    /// Runs until Ctrl-C.
    async fn run(&mut self, stage: &mut Stage, messages: &mut mpsc::Receiver<()>) -> io::Result<()> {
        loop {
            stage.draw_if_due(|frame| self.draw(frame))?;
            tokio::select! {
                biased;
                events = stage.next() => for event in events? {
                    if !self.handle(event, stage).await? {
                        return Ok(());
                    }
                },
                Some(()) = messages.recv() => {
                    self.n_messages += 1;
                    stage.request_frame();
                }
            }
        }
    }

    /// Returns whether the chat goes on.
    async fn handle(&mut self, event: Event, stage: &mut Stage) -> io::Result<bool> {
        let shown = match event {
            Event::Key(key) => match (key.code, key.modifiers) {
                (KeyCode::Char('c'), KeyModifiers::CONTROL) => return Ok(false),
                (KeyCode::Char('z'), KeyModifiers::CONTROL) => return stage.terminal().suspend().await.map(|()| true),
                (KeyCode::Char('p'), KeyModifiers::CONTROL) => panic!("a test of the panic"),
                (KeyCode::Char('g'), KeyModifiers::CONTROL) => {
                    stage.terminal().ring_bell();
                    return Ok(true);
                }
                (KeyCode::Char(c), KeyModifiers::NONE | KeyModifiers::SHIFT) => c.to_string(),
                (code, modifiers) => format!("[{modifiers}-{code}]"),
            },
            Event::Paste(text) => format!("<{}>", text.replace('\n', "|")),
            Event::Focus(has_focus) => format!("[focus {has_focus}]"),
            Event::Network(_) | Event::Problem(_) | Event::Resized { .. } | Event::Tick => return Ok(true),
        };
        self.shown += &shown;
        Ok(true)
    }

    fn draw(&self, frame: &mut Frame<'_>) {
        let area = frame.area();
        // A frame does not write spaces again.
        let lines =
            [self.shown.replace(' ', "_"), format!("{}x{}", area.width, area.height), self.n_messages.to_string()];
        for (row, line) in area.rows().zip(lines) {
            Line::raw(line).render(row, frame.buffer_mut());
        }
        frame.set_cursor_position((0, 0));
    }
}

/// Not a test: the program at the terminal of the other tests.
#[test]
#[ignore = "the other tests run it at a terminal"]
fn chat_at_a_terminal() {
    let Ok(scene) = env::var(SCENE) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let result = runtime.block_on(async {
        let (to_chat, mut messages) = mpsc::channel(1024);
        if scene == "flood" {
            tokio::spawn(async move { while to_chat.send(()).await.is_ok() {} });
        }
        let mut signals = TerminationSignals::listen()?;
        let mut stage = Stage::new(Terminal::take(ColorDepth::None)?);
        let mut chat = EventLog::default();
        let chatting = async { Ok(chat.run(&mut stage, &mut messages).await?) };
        signals.run_until_signal(chatting).await
    });
    runtime.shutdown_background();
    let code = match result {
        Ok(()) => 0,
        Err(CliError::Signalled(signal)) => 128 + signal,
        Err(_) => 5,
    };
    std::process::exit(code);
}

/// A pseudoterminal with a program.
struct Pty {
    /// The user's end.
    user: File,
    child: Child,
    shown: Arc<Mutex<String>>,
}

impl Pty {
    /// Runs `command` in a session of its own.
    fn start(command: &[&str], scene: &str) -> Self {
        let (user, child) = spawn(&[&["setsid", "--ctty", "--wait"], command].concat(), scene);
        let shown = Arc::new(Mutex::new(String::new()));
        let (mut screen, shown_by_reader) = (user.try_clone().expect("a clone"), shown.clone());
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // The read fails when the program has closed its end.
            while let Ok(read @ 1..) = screen.read(&mut bytes) {
                *shown_by_reader.lock().expect("no panic") += &String::from_utf8_lossy(&bytes[..read]);
            }
        });
        Self { user, child, shown }
    }

    /// Runs the chat.
    fn start_chat(scene: &str) -> Self {
        let mut pty = Self::start(&program().each_ref().map(String::as_str), scene);
        pty.wait_for("80x24");
        pty
    }

    fn type_in(&mut self, text: &str) {
        self.user.write_all(text.as_bytes()).expect("the terminal is open");
    }

    /// Waits until the program has written `text` since the last call, and forgets the output up to there.
    #[track_caller]
    fn wait_for(&mut self, text: &str) -> String {
        let begin = Instant::now();
        loop {
            let mut shown = self.shown.lock().expect("no panic");
            if let Some(at) = shown.find(text) {
                let rest = shown.split_off(at + text.len());
                return std::mem::replace(&mut shown, rest);
            }
            assert!(begin.elapsed() < TIMEOUT, "{text:?} is not in {shown:?}");
            drop(shown);
            thread::sleep(Duration::from_millis(2));
        }
    }

    fn is_raw(&self) -> bool {
        !tcgetattr(&self.user).expect("a terminal").local_modes.intersects(LocalModes::ICANON | LocalModes::ECHO)
    }

    fn wait(&mut self) -> i32 {
        wait(&mut self.child)
    }

    /// The process of the chat, a child of `setsid`.
    fn chat_pid(&self) -> Pid {
        let parent = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).expect("/proc");
        // setsid forks only if it leads a process group; otherwise it becomes the program.
        let id = children.split_whitespace().next().map_or(parent, |id| id.parse().expect("a process id"));
        i32::try_from(id).ok().and_then(Pid::from_raw).expect("not 0")
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `command` at a new pseudoterminal. Returns the user's end.
fn spawn(command: &[&str], scene: &str) -> (File, Child) {
    let user = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pseudoterminal");
    grantpt(&user).expect("granted");
    unlockpt(&user).expect("unlocked");
    tcsetwinsize(&user, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).expect("a size");
    let path = ptsname(&user, Vec::new()).expect("a name").into_string().expect("an ASCII name");
    let program_end = || {
        let path = CString::new(path.as_str()).expect("no NUL");
        Stdio::from(
            rustix::fs::open(path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).expect("it opens"),
        )
    };
    let child = Command::new(command[0])
        .args(&command[1..])
        .env(SCENE, scene)
        .env("PS1", "shell> ")
        .env("TERM", "xterm")
        .stdin(program_end())
        .stdout(program_end())
        .stderr(program_end())
        .spawn()
        .expect("setsid is installed (Debian: util-linux)");
    (File::from(user), child)
}

/// Waits for the end of a program, and returns its exit code.
fn wait(child: &mut Child) -> i32 {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status.code().expect("no signal ended it");
        }
        assert!(begin.elapsed() < TIMEOUT, "the program does not end");
        thread::sleep(Duration::from_millis(2));
    }
}

/// The command line of the program.
fn program() -> [String; 5] {
    let test_binary = env::current_exe().expect("a test binary").into_os_string().into_string().expect("UTF-8");
    let name = concat!(module_path!(), "::chat_at_a_terminal");
    let (_, name) = name.split_once("::").expect("the crate's name");
    [&test_binary, name, "--exact", "--ignored", "--nocapture"].map(str::to_owned)
}

#[test]
fn the_terminal_is_restored_at_the_end() {
    let mut pty = Pty::start_chat("");
    assert!(pty.is_raw());
    pty.type_in("\x03");
    assert_eq!(pty.wait(), 0);
    pty.wait_for(GIVEN_BACK);
    assert!(!pty.is_raw());
}

#[test]
fn a_panic_restores_the_terminal_before_its_message() {
    let mut pty = Pty::start_chat("");
    pty.type_in("\x10");
    pty.wait_for(GIVEN_BACK);
    pty.wait_for("a test of the panic");
    assert_ne!(pty.wait(), 0);
    assert!(!pty.is_raw());
}

#[test]
fn a_signal_restores_the_terminal() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129), (Signal::INT, 130)] {
        let mut pty = Pty::start_chat("");
        kill_process(pty.chat_pid(), signal).expect("the program runs");
        assert_eq!(pty.wait(), code, "{signal:?}");
        pty.wait_for(GIVEN_BACK);
        assert!(!pty.is_raw(), "{signal:?}");
    }
}

#[test]
fn the_program_ends_with_its_terminal() {
    // Without `--ctty`, the kernel sends no SIGHUP.
    let program = program();
    let command = [&["setsid", "--wait"][..], &program.each_ref().map(String::as_str)].concat();
    let (mut user, mut child) = spawn(&command, "");
    let (mut shown, mut bytes) = (String::new(), [0; 4096]);
    while !shown.contains("80x24") {
        let n_read = user.read(&mut bytes).expect("the terminal is open");
        shown += &String::from_utf8_lossy(&bytes[..n_read]);
    }
    drop(user);
    assert_eq!(wait(&mut child), 5);
}

#[test]
fn a_stopped_program_gives_the_terminal_back_until_the_shell_continues_it() {
    let mut pty = Pty::start(&["bash", "--norc", "--noprofile", "-i"], "");
    pty.wait_for("shell> ");
    pty.type_in(&(program().join(" ") + "\r"));
    pty.wait_for("80x24");
    pty.type_in("abc");
    pty.wait_for("c");
    pty.type_in("\x1a");
    pty.wait_for(GIVEN_BACK);
    pty.wait_for("Stopped");
    pty.wait_for("shell> ");
    pty.type_in("fg\r");
    pty.wait_for(TAKEN);
    // Everything is drawn again.
    pty.wait_for("abc");
    pty.wait_for("80x24");
    pty.type_in("d");
    pty.wait_for("d");
    pty.type_in("\x03");
    pty.wait_for(GIVEN_BACK);
    pty.wait_for("shell> ");
    pty.type_in("exit\r");
    pty.wait();
}

#[test]
fn a_program_without_a_shell_does_not_stop() {
    let mut pty = Pty::start_chat("");
    pty.type_in("\x1a");
    pty.wait_for(GIVEN_BACK);
    pty.wait_for(TAKEN);
    pty.wait_for("80x24");
    pty.type_in("go on");
    pty.wait_for("go_on");
}

#[test]
fn a_stop_from_outside_is_repaired() {
    let mut pty = Pty::start_chat("");
    pty.type_in("abc");
    pty.wait_for("abc");
    kill_process(pty.chat_pid(), Signal::STOP).expect("the program runs");
    kill_process(pty.chat_pid(), Signal::CONT).expect("the program runs");
    pty.wait_for(TAKEN);
    pty.wait_for("abc");
    assert!(pty.is_raw());
}

#[test]
fn keys_and_pastes_arrive() {
    let mut pty = Pty::start_chat("");
    // The terminal knows the keyboard protocol.
    pty.type_in("\x1b[?0u");
    pty.wait_for("\x1b[>1u");
    let cases = [
        ("\x1b[13;2u", "[Shift-Enter]"),
        ("\x1b", "[-Esc]"),
        ("\x1b[200~/quit\rhi\x1b[201~", "</quit|hi>"),
        // A terminal that marks no paste.
        ("DISCONNECT\r/quit\rhi\r", "<DISCONNECT|/quit|hi|>"),
        ("one line\r", "[-Enter]"),
        ("\x1b[I", "[focus_true]"),
    ];
    for (typed, shown) in cases {
        pty.type_in(typed);
        pty.wait_for(shown);
    }
    pty.type_in("\x07");
    pty.wait_for("\x07");
    pty.type_in("\x03");
    pty.wait_for("\x1b[<1u");
    pty.wait_for(GIVEN_BACK);
}

#[test]
fn a_sequence_and_a_paste_may_arrive_in_parts() {
    let mut pty = Pty::start_chat("");
    for part in ["\x1b", "[", "C"] {
        pty.type_in(part);
        thread::sleep(Duration::from_millis(5));
    }
    pty.wait_for("[-Right]");
    pty.type_in("one\r");
    thread::sleep(Duration::from_millis(2));
    pty.type_in("/quit\r");
    pty.wait_for("<one|/quit|>");
}

#[test]
fn an_unmarked_paste_of_any_length_is_read_to_its_end() {
    let mut pty = Pty::start_chat("");
    let lines = "some pasted words\r".repeat(2000);
    // The terminal takes no more than the program reads, so another thread writes.
    let mut user = pty.user.try_clone().expect("a clone");
    let typing = thread::spawn(move || user.write_all(lines.as_bytes()).expect("the terminal is open"));
    pty.wait_for("<some_pasted_words|some");
    typing.join().expect("no panic");
    pty.type_in("\x03");
    assert_eq!(pty.wait(), 0);
}

#[test]
fn a_change_of_the_size_is_drawn() {
    let mut pty = Pty::start_chat("");
    for (columns, rows) in [(20, 5), (200, 50), (1, 1), (80, 24)] {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&pty.user, size).expect("a size");
        if rows > 1 {
            pty.wait_for(&format!("{columns}x{rows}"));
        }
    }
}

#[test]
fn a_flood_of_messages_does_not_delay_a_typed_character() {
    let mut pty = Pty::start_chat("flood");
    let mut delays = Vec::new();
    for _ in 0..20 {
        for c in ["Q", "W"] {
            let begin = Instant::now();
            pty.type_in(c);
            pty.wait_for(c);
            delays.push(begin.elapsed());
        }
    }
    delays.sort_unstable();
    println!("median {:?}, longest {:?}", delays[delays.len() / 2], delays[delays.len() - 1]);
    // On an idle machine, the median is about 20 ms: one frame. Other tests may take the processor meanwhile.
    assert!(delays[delays.len() / 2] < Duration::from_millis(250), "{delays:?}");
}

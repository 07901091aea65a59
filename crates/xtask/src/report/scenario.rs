//! The play: the server and real clients in a network of their own, and all that passes it captured.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::program::{InteractiveProgram, TIMEOUT};
use super::script::{self, Action, ScriptStep};

/// Who says what.
pub(super) const SCRIPT: &str = "report/conversation.txt";
/// The rows that are sent for real, from the repository's root.
pub(super) const SENT_ROWS: &str = "tests/data/csv/group07_chat_input.csv";
/// What the server is given for the slow consumer, so that a run is short: bounds below the usual ones.
const SLOW_FLAGS: &str = "--max-sessions 1000 --outbox-soft-bytes 65536 --outbox-bytes 262144 --outbox-timeout 2s";
/// How many messages are said to whoever reads nothing, at most: more than the buffers on the way hold, however large
/// their systems make them.
const FLOOD_MAX: usize = 100_000;
/// The length of each, in bytes.
const FLOOD_BYTES: usize = 3_800;
/// How often a person beside is answered.
const PINGS: &str = "--count 20 --interval 50ms";
/// How long a person takes to type a line: not as long as a person, but long beside what the network takes.
const TYPING: Duration = Duration::from_millis(60);
/// What one program is given for what is already on its way to arrive.
const SETTLE: Duration = Duration::from_millis(100);

/// What a play is given.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Where our programs are
    #[arg(long)]
    programs: PathBuf,
    /// Where the captures go
    #[arg(long)]
    out: PathBuf,
}

/// What was seen that no capture tells.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Observations {
    pub(super) refused: RefusedClient,
    pub(super) slow: SlowReader,
    /// What each capture said at its end.
    pub(super) captures: BTreeMap<String, String>,
}

/// A client that came before the server did.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct RefusedClient {
    pub(super) command: String,
    pub(super) exit_code: i32,
    pub(super) said: String,
}

/// A reader that froze.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct SlowReader {
    pub(super) server_flags: String,
    pub(super) reader: String,
    pub(super) messages: usize,
    pub(super) message_bytes: usize,
    /// How many of them were answered with `MSG_SENT`.
    pub(super) acknowledged: usize,
    /// What the author was told in the end.
    pub(super) told: String,
    /// What the server wrote of it.
    pub(super) log: Value,
    pub(super) ping_command: String,
    /// What somebody else's pings took before, and meanwhile.
    pub(super) pings_before: Vec<u64>,
    pub(super) pings_meanwhile: Vec<u64>,
}

pub(crate) fn run(args: &Args) -> Result<(), String> {
    // What is run in the folder of the captures is still found.
    let programs = fs::canonicalize(&args.programs).map_err(|error| format!("{}: {error}", args.programs.display()))?;
    let scenario = Scenario { programs: &programs, out: &args.out };
    let mut captures = BTreeMap::new();
    let chat = scenario.capture("chat.pcapng")?;
    let refused = scenario.refused_client()?;
    let server = scenario.server("")?;
    scenario.run_script()?;
    chat.signal(Signal::INT)?;
    captures.insert("chat.pcapng".to_owned(), Scenario::finish_capture(chat)?);
    stop(server)?;
    let capture = scenario.capture("slow.pcapng")?;
    let slow = scenario.slow_reader()?;
    capture.signal(Signal::INT)?;
    captures.insert("slow.pcapng".to_owned(), Scenario::finish_capture(capture)?);
    scenario.send_rows()?;
    let observations = Observations { refused, slow, captures };
    let json = serde_json::to_string_pretty(&observations).map_err(|error| error.to_string())?;
    write(&args.out.join("seen.json"), json.as_bytes())
}

struct Scenario<'a> {
    programs: &'a Path,
    out: &'a Path,
}

impl Scenario<'_> {
    fn start(&self, command: &str) -> Result<InteractiveProgram, String> {
        InteractiveProgram::start(command, self.programs)
    }

    /// Captures all that passes, from when this gives it.
    fn capture(&self, name: &str) -> Result<InteractiveProgram, String> {
        let file = self.out.join(name);
        let _ = fs::remove_file(&file);
        let capture = self.start(&format!("encap capture -i lo -o {}", file.display()))?;
        for _ in 0..TIMEOUT.as_millis() / 10 {
            // The beginning of the file is written once it listens.
            if file.metadata().is_ok_and(|file| file.len() > 0) {
                return Ok(capture);
            }
            thread::sleep(Duration::from_millis(10));
        }
        Err("encap capture does not begin; to see why: unshare --user --map-root-user --net encap capture -i lo -o x"
            .into())
    }

    /// What there is in a capture that has been asked to end.
    fn finish_capture(mut capture: InteractiveProgram) -> Result<String, String> {
        let (_, said) = capture.skip_to_line_with("frames")?;
        capture.wait()?;
        // It names the file by its whole path.
        Ok(said.split(": ").next().unwrap_or_default().to_owned())
    }

    /// Runs one of our programs in the folder of the captures, and gives what it prints.
    fn output(&self, program: &str, args: &[&str]) -> Result<String, String> {
        let output = Command::new(self.programs.join(program)).args(args).current_dir(self.out).output();
        let output = output.map_err(|error| format!("{program}: {error}"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(format!("{program} {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
    }

    /// Somebody comes while nobody listens.
    fn refused_client(&self) -> Result<RefusedClient, String> {
        let words = ["127.0.0.1:12345", "who"];
        let output = Command::new(self.programs.join("switchboard")).args(words).output();
        let output = output.map_err(|error| format!("switchboard: {error}"))?;
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let exit_code = output.status.code().unwrap_or_default();
        Ok(RefusedClient { command: format!("switchboard {}", words.join(" ")), exit_code, said })
    }

    /// A server that listens.
    fn server(&self, flags: &str) -> Result<InteractiveProgram, String> {
        let server = self.start(format!("switchboard-server --log-format json {flags}").trim_end())?;
        for _ in 0..2 {
            server.skip_to_line_with("\"address\":\"")?;
        }
        Ok(server)
    }

    fn run_script(&self) -> Result<(), String> {
        let text = fs::read_to_string(SCRIPT).map_err(|error| format!("{SCRIPT}: {error}"))?;
        let mut running = BTreeMap::new();
        for step in script::parse(&text).map_err(|error| format!("{SCRIPT}: {error}"))? {
            self.run_step(&step, &mut running).map_err(|error| format!("{SCRIPT}, line {}: {error}", step.line))?;
        }
        Ok(())
    }

    fn run_step(&self, step: &ScriptStep, running: &mut BTreeMap<String, InteractiveProgram>) -> Result<(), String> {
        if let Action::Start(command) = &step.action {
            running.insert(step.who.clone(), self.start(command)?);
            return Ok(());
        }
        let absent = || format!("{} is not there", step.who);
        let person = running.get_mut(&step.who).ok_or_else(absent)?;
        match &step.action {
            Action::Start(_) => {}
            Action::Send(line) => {
                thread::sleep(TYPING);
                person.send(line)?;
            }
            Action::Expect(line) => person.expect(line)?,
            Action::Freeze => person.signal(Signal::STOP)?,
            Action::Kill => {
                thread::sleep(SETTLE);
                person.signal(Signal::KILL)?;
                running.remove(&step.who).ok_or_else(absent)?.wait()?;
                thread::sleep(SETTLE);
            }
            Action::Leave => running.remove(&step.who).ok_or_else(absent)?.close_input_and_wait()?,
        }
        Ok(())
    }

    /// Somebody stops reading and is written to, while another goes on.
    fn slow_reader(&self) -> Result<SlowReader, String> {
        let server = self.server(SLOW_FLAGS)?;
        let pings_before = self.pings()?;
        // The system gives its receive buffer no more than is asked for, so that it is full soon.
        let reader = "nc -I 4096 127.0.0.1 12345";
        let mut frozen = self.start(reader)?;
        frozen.expect("WELCOME")?;
        frozen.send("REGISTER Frozen")?;
        frozen.expect("REGISTER_OK Frozen")?;
        let mut author = self.start("switchboard 127.0.0.1:12345")?;
        author.expect("WELCOME")?;
        for (line, answer) in [("REGISTER Author", "REGISTER_OK Author"), ("CONNECT Frozen", "CONNECT_OK Frozen")] {
            author.send(line)?;
            author.expect(answer)?;
        }
        frozen.expect("INCOMING_CONNECTION Author")?;
        frozen.signal(Signal::STOP)?;
        let mut input = author.take_input().ok_or("the author has left")?;
        let is_over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&is_over);
        let flood = thread::spawn(move || {
            use std::io::Write as _;
            let line = format!("MSG {}\n", "x".repeat(FLOOD_BYTES));
            // The client may end when its chat has.
            let mut say = || !until.load(Ordering::Relaxed) && input.write_all(line.as_bytes()).is_ok();
            (0..FLOOD_MAX).take_while(|_| say()).count()
        });
        thread::sleep(SETTLE);
        let pings_meanwhile = self.pings()?;
        let (acknowledged, told) = author.skip_to_line_with("PEER_DISCONNECTED")?;
        is_over.store(true, Ordering::Relaxed);
        let (_, log) = server.skip_to_line_with("slow consumer")?;
        let log = serde_json::from_str(&log).map_err(|error| format!("the server's log: {error}"))?;
        let messages = flood.join().map_err(|_| "the flood panicked".to_owned())?;
        // What its system has still to give it, it reads now, and hears the end.
        frozen.signal(Signal::CONT)?;
        frozen.close_input_and_wait()?;
        author.wait()?;
        stop(server)?;
        Ok(SlowReader {
            server_flags: SLOW_FLAGS.to_owned(),
            reader: reader.to_owned(),
            messages,
            message_bytes: FLOOD_BYTES,
            acknowledged,
            told,
            log,
            ping_command: format!("switchboard ping {PINGS}"),
            pings_before,
            pings_meanwhile,
        })
    }

    /// How long the server takes to answer, in microseconds, once for each time that it is asked.
    fn pings(&self) -> Result<Vec<u64>, String> {
        let mut args = vec!["ping", "127.0.0.1:12345"];
        args.extend(PINGS.split(' '));
        let said = self.output("switchboard", &args)?;
        said.lines().map(|line| parse_micros(line).ok_or_else(|| format!("no time in {line:?}"))).collect()
    }

    /// The rows of a CSV, over real sockets.
    fn send_rows(&self) -> Result<(), String> {
        let rows = fs::canonicalize(SENT_ROWS).map_err(|error| format!("{SENT_ROWS}: {error}"))?;
        let rows = rows.to_string_lossy();
        let said = self.output("encap", &["send", &rows, "--json", "-o", "sent.pcapng"])?;
        write(&self.out.join("sent.json"), said.as_bytes())
    }
}

/// The time in `PONG from 127.0.0.1:12345 in 0.123 ms`.
fn parse_micros(line: &str) -> Option<u64> {
    let (_, time) = line.strip_suffix(" ms")?.rsplit_once(' ')?;
    let (whole, decimals) = time.split_once('.').filter(|(_, decimals)| decimals.len() == 3)?;
    Some(whole.parse::<u64>().ok()? * 1_000 + decimals.parse::<u64>().ok()?)
}

/// Asks a server to stop, and waits until it has.
fn stop(mut server: InteractiveProgram) -> Result<(), String> {
    server.signal(Signal::TERM)?;
    server.wait()
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(file, bytes).map_err(|error| format!("{} cannot be written: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_line_gives_its_time() {
        assert_eq!(parse_micros("PONG from 127.0.0.1:12345 in 12.034 ms"), Some(12_034));
        assert_eq!(parse_micros("PONG"), None);
    }

    #[test]
    fn the_script_parses() {
        let script = include_str!("../../../../report/conversation.txt");
        assert!(script::parse(script).is_ok_and(|steps| steps.len() > 20));
    }
}

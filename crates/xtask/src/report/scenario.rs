//! The scenario of the report: the server and real clients in a network namespace, with all traffic captured.

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

/// The script of the conversation.
pub(super) const SCRIPT: &str = "report/conversation.txt";
/// The CSV whose rows are sent over real sockets.
pub(super) const SENT_ROWS: &str = "tests/data/csv/group07_chat_input.csv";
/// Flags of the server in the run with a slow reader. The bounds are lower than the defaults, so that the run is short.
const SLOW_FLAGS: &str = "--max-sessions 1000 --outbox-soft-bytes 65536 --outbox-bytes 262144 \
                          --outbox-timeout 1s --zero-window-timeout 2s";
/// Maximum messages sent to the frozen reader: more than all buffers on the path hold.
const FLOOD_MAX: usize = 100_000;
/// Length of each of these messages, in bytes: almost the maximum, so that few messages fill the buffers.
const FLOOD_MESSAGE_BYTES: usize = 3_800;
/// Arguments of `switchboard ping`, which measures the round trips of a client that is not frozen.
const PING_ARGS: &str = "--count 20 --interval 50ms";
/// Delay before each sent line. It is far longer than the delay of the network, and shorter than a person types.
const TYPING_DELAY: Duration = Duration::from_millis(60);
/// Delay after which all segments in flight have arrived.
const ARRIVAL_DELAY: Duration = Duration::from_millis(100);

/// Options of the hidden subcommand that plays the scenario.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of our programs
    #[arg(long)]
    programs: PathBuf,
    /// Folder of the captures
    #[arg(long)]
    out: PathBuf,
}

/// Observations that the captures do not contain.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Observations {
    pub(super) refused: RefusedClient,
    pub(super) slow: SlowReader,
    /// The last line of each run of `encap capture`, by the name of its file.
    pub(super) captures: BTreeMap<String, String>,
}

/// The output of a client that connects before the server listens.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct RefusedClient {
    pub(super) command: String,
    pub(super) exit_code: i32,
    #[serde(rename = "said")]
    pub(super) error_output: String,
}

/// A reader that freezes, and its effect on the other clients.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct SlowReader {
    pub(super) server_flags: String,
    /// Command of the reader.
    pub(super) reader: String,
    /// Number of messages sent to the reader.
    pub(super) messages: usize,
    pub(super) message_bytes: usize,
    /// Number of messages that the server answered with `MSG_SENT`.
    pub(super) acknowledged: usize,
    /// The line that tells the author that the frozen reader is gone.
    pub(super) notice: String,
    /// The server's log entry for the frozen reader.
    pub(super) log: Value,
    pub(super) ping_command: String,
    /// Round trips of another client before the freeze, in microseconds.
    pub(super) pings_before: Vec<u64>,
    /// Round trips of another client during the freeze, in microseconds.
    pub(super) pings_meanwhile: Vec<u64>,
}

pub(crate) fn run(args: &Args) -> Result<(), String> {
    // The path must be absolute, because some programs run in the folder of the captures.
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
    /// Folder of our programs.
    programs: &'a Path,
    /// Folder of the captures.
    out: &'a Path,
}

impl Scenario<'_> {
    fn start(&self, command: &str) -> Result<InteractiveProgram, String> {
        InteractiveProgram::start(command, self.programs)
    }

    /// Starts a capture of all traffic, and waits until it has begun.
    fn capture(&self, name: &str) -> Result<InteractiveProgram, String> {
        let file = self.out.join(name);
        let _ = fs::remove_file(&file);
        let capture = self.start(&format!("encap capture -i lo -o {}", file.display()))?;
        for _ in 0..TIMEOUT.as_millis() / 10 {
            // The program writes the start of the file when it has begun to capture.
            if file.metadata().is_ok_and(|file| file.len() > 0) {
                return Ok(capture);
            }
            thread::sleep(Duration::from_millis(10));
        }
        Err("encap capture does not start; to see why: unshare --user --map-root-user --net encap capture -i lo -o x"
            .into())
    }

    /// Waits until a stopped capture exits. Returns the text of its last line, without the file name.
    fn finish_capture(mut capture: InteractiveProgram) -> Result<String, String> {
        let (_, line) = capture.skip_to_line_with("frames")?;
        capture.wait()?;
        // The text after the colon is the absolute path of the file.
        Ok(line.split(": ").next().unwrap_or_default().to_owned())
    }

    /// Runs one of our programs in the folder of the captures, and returns its output.
    fn output(&self, program: &str, args: &[&str]) -> Result<String, String> {
        let output = Command::new(self.programs.join(program)).args(args).current_dir(self.out).output();
        let output = output.map_err(|error| format!("{program}: {error}"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(format!("{program} {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
    }

    /// Runs a client without a server.
    fn refused_client(&self) -> Result<RefusedClient, String> {
        let words = ["127.0.0.1:12345", "who"];
        let output = Command::new(self.programs.join("switchboard")).args(words).output();
        let output = output.map_err(|error| format!("switchboard: {error}"))?;
        let error_output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let exit_code = output.status.code().unwrap_or_default();
        Ok(RefusedClient { command: format!("switchboard {}", words.join(" ")), exit_code, error_output })
    }

    /// Starts a server, and waits until both of its listeners have logged their addresses.
    fn server(&self, flags: &str) -> Result<InteractiveProgram, String> {
        let server = self.start(format!("switchboard-server --log-format json {flags}").trim_end())?;
        for _ in 0..2 {
            server.skip_to_line_with("\"address\":\"")?;
        }
        Ok(server)
    }

    /// Plays the script of the conversation.
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
        let absent = || format!("{} has not started", step.who);
        let program = running.get_mut(&step.who).ok_or_else(absent)?;
        match &step.action {
            // Handled above.
            Action::Start(_) => {}
            Action::Send(line) => {
                thread::sleep(TYPING_DELAY);
                program.send(line)?;
            }
            Action::Expect(line) => program.expect(line)?,
            Action::Freeze => program.signal(Signal::STOP)?,
            Action::Kill => {
                thread::sleep(ARRIVAL_DELAY);
                program.signal(Signal::KILL)?;
                running.remove(&step.who).ok_or_else(absent)?.wait()?;
                thread::sleep(ARRIVAL_DELAY);
            }
            Action::Leave => running.remove(&step.who).ok_or_else(absent)?.close_input_and_wait()?,
        }
        Ok(())
    }

    /// Freezes a reader while another client floods it, and measures the round trips of a third client.
    fn slow_reader(&self) -> Result<SlowReader, String> {
        let server = self.server(SLOW_FLAGS)?;
        let pings_before = self.pings()?;
        // The option -I makes the receive buffer small, so that it fills soon.
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
        let mut input = author.take_input().ok_or("the author has no open input")?;
        let is_stopped = Arc::new(AtomicBool::new(false));
        let flood_is_stopped = Arc::clone(&is_stopped);
        let flood = thread::spawn(move || {
            use std::io::Write as _;
            let line = format!("MSG {}\n", "x".repeat(FLOOD_MESSAGE_BYTES));
            // A write fails if the client has exited because its chat ended.
            let mut send = || !flood_is_stopped.load(Ordering::Relaxed) && input.write_all(line.as_bytes()).is_ok();
            (0..FLOOD_MAX).take_while(|_| send()).count()
        });
        thread::sleep(ARRIVAL_DELAY);
        let pings_meanwhile = self.pings()?;
        let (acknowledged, notice) = author.skip_to_line_with("PEER_DISCONNECTED")?;
        is_stopped.store(true, Ordering::Relaxed);
        let (_, log) = server.skip_to_line_with("slow consumer")?;
        let log = serde_json::from_str(&log).map_err(|error| format!("the server's log: {error}"))?;
        let messages = flood.join().map_err(|_| "the flood panicked".to_owned())?;
        // The reader wakes, and reads the bytes in its receive buffer until the end of the stream.
        frozen.signal(Signal::CONT)?;
        frozen.close_input_and_wait()?;
        author.wait()?;
        stop(server)?;
        Ok(SlowReader {
            server_flags: SLOW_FLAGS.to_owned(),
            reader: reader.to_owned(),
            messages,
            message_bytes: FLOOD_MESSAGE_BYTES,
            acknowledged,
            notice,
            log,
            ping_command: format!("switchboard ping {PING_ARGS}"),
            pings_before,
            pings_meanwhile,
        })
    }

    /// Round trips of `switchboard ping`, in microseconds.
    fn pings(&self) -> Result<Vec<u64>, String> {
        let mut args = vec!["ping", "127.0.0.1:12345"];
        args.extend(PING_ARGS.split(' '));
        let printed = self.output("switchboard", &args)?;
        printed.lines().map(|line| parse_micros(line).ok_or_else(|| format!("no time in {line:?}"))).collect()
    }

    /// Sends the rows of a CSV over real sockets.
    fn send_rows(&self) -> Result<(), String> {
        let rows = fs::canonicalize(SENT_ROWS).map_err(|error| format!("{SENT_ROWS}: {error}"))?;
        let rows = rows.to_string_lossy();
        let printed = self.output("encap", &["send", &rows, "--json", "-o", "sent.pcapng"])?;
        write(&self.out.join("sent.json"), printed.as_bytes())
    }
}

/// Parses the time in `PONG from 127.0.0.1:12345 in 0.123 ms`.
fn parse_micros(line: &str) -> Option<u64> {
    let (_, time) = line.strip_suffix(" ms")?.rsplit_once(' ')?;
    let (whole, decimals) = time.split_once('.').filter(|(_, decimals)| decimals.len() == 3)?;
    Some(whole.parse::<u64>().ok()? * 1_000 + decimals.parse::<u64>().ok()?)
}

/// Stops a server and waits for its exit.
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
    fn time_of_a_ping_line_is_parsed() {
        assert_eq!(parse_micros("PONG from 127.0.0.1:12345 in 12.034 ms"), Some(12_034));
        assert_eq!(parse_micros("PONG"), None);
    }

    #[test]
    fn the_script_parses() {
        let script = include_str!("../../../../report/conversation.txt");
        assert!(script::parse(script).is_ok_and(|steps| steps.len() > 20));
    }
}

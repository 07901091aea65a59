//! Servers under test: embedded in this process, or the real program.

use std::env;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use switchboard_protocol::Dialect;
use switchboard_server::tls::Tls;
use switchboard_server::{Listener, RunError, Settings, Summary, run, run_with_store};
use switchboard_store::Store;
use tokio::sync::oneshot;

use crate::test_client::TIMEOUT;

/// Is ready once the server has to stop.
type Stopped = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A server in this process, on free ports. Dropping it stops the server.
#[derive(Debug)]
pub struct EmbeddedServer {
    commands: SocketAddr,
    line: SocketAddr,
    web: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    runtime: Option<tokio::runtime::Runtime>,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl EmbeddedServer {
    /// Starts a server with the default settings.
    #[must_use]
    pub fn start() -> Self {
        Self::with_settings(Settings::default())
    }

    /// Starts a server with the given settings.
    ///
    /// # Panics
    ///
    /// If the server cannot be started.
    #[must_use]
    pub fn with_settings(settings: Settings) -> Self {
        Self::spawn(None, |listeners, stopped| run(listeners, settings, stopped))
    }

    /// Starts a server with the default settings, whose listener for the commands dialect uses TLS.
    #[must_use]
    pub fn with_tls(tls: Tls) -> Self {
        Self::spawn(Some(tls), |listeners, stopped| run(listeners, Settings::default(), stopped))
    }

    /// Starts a server with the given settings and store.
    ///
    /// # Panics
    ///
    /// If the server cannot be started.
    #[must_use]
    pub fn with_store(settings: Settings, store: Box<dyn Store>) -> Self {
        Self::spawn(None, |listeners, stopped| run_with_store(listeners, settings, store, stopped))
    }

    fn spawn<F>(tls: Option<Tls>, serve: impl FnOnce(Vec<Listener>, Stopped) -> F) -> Self
    where
        F: Future<Output = Result<Summary, RunError>> + Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime can be built");
        let bind = |dialect| {
            let address = "127.0.0.1:0".parse().expect("an address");
            let listener = runtime.block_on(Listener::bind(dialect, &address)).expect("a free port").remove(0);
            let address = listener.local_addr().expect("a bound listener has an address");
            (listener, address)
        };
        let ((commands_listener, commands), (line_listener, line)) = (bind(Dialect::Commands), bind(Dialect::Line));
        let any = "127.0.0.1:0".parse().expect("an address");
        let bound = runtime.block_on(Listener::bind_web(tls.as_ref(), &any));
        let web_listener = bound.expect("a free port").remove(0);
        let web = web_listener.local_addr().expect("a bound listener has an address");
        let commands_listener = match tls {
            Some(tls) => commands_listener.with_tls(tls),
            None => commands_listener,
        };
        let (stop, stopped) = oneshot::channel();
        let stopped: Stopped = Box::pin(async {
            let _ = stopped.await;
        });
        let served = serve(vec![commands_listener, line_listener, web_listener], stopped);
        let task = runtime.spawn(async {
            served.await.expect("valid settings");
        });
        Self { commands, line, web, stop: Some(stop), runtime: Some(runtime), task: Some(task) }
    }

    /// Address of the listener of a dialect.
    #[must_use]
    pub fn address(&self, dialect: Dialect) -> SocketAddr {
        match dialect {
            Dialect::Commands => self.commands,
            Dialect::Line => self.line,
        }
    }

    /// Address of the listener for browsers.
    #[must_use]
    pub fn web_address(&self) -> SocketAddr {
        self.web
    }

    /// Requests a shutdown without waiting for it.
    pub fn ask_to_stop(&mut self) {
        self.stop.take();
    }

    /// Shuts the server down, and waits until it has stopped.
    ///
    /// # Panics
    ///
    /// If the server does not stop within [`TIMEOUT`].
    pub fn stop(mut self) {
        self.ask_to_stop();
        if let (Some(runtime), Some(task)) = (&self.runtime, self.task.take()) {
            let stopped = runtime.block_on(async { tokio::time::timeout(TIMEOUT, task).await });
            stopped.expect("the server stops in time").expect("the server does not panic");
        }
    }
}

impl Drop for EmbeddedServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The real server as a process, on free ports. Dropping it kills the process.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    /// Address of the commands listener.
    pub commands: SocketAddr,
    /// Address of the line listener.
    pub line: SocketAddr,
    /// The log lines before the addresses.
    first_lines: Vec<String>,
    log: mpsc::Receiver<String>,
}

impl ServerProcess {
    /// Starts a server with `flags`. It listens on free ports and logs in JSON.
    #[must_use]
    pub fn start(flags: &[&str]) -> Self {
        let mut command = Command::new(program("switchboard-server"));
        command.args(flags);
        Self::spawn(command)
    }

    /// Like [`Self::start`], for a server that may open at most `max_files` files.
    #[must_use]
    pub fn start_with_file_limit(max_files: u32, flags: &[&str]) -> Self {
        let mut command = Command::new("sh");
        let script = format!("ulimit -n {max_files} && exec \"$0\" \"$@\"");
        command.args(["-c", &script]).arg(program("switchboard-server")).args(flags);
        Self::spawn(command)
    }

    /// Starts a server by `command`, to which flags for free ports and a JSON log are added.
    ///
    /// # Panics
    ///
    /// If the server does not log its addresses.
    #[must_use]
    pub fn spawn(command: Command) -> Self {
        Self::spawn_at("127.0.0.1:0", command)
    }

    /// Starts a server at the address of an earlier one, which has ended.
    ///
    /// # Panics
    ///
    /// If the server does not log its addresses.
    #[must_use]
    pub fn start_at(commands: SocketAddr, flags: &[&str]) -> Self {
        let mut command = Command::new(program("switchboard-server"));
        command.args(flags);
        Self::spawn_at(&commands.to_string(), command)
    }

    fn spawn_at(commands: &str, mut command: Command) -> Self {
        command
            .args(["--listen", commands, "--listen-line", "127.0.0.1:0", "--listen-web", "none"])
            .args(["--log-format", "json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("the server can be started");
        let stdout = BufReader::new(child.stdout.take().expect("a piped stream"));
        let (lines, log) = mpsc::channel();
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
        let mut first_lines = Vec::new();
        let mut address = || {
            loop {
                let line: String = log.recv_timeout(TIMEOUT).expect("the server logs its addresses");
                let is_listener = line.contains(r#""message":"listening","#);
                if let Some(address) = logged_value(&line, "address").filter(|_| is_listener) {
                    return address.parse().expect("an address");
                }
                first_lines.push(line);
            }
        };
        let (commands, line) = (address(), address());
        Self { child, commands, line, first_lines, log }
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next log line that contains `part`.
    ///
    /// # Panics
    ///
    /// If no such line arrives within [`TIMEOUT`].
    pub fn log_line_with(&mut self, part: &str) -> String {
        loop {
            let line = self.log.recv_timeout(TIMEOUT);
            let line = line.unwrap_or_else(|_| panic!("the log has no line with {part:?}"));
            if line.contains(part) {
                return line;
            }
        }
    }

    /// The address of the listener for monitoring, which a flag has turned on.
    ///
    /// # Panics
    ///
    /// If the server has not logged it.
    #[must_use]
    pub fn monitoring_address(&self) -> SocketAddr {
        let line = self.first_lines.iter().find(|line| line.contains("listening for monitoring"));
        let address = line.and_then(|line| logged_value(line, "address"));
        address.and_then(|address| address.parse().ok()).expect("the server logs its listener for monitoring")
    }

    /// The address of the listener for browsers, which a flag has turned on.
    ///
    /// # Panics
    ///
    /// If the server does not log it.
    pub fn web_address(&mut self) -> SocketAddr {
        let line = self.log_line_with(r#""message":"listening","web":"#);
        logged_value(&line, "address").and_then(|address| address.parse().ok()).expect("an address")
    }

    /// The fingerprint of the certificate that the server has logged.
    ///
    /// # Panics
    ///
    /// If the server has no certificate.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        let logged = self.first_lines.iter().find_map(|line| logged_value(line, "fingerprint"));
        logged.expect("the server logs its certificate")
    }

    /// Sends a signal, such as `TERM`.
    ///
    /// # Panics
    ///
    /// If the process is gone.
    pub fn signal(&self, name: &str) {
        send_signal(name, self.id());
    }

    /// Waits until the process exits.
    ///
    /// # Panics
    ///
    /// If the process does not exit within [`TIMEOUT`].
    pub fn wait(&mut self) -> ExitStatus {
        wait_in_time(&mut self.child)
    }

    /// The processor time that the process has used.
    ///
    /// # Panics
    ///
    /// If `/proc` does not report it.
    #[must_use]
    pub fn cpu_time(&self) -> Duration {
        const TICKS_PER_SECOND: u64 = 100;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).expect("the server runs");
        // The name of the program may have spaces. After it, user and system time are the fields 12 and 13
        // (proc_pid_stat(5)), in ticks.
        let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
        let ticks = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().expect("a number"));
        Duration::from_millis(ticks.sum::<u64>() * 1000 / TICKS_PER_SECOND)
    }

    /// Anonymous resident memory, in bytes (`RssAnon` in `proc_pid_status(5)`).
    ///
    /// # Panics
    ///
    /// If `/proc` does not report the memory.
    #[must_use]
    pub fn resident_bytes(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).expect("the server runs");
        let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("the status has RssAnon");
        let kib: usize = line.split_whitespace().nth(1).expect("a number").parse().expect("a number");
        kib * 1024
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal, such as `TERM`, to a process.
///
/// # Panics
///
/// If the process is gone.
pub fn send_signal(name: &str, pid: u32) {
    let status = Command::new("kill").args(["-s", name, &pid.to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "kill -s {name} failed");
}

/// The value of a field in a log line.
#[must_use]
pub fn logged_value<'a>(line: &'a str, field: &str) -> Option<&'a str> {
    let (_, after) = line.split_once(&format!(r#""{field}":""#))?;
    after.split('"').next()
}

/// Waits until a child of this process exits.
///
/// # Panics
///
/// If it does not exit within [`TIMEOUT`].
pub fn wait_in_time(child: &mut Child) -> ExitStatus {
    for _ in 0..TIMEOUT.as_millis() / 10 {
        if let Some(status) = child.try_wait().expect("a child of this process") {
            return status;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the process did not exit in time");
}

/// A cargo command without the variables by which the outer cargo names the package of the test. The build script of
/// ring runs again when they change, and everything above ring would be built again.
#[must_use]
pub fn cargo() -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    for (name, _) in env::vars_os() {
        let is_of_package = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        if name.to_str().is_some_and(is_of_package) {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// Returns the path of one of our programs. The first call for a program builds it.
///
/// # Panics
///
/// If the build fails.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    static BUILT: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let mut built = BUILT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if !built.iter().any(|built_name| built_name == name) {
        let mut cargo = cargo();
        cargo.args(["build", "--quiet", "--bin", name, "--manifest-path"]);
        cargo.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"));
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        assert!(cargo.status().is_ok_and(|status| status.success()), "{name} cannot be built");
        built.push(name.to_owned());
    }
    // A test binary is in target/<profile>/deps; the programs are one folder up.
    let test_binary = std::env::current_exe().expect("a test has a path");
    test_binary.ancestors().nth(2).expect("a test binary is two folders deep").join(name)
}

//! The subcommands of conversations with a real server: killed programs, a killed server, and cut connections.

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use switchboard_tests::namespace::run_script;
use switchboard_tests::process::{ServerProcess, program};
use switchboard_tests::test_client::TIMEOUT;
use switchboard_tests::wire_lab::texts;
use tokio::time::Instant;

const PASSWORD: &str = "correct-horse-battery";

/// The proxy passes all bytes on.
const PASS: u8 = 0;
/// The next `SAY` of a client is lost, and all further bytes to the server.
const LOSE_SAY: u8 = 1;
/// The next `SAID` of the server is lost, and all further bytes to the client.
const LOSE_SAID: u8 = 2;

/// A connection between the programs and the server that loses bytes on request.
struct Proxy {
    address: SocketAddr,
    shared: Arc<ProxyShared>,
}

struct ProxyShared {
    server: Mutex<SocketAddr>,
    sockets: Mutex<Vec<TcpStream>>,
    fault: AtomicU8,
    /// Whether bytes were lost since the fault was set.
    has_lost: AtomicBool,
}

impl Proxy {
    fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(ProxyShared {
            server: Mutex::new(server),
            sockets: Mutex::default(),
            fault: AtomicU8::new(PASS),
            has_lost: AtomicBool::new(false),
        });
        let proxy = Self { address, shared: Arc::clone(&shared) };
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.expect("a connection");
                // A server that is being restarted refuses the connection.
                let Ok(server) = TcpStream::connect(*lock(&shared.server)) else { continue };
                lock(&shared.sockets).extend([clone(&client), clone(&server)]);
                let (to_client, to_server) = (clone(&client), clone(&server));
                let (replies, requests) = (Arc::clone(&shared), Arc::clone(&shared));
                thread::spawn(move || replies.copy(server, to_client, LOSE_SAID, b" SAID "));
                thread::spawn(move || requests.copy(client, to_server, LOSE_SAY, b" SAY "));
            }
        });
        proxy
    }

    fn set_fault(&self, fault: u8) {
        self.shared.has_lost.store(false, Ordering::SeqCst);
        self.shared.fault.store(fault, Ordering::SeqCst);
    }

    fn wait_for_loss(&self) {
        wait_until("bytes are lost", || self.shared.has_lost.load(Ordering::SeqCst));
    }

    /// Closes all connections.
    fn cut(&self) {
        for socket in lock(&self.shared.sockets).drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

impl ProxyShared {
    /// Copies bytes until the stream ends. From the first read with `word` on, they are lost if `fault` is set.
    fn copy(&self, mut from: TcpStream, mut to: TcpStream, fault: u8, word: &[u8]) {
        let mut bytes = [0; 8 * 1024];
        let mut is_losing = false;
        while let Ok(n_read @ 1..) = from.read(&mut bytes) {
            let has_word = bytes[..n_read].windows(word.len()).any(|part| part == word);
            is_losing |= has_word && self.fault.load(Ordering::SeqCst) == fault;
            if is_losing {
                self.has_lost.store(true, Ordering::SeqCst);
            } else if to.write_all(&bytes[..n_read]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    }
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn clone(socket: &TcpStream) -> TcpStream {
    socket.try_clone().expect("a socket can be cloned")
}

/// A server with its data directory, a proxy before it, and the state directory of the programs.
struct Setup {
    directory: tempfile::TempDir,
    server: ServerProcess,
    proxy: Proxy,
}

struct Output {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Setup {
    /// Starts a server that has the account Noy.
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let server = start_server(directory.path());
        let proxy = Proxy::start(server.commands);
        let setup = Self { directory, server, proxy };
        setup.ok(&["login", "--name", "Noy", "--create"], PASSWORD);
        setup
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program("switchboard"));
        command
            .args(args)
            .env("SWITCHBOARD_ADDR", self.proxy.address.to_string())
            .env("XDG_STATE_HOME", self.directory.path().join("state"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, args: &[&str], input: &str) -> Output {
        let mut child = self.command(args).spawn().expect("the program starts");
        let mut stdin = child.stdin.take().expect("a piped stream");
        // This fails if the program ends before it has read all input.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output().expect("the program runs");
        let text = |bytes| String::from_utf8(bytes).expect("the output is UTF-8");
        Output { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Runs the program, which must succeed. Returns its output.
    fn ok(&self, args: &[&str], input: &str) -> String {
        let Output { code, out, err } = self.run(args, input);
        assert_eq!(code, Some(0), "{args:?}: {err}");
        out
    }

    /// The texts of the messages in `#lab`.
    fn messages(&self) -> Vec<String> {
        let out = self.ok(&["export", "#lab", "--name", "Noy"], "");
        out.lines().filter_map(|line| Some(line.split_once(" Noy: ")?.1.to_owned())).collect()
    }

    /// Starts `say`, and kills it once its message, or the answer to it, is lost.
    fn kill_say(&self, text: &str, fault: u8) {
        self.proxy.set_fault(fault);
        let mut child = self.command(&["say", "#lab", text, "--name", "Noy"]).spawn().expect("the program starts");
        self.proxy.wait_for_loss();
        // An earlier message may be the lost one.
        wait_until("the message is in the outbox file", || self.outbox_text().contains(text));
        child.kill().expect("a child of this process");
        child.wait().expect("a child of this process");
        self.proxy.set_fault(PASS);
    }

    fn outbox(&self) -> PathBuf {
        let accounts = self.directory.path().join("state/switchboard/accounts");
        let server = fs::read_dir(accounts).expect("a directory").next().expect("one server").expect("an entry");
        server.path().join("noy/main/outbox")
    }

    fn outbox_text(&self) -> String {
        fs::read_to_string(self.outbox()).expect("a file")
    }

    fn restart_server(&mut self) {
        self.server.signal("KILL");
        self.server.wait();
        self.start_server();
    }

    fn start_server(&mut self) {
        self.server = start_server(self.directory.path());
        *lock(&self.proxy.shared.server) = self.server.commands;
    }
}

fn start_server(directory: &Path) -> ServerProcess {
    let data = directory.join("data");
    ServerProcess::start(&["--data", data.to_str().expect("a path in UTF-8"), "--log-level", "debug"])
}

/// A running `listen`, with its lines. Dropping it kills the process.
struct Listener {
    child: Child,
    out: mpsc::Receiver<String>,
}

impl Listener {
    fn start(setup: &Setup, args: &[&str]) -> Self {
        let args = [&["listen", "--conversation", "#lab", "--name", "Noy"], args].concat();
        let mut command = setup.command(&args);
        let mut child = command.stderr(Stdio::null()).spawn().expect("the program starts");
        let stdout = BufReader::new(child.stdout.take().expect("a piped stream"));
        let (sender, out) = mpsc::channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, out }
    }

    /// The text of the next message.
    fn next(&self) -> String {
        loop {
            let line = self.out.recv_timeout(TIMEOUT).expect("a record in time");
            if let Some((_, text)) = line.split_once(" Noy: ") {
                return text.to_owned();
            }
        }
    }

    fn terminate(mut self) {
        let status = Command::new("kill").args(["-s", "TERM", &self.child.id().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "kill failed");
        self.child.wait().expect("a child of this process");
        assert!(self.out.recv_timeout(TIMEOUT).is_err(), "nothing more is printed");
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Removes the time, the second word.
fn without_time(line: &str) -> String {
    let mut words = line.splitn(3, ' ');
    let (seq, _time, text) = (words.next(), words.next(), words.next());
    [seq.expect("a number"), text.expect("a text")].join(" ")
}

#[test]
fn one_shot_commands_print_what_was_said() {
    let setup = Setup::start();
    assert_eq!(setup.ok(&["say", "#lab", "hello", "there", "--name", "Noy", "--join"], ""), "");
    let said = setup.ok(&["say", "#lab", "again", "--name", "Noy", "--json"], "");
    assert_eq!(said, "{\"reply\":\"SAID\",\"in\":\"#lab\",\"seq\":3}\n");
    let untimed = |out: String| -> Vec<String> { out.lines().map(without_time).collect() };
    let all = ["1 JOINED Noy", "2 Noy: hello there", "3 Noy: again"];
    assert_eq!(untimed(setup.ok(&["history", "#lab", "--name", "Noy"], "")), all);
    assert_eq!(untimed(setup.ok(&["history", "#lab", "--name", "Noy", "--count", "1"], "")), all[2..]);
    assert_eq!(
        untimed(setup.ok(&["history", "#lab", "--name", "Noy", "--before", "3", "--count", "1"], "")),
        all[1..2]
    );
    assert_eq!(untimed(setup.ok(&["export", "#lab", "--name", "Noy"], "")), all);
    let json = setup.ok(&["export", "#lab", "--name", "Noy", "--json"], "");
    let records: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    assert_eq!(records.len(), 3);
    assert_eq!(
        (&records[2]["seq"], &records[2]["text"], &records[2]["name"]),
        (&3.into(), &"again".into(), &"Noy".into())
    );
    assert_eq!(setup.ok(&["rooms", "--name", "Noy"], ""), "#lab 1\n");
    let refused = setup.run(&["say", "#nowhere", "hi", "--name", "Noy"], "");
    assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""), "{}", refused.err);
    let unknown = setup.run(&["history", "#lab", "--name", "Noy", "--device", "phone"], "");
    assert!(unknown.code == Some(1) && unknown.err.contains("switchboard login --name Noy"), "{}", unknown.err);
    let wrong = setup.run(&["login", "--name", "Noy", "--device", "phone"], "wrong-password");
    assert!(wrong.code == Some(1) && wrong.err.contains("LOGIN_FAILED"), "{}", wrong.err);
}

#[test]
fn history_and_export_have_all_records_of_a_long_conversation() {
    const MESSAGES: usize = 600;
    let setup = Setup::start();
    setup.ok(&["say", "#lab", "first", "--name", "Noy", "--join"], "");
    let token = fs::read_to_string(setup.outbox().with_file_name("token")).expect("a token");
    let mut script = format!("HELLO 2\nLOGIN Noy main token {}\n", token.trim());
    script.extend((0..MESSAGES).map(|message| format!("SAY #lab {message}\n")));
    let mut socket = TcpStream::connect(setup.server.commands).expect("the server listens");
    let replies = BufReader::new(clone(&socket));
    thread::spawn(move || {
        let _ = socket.write_all(script.as_bytes());
        thread::sleep(TIMEOUT);
    });
    let said = replies.lines().map_while(Result::ok).filter(|line| line.starts_with("SAID ")).take(MESSAGES);
    assert_eq!(said.count(), MESSAGES);
    let out = setup.ok(&["history", "#lab", "--name", "Noy", "--count", "550"], "");
    let numbers = |out: &str| -> Vec<usize> {
        out.lines().map(|line| line.split(' ').next().and_then(|word| word.parse().ok()).expect("a number")).collect()
    };
    assert_eq!(numbers(&out), (53..=602).collect::<Vec<_>>());
    let out = setup.ok(&["export", "#lab", "--name", "Noy"], "");
    assert_eq!(numbers(&out), (1..=602).collect::<Vec<_>>());
}

#[test]
fn a_message_of_a_killed_program_is_stored_once() {
    let setup = Setup::start();
    setup.ok(&["say", "#lab", "zero", "--name", "Noy", "--join"], "");
    // The server stores the message, and the program does not hear of it.
    setup.kill_say("one", LOSE_SAID);
    assert!(setup.outbox_text().contains("#lab one"));
    // The server does not hear of the message.
    setup.kill_say("two", LOSE_SAY);
    let unanswered = setup.outbox_text();
    assert!(unanswered.contains("#lab one") && unanswered.contains("#lab two"), "{unanswered}");
    setup.ok(&["say", "#lab", "three", "--name", "Noy"], "");
    assert_eq!(setup.messages(), ["zero", "one", "two", "three"]);
    assert_eq!(setup.outbox_text(), "switchboard outbox 1\n");
}

#[test]
fn a_message_is_stored_once_when_the_server_is_killed_before_its_answer() {
    let mut setup = Setup::start();
    setup.ok(&["say", "#lab", "zero", "--name", "Noy", "--join"], "");
    for (fault, text) in [(LOSE_SAID, "one"), (LOSE_SAY, "two")] {
        setup.proxy.set_fault(fault);
        let args = ["say", "#lab", text, "--name", "Noy", "--timeout", "20s"];
        let child = setup.command(&args).spawn().expect("the program starts");
        setup.proxy.wait_for_loss();
        setup.restart_server();
        setup.proxy.set_fault(PASS);
        setup.proxy.cut();
        let output = child.wait_with_output().expect("the program runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(setup.messages(), ["zero", "one", "two"]);
}

#[test]
fn a_kept_message_that_the_server_refuses_is_reported() {
    let setup = Setup::start();
    setup.kill_say("one", LOSE_SAY);
    // The room does not exist.
    let output = setup.run(&["rooms", "--name", "Noy"], "");
    assert_eq!((output.code, output.out.as_str()), (Some(0), ""));
    assert!(output.err.contains("an earlier message to #lab was refused: ROOM_NOT_FOUND"), "{}", output.err);
    assert_eq!(setup.run(&["rooms", "--name", "Noy"], "").err, "");
}

#[test]
fn a_message_without_an_answer_in_time_is_kept() {
    let setup = Setup::start();
    setup.ok(&["say", "#lab", "zero", "--name", "Noy", "--join"], "");
    setup.proxy.set_fault(LOSE_SAY);
    let late = setup.run(&["say", "#lab", "one", "--name", "Noy", "--timeout", "300ms"], "");
    assert!(late.code == Some(4) && late.err.contains("the message is kept"), "{}", late.err);
    setup.proxy.set_fault(PASS);
    setup.ok(&["say", "#lab", "two", "--name", "Noy"], "");
    assert_eq!(setup.messages(), ["zero", "one", "two"]);
}

#[test]
fn a_listener_begins_where_it_stopped_and_prints_nothing_twice() {
    let mut setup = Setup::start();
    setup.ok(&["login", "--name", "Noy", "--device", "listener"], PASSWORD);
    setup.ok(&["say", "#lab", "before the first start", "--name", "Noy", "--join"], "");
    let say = |setup: &Setup, text: &str| setup.ok(&["say", "#lab", text, "--name", "Noy", "--timeout", "20s"], "");
    let device = ["--device", "listener"];
    setup.ok(&["listen", "--conversation", "#lab", "--name", "Noy", "--device", "listener", "--count", "0"], "");
    say(&setup, "while away");
    let listener = Listener::start(&setup, &device);
    assert_eq!(listener.next(), "while away");
    say(&setup, "while here");
    assert_eq!(listener.next(), "while here");
    // The connection is lost, and the server is killed.
    setup.proxy.cut();
    say(&setup, "after the cut");
    assert_eq!(listener.next(), "after the cut");
    setup.restart_server();
    say(&setup, "after the restart");
    assert_eq!(listener.next(), "after the restart");
    listener.terminate();
    for text in ["five", "six"] {
        say(&setup, text);
    }
    let listener = Listener::start(&setup, &device);
    assert_eq!((listener.next().as_str(), listener.next().as_str()), ("five", "six"));
    // The position is stored within a second. After that, a kill loses nothing.
    let positions = setup.outbox().with_file_name("../listener/positions/#lab");
    let is_stored = || fs::read_to_string(&positions).is_ok_and(|position| position.trim_end().ends_with("/8"));
    wait_until("the position is stored", is_stored);
    drop(listener);
    say(&setup, "seven");
    assert_eq!(Listener::start(&setup, &device).next(), "seven");
}

#[test]
fn a_listener_gets_the_records_that_came_after_a_restore() {
    let mut setup = Setup::start();
    let listen =
        |setup: &Setup, count| setup.ok(&["listen", "--conversation", "#lab", "--name", "Noy", "--count", count], "");
    setup.ok(&["say", "#lab", "one", "--name", "Noy", "--join"], "");
    listen(&setup, "0");
    setup.server.signal("TERM");
    setup.server.wait();
    let (data, old) = (setup.directory.path().join("data"), setup.directory.path().join("old"));
    fs::rename(&data, &old).expect("both are in one directory");
    let mut restore = Command::new(program("switchboard-server"));
    restore.arg("restore").arg(old.join("switchboard.sqlite")).arg("--data").arg(&data);
    assert!(restore.output().is_ok_and(|output| output.status.success()), "the backup is restored");
    setup.start_server();
    setup.ok(&["say", "#lab", "two", "--name", "Noy"], "");
    let out = listen(&setup, "2");
    let (gap, records) = out.split_once('\n').expect("several lines");
    assert!(gap.starts_with("(records are missing: LOST"), "{gap}");
    let records: Vec<_> = records.lines().map(without_time).collect();
    assert_eq!(records, ["1 JOINED Noy", "2 Noy: one", "3 Noy: two"]);
    // The position is of the new epoch.
    setup.ok(&["say", "#lab", "three", "--name", "Noy"], "");
    assert_eq!(without_time(listen(&setup, "1").trim_end()), "4 Noy: three");
}

#[test]
fn two_programs_do_not_share_a_device() {
    let setup = Setup::start();
    setup.ok(&["say", "#lab", "zero", "--name", "Noy", "--join"], "");
    let listener = Listener::start(&setup, &[]);
    let positions = setup.outbox().with_file_name("positions").join("#lab");
    wait_until("the listener has started", || positions.exists());
    let second = setup.run(&["say", "#lab", "one", "--name", "Noy"], "");
    assert!(second.code == Some(5) && second.err.contains("a device of its own"), "{}", second.err);
    listener.terminate();
    setup.ok(&["say", "#lab", "one", "--name", "Noy"], "");
}

#[test]
fn login_by_an_ssh_key_needs_no_password() {
    let setup = Setup::start();
    let key = setup.directory.path().join("key");
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
    assert!(made.is_ok_and(|status| status.success()), "ssh-keygen is installed (Debian: openssh-client)");
    let key = key.to_str().expect("a path in UTF-8");
    setup.ok(&["login", "--name", "Elias", "--create", "--key", key], "");
    setup.ok(&["login", "--name", "Elias", "--device", "phone", "--key", &format!("{key}.pub")], "");
    setup.ok(&["say", "Noy", "hi", "--name", "Elias", "--device", "phone"], "");
    let out = setup.ok(&["history", "Elias", "--name", "Noy"], "");
    assert!(out.ends_with(" Elias: hi\n"), "{out}");
}

/// Logs in over an address that is not loopback, where the server takes and gives no secret. The second argument is the
/// client.
const INSECURE_LOGIN: &str = r#"
    ip link set lo up
    ip addr add 192.0.2.1/32 dev lo
    "$0" --listen 192.0.2.1:12345 --listen-line none --listen-web none > log &
    until grep -q listening log; do sleep 0.02; done
    export SWITCHBOARD_ADDR=192.0.2.1 XDG_STATE_HOME="$PWD/state"
    ssh-keygen -q -t ed25519 -N '' -f key
    "$1" login --name Elias --create --key key
    # The key has a path from any folder.
    cd /
    "$1" say '#lab' hi --name Elias --join
    "$1" listen --conversation '#lab' --name Elias --count 0
    "$1" export '#lab' --name Elias
    "$1" login --name Elias --key "$OLDPWD/key" --json
    find "$XDG_STATE_HOME" -name token
"#;

#[test]
fn login_by_an_ssh_key_from_another_machine_signs_each_connection() {
    let client = program("switchboard");
    let client = client.to_str().expect("a path in UTF-8");
    let (out, errors) = texts(&run_script(INSECURE_LOGIN, &program("switchboard-server"), &[client]));
    let lines: Vec<_> = out.lines().collect();
    let [logged_in, key, joined, said, json] = lines[..] else { panic!("{lines:?}\n{errors}") };
    assert_eq!(logged_in, "logged in as Elias, device main");
    assert!(key.contains("each command signs with the key /") && key.ends_with("/key"), "{key}");
    assert_eq!([without_time(joined), without_time(said)], ["1 JOINED Elias", "2 Elias: hi"]);
    let json: serde_json::Value = serde_json::from_str(json).expect("a line of JSON");
    assert!(json["key"].as_str().is_some_and(|key| key.ends_with("/key")), "{json}");
}

#[test]
fn a_password_is_stored_nowhere() {
    let mut setup = Setup::start();
    let wrong = setup.run(&["login", "--name", "Noy", "--device", "phone", "--json"], "wrong-horse-battery");
    assert_eq!(wrong.code, Some(1));
    assert!(!wrong.err.contains("horse-battery") && !wrong.out.contains("horse-battery"), "{}", wrong.err);
    let token = fs::read_to_string(setup.outbox().with_file_name("token")).expect("a token");
    setup.server.signal("TERM");
    loop {
        let line = setup.server.log_line_with("");
        assert!(!line.contains("horse-battery") && !line.contains(token.trim()), "{line}");
        if line.contains("\"stopped\"") {
            break;
        }
    }
    let mut files = Vec::new();
    collect_files(setup.directory.path(), &mut files);
    assert!(files.len() >= 3, "{files:?}");
    for path in files {
        let bytes = fs::read(&path).expect("a readable file");
        let contains = |secret: &str| bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
        assert!(!contains("horse-battery"), "{} has the password", path.display());
        assert!(!contains(token.trim()) || path.ends_with("token"), "{} has the token", path.display());
        assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o077, 0, "{}", path.display());
    }
}

fn collect_files(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect_files(&path, files);
        } else {
            files.push(path);
        }
    }
}

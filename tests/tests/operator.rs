//! The commands of the operator, on a running and on a stopped server.

#[path = "operator/monitoring.rs"]
mod monitoring;

use std::fs::{self, File, Permissions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

use switchboard_tests::process::{ServerProcess, program};
use switchboard_tests::test_client::TestClient;

/// Passwords that must be in no file, no log and no output.
const FIRST: &str = "wombat first 4711";
const SECOND: &str = "wombat second 4712";

fn start(data: &Path) -> ServerProcess {
    let mut command = Command::new(program("switchboard-server"));
    command.args(["--log-level", "trace", "--data"]).arg(data);
    ServerProcess::spawn(command)
}

/// Runs a command on a data directory, with this standard input.
fn operate(data: &Path, args: &[&str], stdin: &str) -> Output {
    let mut command = Command::new(program("switchboard-server"));
    command.args(args).arg("--data").arg(data);
    output(command, stdin)
}

fn output(mut command: Command, stdin: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program can be started");
    // A command that fails early does not read.
    let _ = child.stdin.take().expect("a pipe").write_all(stdin.as_bytes());
    let output = child.wait_with_output().expect("the program ends");
    for secret in [FIRST, SECOND] {
        assert!(!text(&output).contains(secret), "the output has a password: {}", text(&output));
    }
    output
}

/// Standard output and standard error.
fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}

/// Runs a command that must succeed, and returns its output.
#[track_caller]
fn succeed(data: &Path, args: &[&str], stdin: &str) -> String {
    let output = operate(data, args, stdin);
    assert!(output.status.success(), "{args:?}: {}", text(&output));
    text(&output)
}

/// Runs a command that must fail with this exit code, and with a message that has all `parts`.
#[track_caller]
fn fail(data: &Path, args: &[&str], stdin: &str, code: i32, parts: &[&str]) {
    let output = operate(data, args, stdin);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {}", text(&output));
    for part in parts {
        assert!(text(&output).contains(part), "{args:?}: {part:?} is not in {:?}", text(&output));
    }
}

fn log_in(server: &ServerProcess, login: &str) -> TestClient {
    let mut client = TestClient::version2(server.commands);
    client.send(&format!("LOGIN {login}"));
    client
}

#[test]
fn accounts_of_a_running_server() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let mut server = start(&data);
    assert_eq!(data.join("control").metadata().expect("a socket").permissions().mode() & 0o777, 0o600);

    assert!(succeed(&data, &["account", "add", "Noy"], &format!("{FIRST}\n")).contains("Noy is account 1"));
    fail(&data, &["account", "add", "noy"], &format!("{FIRST}\n"), 1, &["noy: an account", "choose another"]);
    fail(&data, &["account", "add", "a;b"], &format!("{FIRST}\n"), 1, &["a;b: give a name of 1 to 32"]);
    fail(&data, &["account", "add", "Dana"], "\n", 2, &["the password is empty"]);
    fail(&data, &["account", "reset", "Nobody"], &format!("{FIRST}\n"), 1, &["Nobody: there is no such account"]);
    let _guest = TestClient::guest(server.commands, "Guest");
    fail(&data, &["account", "add", "guest"], &format!("{FIRST}\n"), 1, &["guest: an account or a connected guest"]);

    let mut noy = log_in(&server, &format!("Noy laptop password {FIRST}"));
    noy.expect_reply("LOGIN_OK Noy laptop");
    noy.send("TOKEN");
    let token = noy.expect_reply_prefix("TOKEN_OK ");
    noy.send("JOIN #lab");
    noy.expect_reply("JOIN_OK #lab 1");
    noy.send("SAY #lab hello");
    noy.expect_reply("SAID #lab 2");
    let list = succeed(&data, &["account", "list", "--json"], "");
    let account: serde_json::Value = serde_json::from_str(list.trim_end()).expect("one object");
    assert_eq!((&account["name"], &account["devices"], &account["sessions"]), (&"Noy".into(), &1.into(), &1.into()));
    assert_eq!((&account["proof"], &account["bytes_today"]), (&"password".into(), &5.into()));

    // The old password and the token are worth nothing from now on, and the device stays.
    let reset = succeed(&data, &["account", "reset", "NOY"], &format!("{SECOND}\n"));
    assert!(reset.contains("device tokens no longer valid: 1, sessions closed: 1"), "{reset}");
    noy.expect_reply("ERROR REVOKED");
    noy.expect_end();
    for login in [format!("Noy laptop password {FIRST}"), format!("Noy laptop token {token}")] {
        log_in(&server, &login).expect_reply("ERROR LOGIN_FAILED");
    }
    let mut noy = log_in(&server, &format!("Noy laptop password {SECOND}"));
    noy.expect_reply("LOGIN_OK Noy laptop");
    noy.send("DEVICES");
    noy.expect_reply("DEVICE laptop connected this");
    noy.expect_reply("DEVICES_OK 1");

    // Two commands at once.
    let adds = ["Elias", "Tamar"].map(|name| {
        let data = data.clone();
        thread::spawn(move || succeed(&data, &["account", "add", name], &format!("{FIRST}\n")))
    });
    for add in adds {
        add.join().expect("both succeed");
    }
    assert_eq!(succeed(&data, &["account", "list", "--json"], "").lines().count(), 3);

    let mut elias = log_in(&server, &format!("Elias desk password {FIRST}"));
    elias.expect_reply("LOGIN_OK Elias desk");
    elias.send("OPEN #lab");
    elias.expect_reply_prefix("OPEN_OK #lab ");
    elias.expect_reply("LIVE #lab 2");
    fail(&data, &["account", "delete", "Noy"], "", 2, &["--yes"]);
    assert!(succeed(&data, &["account", "delete", "Noy", "--yes"], "").contains("sessions closed: 1"));
    noy.expect_reply("ERROR REVOKED");
    let left = elias.expect_reply_prefix("@in=#lab;seq=3;at=");
    assert!(left.ends_with(";by=1 LEFT Noy"), "{left}");
    log_in(&server, &format!("Noy laptop password {SECOND}")).expect_reply("ERROR LOGIN_FAILED");

    server.signal("TERM");
    let mut log = String::new();
    while !log.contains(r#""stopped""#) {
        log.push_str(&server.log_line_with(""));
    }
    assert!(server.wait().success());
    assert!(!data.join("control").exists(), "the socket goes with the server");
    assert!(log.contains(r#""verb":"RESET","id":1,"name":"Noy""#), "{log}");
    for secret in [FIRST, SECOND] {
        assert!(!log.contains(secret), "the log has a password");
        for entry in fs::read_dir(&data).expect("the data directory") {
            let file = entry.expect("a file").path();
            let bytes = fs::read(&file).expect("a readable file");
            let is_found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!is_found, "{} has a password", file.display());
        }
    }
}

#[test]
fn operators_and_bans_of_a_running_server() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let server = start(&data);
    let mut noy = TestClient::account(server.commands, "Noy", FIRST);
    let mut elias = TestClient::account(server.commands, "Elias", FIRST);
    let mut ron = TestClient::guest(server.commands, "Ron");
    fail(&data, &["account", "operator", "Nobody", "on"], "", 1, &["Nobody: there is no such account"]);
    fail(&data, &["account", "operator", "Noy", "perhaps"], "", 2, &["on, off"]);
    assert!(succeed(&data, &["account", "operator", "noy", "on"], "").contains("Noy (account 1) is an operator"));
    let list = succeed(&data, &["account", "list", "--json"], "");
    assert!(list.contains(r#""is_operator":true"#) && list.contains(r#""is_operator":false"#), "{list}");

    // By account, by name and by address, with the reason.
    noy.send("BAN * Elias 2h too loud");
    noy.expect_reply("BAN_OK #audit 3");
    elias.expect_reply("ERROR BANNED too loud");
    elias.expect_end();
    let mut elias = log_in(&server, &format!("Elias laptop password {FIRST}"));
    elias.expect_reply("ERROR BANNED too loud");
    elias.expect_end();
    let banned = succeed(&data, &["ctl", "ban", "Ron", "2h", "of", "noise"], "");
    assert_eq!(banned, "ron is banned; sessions closed: 1\n");
    ron.expect_reply("ERROR BANNED 2h of noise");
    ron.expect_end();
    fail(&data, &["ctl", "ban", "Noy"], "", 1, &["Noy is an operator", "account operator Noy off"]);
    fail(&data, &["ctl", "ban", "@127.0.0.300"], "", 1, &["give an address or a prefix"]);
    fail(&data, &["ctl", "ban", "Ron", "--for", "soon"], "", 2, &["soon: give a time"]);
    let mut guest = TestClient::guest(server.commands, "Guest");
    assert!(succeed(&data, &["ctl", "ban", "@127.0.0.0/8", "--for", "1h"], "").starts_with("@127.0.0.0/8 is banned"));
    guest.expect_reply("ERROR BANNED");
    guest.expect_end();
    for address in [server.commands, server.line] {
        let mut refused = TestClient::connect(address);
        assert!(!refused.receive_reply().starts_with("WELCOME"));
        refused.expect_end();
    }
    // The open session of an operator stays.
    noy.send("UNWATCH");
    noy.expect_reply("UNWATCH_OK");
    let bans = succeed(&data, &["ctl", "bans"], "");
    let starts = ["ron  without an end, by control at ", "Elias  until ", "@127.0.0.0/8  until "];
    assert!(bans.lines().zip(starts).all(|(line, start)| line.starts_with(start)), "{bans}");
    assert_eq!(succeed(&data, &["ctl", "bans", "--json"], "").lines().count(), 3);

    // Also after a restart.
    server.signal("KILL");
    let server = start(&data);
    assert!(TestClient::connect(server.commands).receive_reply().starts_with("ERROR BANNED"));
    assert!(succeed(&data, &["ctl", "unban", "@127.0.0.0/8"], "").contains("is not banned any more"));
    fail(&data, &["ctl", "unban", "@127.0.0.0/8"], "", 1, &["there is no such ban"]);
    let mut noy = log_in(&server, &format!("Noy main password {FIRST}"));
    noy.expect_reply("LOGIN_OK Noy main");
    noy.send("SEARCH #audit ban");
    let found = noy.expect_reply_prefix("@in=#audit;");
    assert!(found.ends_with(" AUDIT control: BAN * @127.0.0.0/8 1h"), "{found}");
}

#[test]
fn state_and_sessions_of_a_running_server() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let server = start(&data);
    let mut noy = TestClient::account(server.commands, "Noy", FIRST);
    noy.send("JOIN #lab");
    noy.expect_reply("JOIN_OK #lab 1");
    let _guest = TestClient::guest(server.commands, "Guest");

    let status = succeed(&data, &["ctl", "status", "--json"], "");
    let status: serde_json::Value = serde_json::from_str(&status).expect("an object");
    let expected = [("sessions_account", 1), ("sessions_guest", 1), ("accounts", 1), ("rooms", 1), ("records", 1)];
    for (fact, value) in expected {
        assert_eq!(status[fact], value, "{fact} in {status}");
    }
    assert_eq!(status["store"], "writable");
    let listeners = status["listeners"].as_array().expect("a list");
    let commands = format!("commands {}", server.commands);
    assert!(listeners.iter().any(|listener| *listener == commands.as_str()), "{listeners:?}");
    assert!(succeed(&data, &["ctl", "status"], "").contains("sessions account      1\n"));

    let sessions = succeed(&data, &["ctl", "sessions", "--json"], "");
    let sessions: Vec<serde_json::Value> =
        sessions.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    assert_eq!(sessions.len(), 2);
    let noy = sessions.iter().find(|session| session["name"] == "Noy").expect("her session");
    assert_eq!((&noy["account"], &noy["transport"], &noy["version"]), (&1.into(), &"tcp".into(), &2.into()));
    assert_eq!((&noy["outbox_bytes"], &noy["lag"]), (&0.into(), &0.into()));
    assert!(noy["peer"].as_str().is_some_and(|peer| peer.starts_with("127.0.0.1:")), "{noy}");
    assert!(succeed(&data, &["ctl", "sessions"], "").contains("  Guest  -        commands"));

    drop(server);
    fail(&data, &["ctl", "status"], "", 1, &["no server runs with this data directory"]);
}

#[test]
fn people_are_told_are_kicked_and_hear_why() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let server = start(&data);
    let mut noy = TestClient::account(server.commands, "Noy", FIRST);
    let mut old = TestClient::registered(server.commands, "Old");
    assert_eq!(succeed(&data, &["ctl", "announce", "back", "at 18:00"], ""), "sessions told: 1\n");
    noy.expect_reply("NOTICE back at 18:00");
    old.send("PING");
    old.expect_reply("PONG");

    assert_eq!(succeed(&data, &["ctl", "kick", "noy", "no", "spam"], ""), "sessions of Noy closed: 1\n");
    noy.expect_reply("ERROR KICKED no spam");
    noy.expect_end();
    fail(&data, &["ctl", "kick", "Noy"], "", 1, &["Noy: nobody is connected under this name or id"]);
    fail(&data, &["ctl", "kick", "two words"], "", 2, &["give one word"]);

    let mut noy = log_in(&server, &format!("Noy main password {FIRST}"));
    noy.expect_reply("LOGIN_OK Noy main");
    let notice = noy.expect_reply_prefix("NOTICE Your last session here ended at ");
    assert!(notice.ends_with(": the operator has closed it."), "{notice}");
    drop(noy);
    let mut noy = log_in(&server, &format!("Noy main password {FIRST}"));
    noy.expect_reply("LOGIN_OK Noy main");
    noy.send("PING");
    noy.expect_reply("PONG");

    let why = succeed(&data, &["ctl", "why", "noy"], "");
    let rows: Vec<_> = why.lines().collect();
    assert!(rows[1].contains("  quit    main    tcp   127.0.0.1  ") && rows[2].contains("  kicked  main"), "{why}");
    let why = succeed(&data, &["ctl", "why", "noy", "--json"], "");
    assert!(why.lines().last().is_some_and(|line| line.contains(r#""reason":"kicked""#)), "{why}");
    assert!(succeed(&data, &["ctl", "why", "nobody"], "").contains("no session of this name has ended"));
}

#[test]
fn log_level_and_configuration_of_a_running_server() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let config = folder.path().join("switchboard.toml");
    fs::write(&config, "turn-lines = 100\n").expect("the folder is writable");
    let mut command = Command::new(program("switchboard-server"));
    command.args(["--tls-cert", "auto", "--config"]).arg(&config).arg("--data").arg(&data);
    let mut server = ServerProcess::spawn(command);

    assert_eq!(succeed(&data, &["ctl", "log-level", "warn"], ""), "the level of the log is warn\n");
    server.log_line_with("operator's command: log-level");
    fail(&data, &["ctl", "log-level", "wrn"], "", 1, &["give LOG-LEVEL <level>: error, warn"]);
    fs::write(&config, "turn-lines = 90\n").expect("the folder is writable");
    let reloaded = succeed(&data, &["ctl", "reload"], "");
    assert_eq!(reloaded, "changed: log-level; changed in the file, but needs a restart: turn-lines\n");
    let reloaded = succeed(&data, &["ctl", "reload"], "");
    assert_eq!(reloaded, "changed: nothing; changed in the file, but needs a restart: turn-lines\n");
    fs::write(&config, "turn-lines = no\n").expect("the folder is writable");
    fail(&data, &["ctl", "reload"], "", 1, &["nothing has changed", "turn-lines"]);
}

#[test]
fn accounts_of_a_stopped_server_also_after_a_kill() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // The path of a socket here would be too long for an address.
    let data = folder.path().join("long".repeat(40)).join("data");
    let mut server = start(&data);
    server.signal("KILL");
    server.wait();
    assert!(data.join("control").exists(), "a stale socket");

    // Two at once: the second waits for the lock of the first.
    let adds = ["Noy", "Elias"].map(|name| {
        let data = data.clone();
        thread::spawn(move || succeed(&data, &["account", "add", name], &format!("{FIRST}\n")))
    });
    for add in adds {
        add.join().expect("both succeed");
    }
    assert!(succeed(&data, &["account", "reset", "Elias"], &format!("{SECOND}\n")).contains("has a new password"));
    let server = start(&data);
    log_in(&server, &format!("Noy desk password {FIRST}")).expect_reply("LOGIN_OK Noy desk");
    log_in(&server, &format!("Elias desk password {SECOND}")).expect_reply("LOGIN_OK Elias desk");
    assert!(succeed(&data, &["account", "list"], "").lines().any(|line| line.ends_with("  Elias")));
}

#[test]
fn server_waits_for_a_command_that_uses_its_directory() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let mut server = start(&data);
    server.signal("TERM");
    assert!(server.wait().success());
    let held = File::open(data.join("lock")).expect("the file stays");
    held.try_lock().expect("the server has stopped");
    let mut command = Command::new(program("switchboard-server"));
    command
        .args(["--listen", "127.0.0.1:0", "--listen-line", "127.0.0.1:0", "--listen-web", "none", "--data"])
        .arg(&data);
    let mut server = command.stdout(Stdio::piped()).spawn().expect("the program can be started");
    let mut log = BufReader::new(server.stdout.take().expect("a pipe")).lines().map(|line| line.expect("UTF-8"));
    let first = log.next();
    held.unlock().expect("it is locked");
    let second = log.next();
    server.kill().expect("the server is a child");
    server.wait().expect("the server ends");
    assert!(first.as_ref().is_some_and(|line| line.contains("another process uses the data directory")), "{first:?}");
    assert!(second.as_ref().is_some_and(|line| line.contains("store opened")), "{second:?}");
}

#[test]
fn wrong_directories_are_named_and_not_created() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let missing = folder.path().join("missing");
    fail(&missing, &["account", "list"], "", 1, &["missing: this is not the data directory of a server", "--data"]);
    assert!(!missing.exists());
    fail(folder.path(), &["account", "list"], "", 1, &["this is not the data directory of a server"]);
    let mut command = Command::new(program("switchboard-server"));
    command.args(["account", "list"]);
    let without = output(command, "");
    assert_eq!(without.status.code(), Some(2));
    assert!(text(&without).contains("--data DIR"), "{}", text(&without));
}

#[test]
fn another_user_has_no_permission() {
    const NOBODY: u32 = 65_534;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let _server = start(&data);
    // A copy, because the other user may not enter the folder of the build.
    let copy = folder.path().join("program");
    fs::copy(program("switchboard-server"), &copy).expect("the program can be copied");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("the owner may");
    let mut command = Command::new(&copy);
    command.args(["account", "list", "--data"]).arg(&data).uid(NOBODY).stdin(Stdio::null());
    let Ok(output) = command.output() else {
        // Only root can start a process of another user.
        return;
    };
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("as the user that runs the server"), "{}", text(&output));
}

#[test]
fn backup_of_a_running_server_is_restored_with_new_epochs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (data, restored) = (folder.path().join("data"), folder.path().join("restored"));
    let backup = folder.path().join("copy.sqlite");
    let server = start(&data);
    let mut noy = TestClient::account(server.commands, "Noy", FIRST);
    noy.send("JOIN #lab");
    noy.expect_reply("JOIN_OK #lab 1");
    let mut sqlite3 = Command::new("sqlite3");
    sqlite3.arg(data.join("switchboard.sqlite")).arg(format!(".backup {}", backup.display())).stdin(Stdio::null());
    assert!(sqlite3.status().expect("sqlite3 is installed (Debian: sqlite3)").success());
    fs::copy(data.join("server-id"), folder.path().join("server-id")).expect("the id can be copied");
    noy.send("SAY #lab lost by the restore");
    noy.expect_reply("SAID #lab 2");
    noy.send("OPEN #lab");
    let epoch = noy.expect_reply_prefix("OPEN_OK #lab ").split(' ').next().expect("an epoch").to_owned();
    let _later = TestClient::account(server.commands, "Tamar", FIRST);
    drop(server);

    let file = backup.to_str().expect("a path in UTF-8");
    let output = succeed(&restored, &["restore", file], "");
    assert!(output.contains("restored 1 accounts, 1 conversations and 1 records"), "{output}");
    assert!(!output.contains("there is no server-id"), "{output}");
    let mode = |path: &Path| path.metadata().expect("a file").permissions().mode() & 0o777;
    assert_eq!((mode(&restored), mode(&restored.join("switchboard.sqlite"))), (0o700, 0o600));
    let id = |directory: &Path| fs::read(directory.join("server-id")).expect("an id");
    assert_eq!(id(&restored), id(&data));
    fail(&restored, &["restore", file], "", 1, &["the directory is not empty"]);

    let server = start(&restored);
    let mut noy = log_in(&server, &format!("Noy main password {FIRST}"));
    noy.expect_reply("LOGIN_OK Noy main");
    noy.send(&format!("OPEN #lab {epoch} 2"));
    let opened = noy.expect_reply_prefix("OPEN_OK #lab ");
    assert!(opened.ends_with(" 1 1") && !opened.starts_with(&epoch), "{opened}");
    noy.expect_reply("GAP #lab 0 0 LOST");
    noy.expect_reply("LIVE #lab 1");
    // The id of an account that was made after the backup goes to nobody else.
    let _dana = TestClient::account(server.commands, "Dana", FIRST);
    let list = succeed(&restored, &["account", "list", "--json"], "");
    assert!(list.contains(r#""id":1,"#) && !list.contains(r#""id":2,"#), "{list}");
}

#[test]
fn file_that_is_no_backup_is_refused_and_creates_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let restored = folder.path().join("restored");
    let file = folder.path().join("file");
    let path = file.to_str().expect("a path in UTF-8");
    fail(&restored, &["restore", path], "", 1, &["file: cannot be used: No such file"]);
    for content in ["", "this is no database, and long enough to be one: ".repeat(100).as_str()] {
        fs::write(&file, content).expect("the folder is writable");
        fail(&restored, &["restore", path], "", 1, &["the file is not a store of Switchboard"]);
    }
    assert!(!restored.exists());

    // A damaged page in the middle.
    let data = folder.path().join("data");
    let mut server = start(&data);
    server.signal("TERM");
    assert!(server.wait().success());
    let mut bytes = fs::read(data.join("switchboard.sqlite")).expect("the database");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0x5a);
    fs::write(&file, bytes).expect("the folder is writable");
    fail(&restored, &["restore", path], "", 1, &["the file is damaged"]);
    assert!(!restored.exists());
}

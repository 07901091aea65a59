//! Tests of the command line: its help, and its errors before any connection.

use std::fs;
use std::path::Path;

use tokio::net::TcpListener;

use crate::run::{command, finish, finished, run};

#[tokio::test]
async fn help_matches_its_files() {
    let cases: [(&[&str], &str, &str); 16] = [
        (&["--help"], "80", "main.txt"),
        (&["--help"], "60", "main-narrow.txt"),
        (&["-h"], "80", "main-short.txt"),
        (&["ping", "--help"], "80", "ping.txt"),
        (&["who", "--help"], "80", "who.txt"),
        (&["send", "--help"], "80", "send.txt"),
        (&["listen", "--help"], "80", "listen.txt"),
        (&["login", "--help"], "80", "login.txt"),
        (&["say", "--help"], "80", "say.txt"),
        (&["history", "--help"], "80", "history.txt"),
        (&["rooms", "--help"], "80", "rooms.txt"),
        (&["export", "--help"], "80", "export.txt"),
        (&["bench", "--help"], "80", "bench.txt"),
        (&["bench", "pairs", "--help"], "80", "bench-pairs.txt"),
        (&["bench", "isolation", "--help"], "80", "bench-isolation.txt"),
        (&["bench", "fanout", "--help"], "80", "bench-fanout.txt"),
    ];
    for (args, columns, file) in cases {
        let output = finish(command(args).env("COLUMNS", columns).spawn().expect("the program starts")).await;
        assert_eq!((output.code, &*output.err), (0, ""), "given {args:?}");
        check_help_file(file, &output.out);
    }
}

#[tokio::test]
async fn help_completions_and_manual_are_printed() {
    let cases: [(&[&str], &str); 4] = [
        (&["--help"], "Exit codes:"),
        (&["--version"], "switchboard 0."),
        (&["completions", "bash"], "complete -F _switchboard"),
        (&["man"], ".TH switchboard"),
    ];
    for (args, expected) in cases {
        let output = run(args, b"").await;
        assert!(output.code == 0 && output.out.contains(expected), "{args:?} gave {output:?}");
    }
}

#[tokio::test]
async fn an_invalid_command_line_exits_with_2() {
    for args in [&["--dialect", "morse"][..], &["send", "Elias"], &["--timeout", "soon"], &["--no-such-flag"]] {
        let output = run(args, b"").await;
        assert_eq!((output.code, &*output.out), (2, ""), "given {args:?}");
    }
}

#[tokio::test]
async fn useless_arguments_are_errors_before_the_program_connects() {
    let cases: [(&[&str], &str); 8] = [
        (&["send", "Elias", ""], "nothing to send: the text is blank"),
        (&["send", "Elias", " ", "\t"], "nothing to send: the text is blank"),
        (&["send", "Elias", "two\nlines"], "the message has more than one line: send each line by itself"),
        (&["--name", "Noy", "who"], "--name does nothing with who: leave it out"),
        (&["--no-reconnect"], "--no-reconnect does nothing in a script: leave it out"),
        (&["--dialect", "line", "--chat", "Noy"], "--chat does nothing in the line dialect: leave it out"),
        (&["--dialect", "line", "ping"], "--dialect line does nothing with ping: leave it out"),
        (
            &["http://chat.example:8080/x", "who"],
            "http://chat.example:8080/x is not the address of a chat server: \
             leave out http:// and write chat.example:8080",
        ),
    ];
    for (args, why) in cases {
        assert_eq!(run(args, b"").await, finished(2, "", &format!("switchboard: {why}\n")), "given {args:?}");
    }
}

#[tokio::test]
async fn no_server_exits_with_3_and_tells_how_to_start_one() {
    let closed_port = closed_port().await;
    let err = format!(
        "switchboard: cannot reach {closed_port}: connection refused. \
         Is the server running? Start it with: switchboard-server\n"
    );
    for args in
        [&[&*closed_port][..], &["who", &closed_port], &["ping", &closed_port], &[&closed_port, "send", "Elias", "hi"]]
    {
        assert_eq!(run(args, b"").await, finished(3, "", &err), "given {args:?}");
    }
}

#[tokio::test]
async fn an_impossible_load_is_an_error_with_its_reason() {
    let closed_port = closed_port().await;
    // The process id is 2^30, which is above the largest process id of Linux.
    let cases: [(&[&str], i32, &str); 6] = [
        (&["bench", "pairs", &closed_port], 3, "Is a server listening there?"),
        (&["bench", "pairs", &closed_port, "--size", "64,10"], 2, "give at least 22"),
        (&["bench", "pairs", &closed_port, "--pairs", "100000"], 2, "raise `ulimit -Hn`"),
        (&["bench", "idle", &closed_port, "--pid", "1073741824"], 2, "cannot look at process 1073741824"),
        (&["bench", "isolation", &closed_port, "--pairs", "1"], 2, "leave no pair to measure"),
        (&["--name", "Noy", "bench", "churn", &closed_port], 2, "--name does nothing with bench"),
    ];
    for (args, code, message) in cases {
        let output = run(args, b"").await;
        assert!(
            output.code == code && output.out.is_empty() && output.err.contains(message),
            "{args:?} gave {output:?}"
        );
    }
}

#[tokio::test]
async fn an_empty_variable_counts_as_unset_but_an_empty_argument_is_a_mistake() {
    // A command that connects to no server still checks the address.
    for (args, code) in [(&["completions", "bash"][..], 0), (&["", "completions", "bash"], 2)] {
        let mut command = command(args);
        let child = command.env("SWITCHBOARD_ADDR", "").spawn().expect("the program starts");
        let output = finish(child).await;
        assert_eq!(output.code, code, "given {args:?}: {}", output.err);
    }
}

#[tokio::test]
async fn print_config_merges_the_command_line_the_environment_and_the_file() {
    let home = tempfile::tempdir().expect("a directory");
    let folder = home.path().join("switchboard");
    fs::create_dir(&folder).expect("a directory");
    let print = async |args: &[&str], addr: &str| {
        let args = [args, &["--print-config"]].concat();
        let mut command = command(&args);
        finish(command.env("XDG_CONFIG_HOME", home.path()).env("SWITCHBOARD_ADDR", addr).spawn().expect("it starts"))
            .await
    };
    let file = folder.join("client.toml");
    fs::write(&file, "name = \"Noy\"\nserver = \"a:1\"\nbell = \"all\"\n").expect("a file");
    let has_lines = |output: &str, lines: &[&str]| {
        for line in lines {
            assert!(output.lines().any(|printed| printed == *line), "{line} is missing:\n{output}");
        }
    };
    let output = print(&[], "").await;
    assert_eq!((output.code, &*output.err), (0, ""));
    has_lines(&output.out, &["name = \"Noy\" # from this file", "server = \"a:1\" # from this file"]);
    has_lines(&output.out, &["bell = \"all\" # from this file", "color = \"auto\" # the default"]);
    let output = print(&["--name", "Elias", "--color", "16"], "b:2").await;
    has_lines(&output.out, &["name = \"Elias\" # --name", "server = \"b:2\" # SWITCHBOARD_ADDR"]);
    has_lines(&output.out, &["color = \"16\" # --color"]);
    let output = print(&["--log", "/tmp/logs"], "").await;
    has_lines(&output.out, &["log = \"/tmp/logs\" # --log"]);
    let output = print(&["c:3"], "b:2").await;
    has_lines(&output.out, &["server = \"c:3\" # the argument ADDR"]);

    // The output is a file with the same settings.
    fs::write(&file, &output.out).expect("a file");
    has_lines(&print(&[], "").await.out, &["server = \"c:3\" # from this file", "bell = \"all\" # from this file"]);

    fs::write(&file, "# x\nbell = \"loud\"\n").expect("a file");
    let mistake = format!("{}, line 2: bell is \"loud\": give \"off\", \"mention\" or \"all\"", file.display());
    assert_eq!(print(&[], "").await, finished(2, "", &format!("switchboard: {mistake}\n")));
    let useless = "switchboard: --print-config does nothing with man: leave it out\n";
    assert_eq!(run(&["--print-config", "man"], b"").await, finished(2, "", useless));
}

/// Compares `actual` with a file in `tests/help`. If `UPDATE_EXPECTED` is set, it writes the file first.
fn check_help_file(file: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/help").join(file);
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&path, actual).expect("the file is writable");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(actual, expected, "{file} is out of date: run UPDATE_EXPECTED=1 cargo test and check its diff");
}

/// An address on which no server listens.
async fn closed_port() -> String {
    TcpListener::bind("127.0.0.1:0").await.expect("loopback").local_addr().expect("bound").to_string()
}

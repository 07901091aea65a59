//! Runs the program, and returns its output and exit code.

use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::fake_server::{FakeServer, TEST_TIMEOUT, run_local};

/// Runs the program against a server that plays `dialogue`. The server's address replaces `ADDR` in `args`. If `args`
/// has no `ADDR`, the address precedes them. In the output, `ADDR` replaces the address.
pub(crate) async fn run_against(dialogue: &'static str, args: &[&str], input: &[u8]) -> Finished {
    run_against_server(FakeServer::play([dialogue]), args, input).await
}

/// Like [`run_against`], with any server.
pub(crate) async fn run_against_server(
    server: impl Future<Output = FakeServer>,
    args: &[&str],
    input: &[u8],
) -> Finished {
    run_local(async {
        let server = server.await;
        let addr = server.addr.to_string();
        let args: Vec<_> = if args.contains(&"ADDR") {
            args.iter().map(|arg| if *arg == "ADDR" { &addr } else { *arg }).collect()
        } else {
            [&[&*addr], args].concat()
        };
        let output = run(&args, input).await;
        server.finish().await;
        Finished { err: output.err.replace(&addr, "ADDR"), out: output.out.replace(&addr, "ADDR"), ..output }
    })
    .await
}

/// Runs the program with `input` as its standard input.
pub(crate) async fn run(args: &[&str], input: &[u8]) -> Finished {
    let mut child = start(args);
    let mut stdin = child.stdin.take().expect("standard input is piped");
    // This fails if the program ends before it has read all input.
    let _ = stdin.write_all(input).await;
    drop(stdin);
    finish(child).await
}

pub(crate) fn start(args: &[&str]) -> Child {
    command(args).spawn().expect("the program starts")
}

pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    command
        .args(args)
        .env_remove("SWITCHBOARD_ADDR")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

pub(crate) async fn finish(child: Child) -> Finished {
    let output = timeout(TEST_TIMEOUT, child.wait_with_output())
        .await
        .expect("the program ends in time")
        .expect("the program runs");
    Finished {
        code: output.status.code().expect("no signal ended the program"),
        out: String::from_utf8(output.stdout).expect("the output is UTF-8"),
        err: String::from_utf8(output.stderr).expect("the output is UTF-8"),
    }
}

/// The output and exit code of a finished program.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Finished {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn finished(code: i32, out: &str, err: &str) -> Finished {
    Finished { code, out: out.to_owned(), err: err.to_owned() }
}

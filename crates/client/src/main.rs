//! `switchboard`: chat on a Switchboard server, at a terminal or from a script.

mod program;

#[cfg(test)]
#[path = "../tests/fake_server/mod.rs"]
mod fake_server;

fn main() -> std::process::ExitCode {
    program::run(std::env::args_os())
}

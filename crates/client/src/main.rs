//! `switchboard`: chat on a Switchboard server, at a terminal or from a script.

mod program;

fn main() -> std::process::ExitCode {
    program::run(std::env::args_os())
}

//! `encap`: the wire lab as a program.

mod program;

fn main() -> std::process::ExitCode {
    program::run()
}

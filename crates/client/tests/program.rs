//! Tests the program `switchboard` without a terminal, against a fake server.

mod fake_server;

#[path = "program/command_line.rs"]
mod command_line;
#[path = "program/line_dialect.rs"]
mod line_dialect;
#[path = "program/listen.rs"]
mod listen;
#[path = "program/oneshot.rs"]
mod oneshot;
#[path = "program/run.rs"]
mod run;
#[path = "program/say.rs"]
mod say;
#[path = "program/script.rs"]
mod script;

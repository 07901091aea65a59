//! Tests of the command line.

use std::ffi::OsString;

use clap::CommandFactory as _;

use super::*;

#[test]
fn the_clap_definition_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn a_time_is_at_most_one_year() {
    for (option, after) in [("--timeout", &[][..]), ("--ping-after", &[]), ("--interval", &["ping"])] {
        let is_valid = |time| {
            let args = [&["switchboard"][..], after, &[option, time]].concat();
            Cli::parse_args(args.into_iter().map(OsString::from)).is_ok()
        };
        assert!(is_valid("365days"), "{option}");
        assert!(!is_valid("366days") && !is_valid("10000000000000000000s"), "{option}");
    }
}

#[test]
fn a_name_with_a_control_character_is_a_mistake() {
    for option in ["--name", "--chat"] {
        let error = parse(&[option, "Elias\nDISCONNECT"]).options.check_names().expect_err("it has an LF");
        assert_eq!(error.to_string(), r"Elias\nDISCONNECT is not a name: it has a control character");
        parse(&[option, "Elias"]).options.check_names().expect("a name");
    }
}

#[test]
fn a_host_without_a_port_gets_the_port_of_its_dialect() {
    let cases = [
        ("127.0.0.1", "127.0.0.1:12345", "127.0.0.1:8080"),
        ("127.0.0.1:7", "127.0.0.1:7", "127.0.0.1:7"),
        ("chat.example", "chat.example:12345", "chat.example:8080"),
        ("::1", "[::1]:12345", "[::1]:8080"),
        ("[::1]", "[::1]:12345", "[::1]:8080"),
        ("[::1]:7", "[::1]:7", "[::1]:7"),
        ("fe80::1%eth0", "[fe80::1%eth0]:12345", "[fe80::1%eth0]:8080"),
        ("[fe80::1%eth0]:7", "[fe80::1%eth0]:7", "[fe80::1%eth0]:7"),
    ];
    for (given, commands, line) in cases {
        for (dialect, expected) in [("commands", commands), ("line", line)] {
            let addr = parse(&["--dialect", dialect, given]).addr().expect("an address");
            assert_eq!(addr, expected, "given {given}");
        }
    }
}

#[test]
fn the_address_may_stand_before_or_after_a_subcommand() {
    let cases: [(&[&str], &str); 18] = [
        (&["say", "a:1", "--name", "Noy", "--join", "#lab", "hi"], "a:1"),
        (&["send", "a:1", "--name", "Noy", "Elias", "hi", "there"], "a:1"),
        (&["say", "#lab", "--name", "Noy", "hi", "--json"], "127.0.0.1:12345"),
        (&["history", "#lab"], "127.0.0.1:12345"),
        (&["history", "a:1", "#lab"], "a:1"),
        (&["b:2", "export", "a", "#lab"], "a:12345"),
        (&["rooms", "a:1"], "a:1"),
        (&["say", "a:1", "#lab", "hi"], "a:1"),
        (&["a:1"], "a:1"),
        (&["who", "a:1"], "a:1"),
        (&["a:1", "who"], "a:1"),
        (&["a:1", "who", "b:2"], "b:2"),
        (&["--name", "Noy", "ping", "a:1", "--count", "3"], "a:1"),
        (&["listen", "a", "--name", "Noy"], "a:12345"),
        (&["a:1", "send", "Elias", "hi", "there"], "a:1"),
        (&["a:1", "send", "b:2", "Elias", "hi", "there"], "b:2"),
        (&["a:1", "send", "el.ias", "hi", "there"], "a:1"),
        (&["send", "[::1]", "Elias", "hi"], "[::1]:12345"),
    ];
    for (given, expected) in cases {
        let args = std::iter::once("switchboard").chain(given.iter().copied()).map(OsString::from);
        let cli = Cli::parse_args(args).unwrap_or_else(|error| panic!("{given:?}: {error}"));
        assert_eq!(cli.addr().expect("an address"), expected, "given {given:?}");
    }
}

fn parse(args: &[&str]) -> Cli {
    let args = std::iter::once("switchboard").chain(args.iter().copied()).map(OsString::from);
    Cli::parse_args(args).expect("a valid command line")
}

#[test]
fn a_name_may_stand_before_or_after_a_subcommand() {
    let cases: [&[&str]; 6] = [
        &["--name", "Noy", "listen"],
        &["listen", "--name", "Noy"],
        &["--name", "Noy", "rooms"],
        &["rooms", "--name", "Noy"],
        &["login", "--name", "Noy"],
        &["history", "#lab", "--name", "Noy"],
    ];
    for args in cases {
        assert_eq!(parse(args).options.name.as_deref(), Some("Noy"), "given {args:?}");
    }
}

#[test]
fn an_option_without_effect_is_found() {
    let link = "switchboard://h:1/#lab";
    // Each row: the arguments, and the option without effect in the full screen, in plain mode and in a script.
    let cases: [(&[&str], [Option<&str>; 3]); 23] = [
        (&[], [None; 3]),
        (&[link, "--name", "Noy", "--device", "laptop", "--no-reconnect"], [None, Some("--device"), Some("--device")]),
        (&[link, "--chat", "Elias"], [None; 3]),
        (&["--name", "Noy", "--chat", "Elias"], [None; 3]),
        (&["--log", "logs"], [None, Some("--log"), Some("--log")]),
        (&["--print-config", "who"], [Some("--print-config"); 3]),
        (&["--plain"], [Some("--plain"), None, None]),
        (&["--plain", "who"], [Some("--plain"); 3]),
        (&["--no-reconnect"], [None, Some("--no-reconnect"), Some("--no-reconnect")]),
        (&["--color", "auto"], [None, Some("--color"), Some("--color")]),
        (&["--json"], [Some("--json"), Some("--json"), None]),
        (&["--dialect", "line", "--name", "Noy"], [None; 3]),
        (&["--dialect", "line", "--chat", "Noy"], [Some("--chat"); 3]),
        (&["--dialect", "line", "--color", "never"], [Some("--color"); 3]),
        (&["--dialect", "line", "who"], [Some("--dialect line"); 3]),
        (&["--name", "Noy", "who"], [Some("--name"); 3]),
        (&["--name", "Noy", "ping", "--json"], [Some("--name"); 3]),
        (&["--name", "Noy", "listen", "--json"], [None; 3]),
        (&["--name", "Noy", "send", "Elias", "hi", "--json"], [None; 3]),
        (&["--chat", "Elias", "listen"], [Some("--chat"); 3]),
        (&["--no-reconnect", "listen", "--ping-after", "1s"], [None; 3]),
        (&["--ping-after", "1s", "who"], [Some("--ping-after"); 3]),
        (&["man", "--json"], [Some("--json"); 3]),
    ];
    for (given, expected) in cases {
        let modes = [ChatMode::FullScreen, ChatMode::Plain, ChatMode::Script];
        let unused = modes.map(|mode| parse(given).unused_option(mode).map(|(option, _)| option));
        assert_eq!(unused, expected, "given {given:?}");
    }
}

#[test]
fn the_chat_fills_a_terminal_if_nothing_prevents_it() {
    // Each row: the arguments, and the mode at a terminal, at one that only prints lines, and without a terminal.
    use ChatMode::{FullScreen, Plain, Script};
    let cases: [(&[&str], [ChatMode; 3]); 4] = [
        (&[], [FullScreen, Plain, Script]),
        (&["--plain"], [Plain, Plain, Script]),
        (&["--json"], [Script, Script, Script]),
        (&["--dialect", "line"], [Plain, Plain, Script]),
    ];
    for (given, expected) in cases {
        let options = parse(given).options;
        let modes = [(true, true), (true, false), (false, false)];
        let modes =
            modes.map(|(is_at_terminal, can_be_filled)| ChatMode::choose(&options, is_at_terminal, can_be_filled));
        assert_eq!(modes, expected, "given {given:?}");
    }
}

#[test]
fn a_link_to_a_room_is_the_address_and_the_target_of_history() {
    let link = "switchboard://h:1/#lab";
    for args in [&["history", link][..], &["export", link], &["a:1", "history", link]] {
        let cli = parse(args);
        let Some(Action::History { words, .. } | Action::Export { words, .. }) = &cli.action else { panic!() };
        let target = target_of(words).expect("the link names a room");
        assert_eq!((&*cli.addr().expect("an address"), &*target), (link, "#lab"), "{args:?}");
    }
    target_of(&["switchboard://h:1".to_owned()]).expect_err("the link names no room");
}

#[test]
fn an_address_with_a_scheme_is_invalid() {
    let error = parse(&["http://chat.example:8080/x"]).addr().expect_err("the address is invalid").to_string();
    let remedy = "leave out http:// and write chat.example:8080";
    assert_eq!(error, format!("http://chat.example:8080/x is not the address of a chat server: {remedy}"));
    let websocket = "wss://chat.example/ws";
    assert_eq!(parse(&["bench", "pairs", websocket]).addr().expect("bench opens WebSockets"), websocket);
    parse(&["who", websocket]).addr().expect_err("only bench opens WebSockets");
}

#[test]
fn an_address_that_is_a_valid_name_is_recognized() {
    for (given, expected) in [("Noy", Some("Noy")), ("chat.example", None), ("::1", None), ("a:1", None)] {
        assert_eq!(parse(&[given]).addr_as_name(), expected, "given {given}");
    }
}

//! Tests of the sources together: their precedence, their common syntax, and all kinds of mistakes.

use std::ffi::OsString;
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use clap::CommandFactory as _;

use super::keys::LISTEN;
use super::*;
use crate::listener_kind::ListenerKind;

fn config(file: Option<&str>, flags: &[&str]) -> Result<Config, ConfigErrors> {
    config_with_variables(file, &[], flags)
}

fn config_with_variables(
    file: Option<&str>,
    variables: &[(&str, &str)],
    flags: &[&str],
) -> Result<Config, ConfigErrors> {
    config_with_sockets(file, variables, flags, &[])
}

fn config_with_sockets(
    file: Option<&str>,
    variables: &[(&str, &str)],
    flags: &[&str],
    passed_sockets: &[(ListenerKind, SocketAddr)],
) -> Result<Config, ConfigErrors> {
    let mut config_file = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut args = vec![OsString::from(PROGRAM)];
    if let Some(text) = file {
        config_file.write_all(text.as_bytes()).expect("the file can be written");
        args.extend(["--config".into(), config_file.path().into()]);
    }
    args.extend(flags.iter().map(OsString::from));
    let variables: Vec<_> = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
    Config::read(&args, &variables, passed_sockets)
}

#[test]
fn flag_overrides_variable_overrides_file_overrides_default() {
    let file = "max-sessions = 7\noutbox-timeout = \"5s\"\nlisten = \"[::1]:0\"\nturn-lines = 8\n";
    let variables = [("SWITCHBOARD_MAX_SESSIONS", "8"), ("SWITCHBOARD_TURN_LINES", "9")];
    let config = config_with_variables(Some(file), &variables, &["--max-sessions", "9", "--limit-loopback"])
        .expect("the configuration is valid");
    assert_eq!(config.settings.max_sessions, 9);
    assert_eq!(config.settings.turn_lines, 9);
    assert_eq!(config.settings.outbox_timeout, Duration::from_secs(5));
    assert_eq!(config.settings.line_bytes, 4096);
    assert_eq!(config.listen, ["[::1]:0".parse().expect("an address")]);
    assert!(config.settings.limit_loopback);
}

#[test]
fn monitoring_from_other_machines_needs_a_token() {
    for loopback in ["127.0.0.1:0", "[::1]:9600", "localhost:9600", "none"] {
        config(None, &["--listen-admin", loopback]).expect(loopback);
    }
    for open in [":9600", "0.0.0.0:9600", "192.0.2.1:9600", "host.example:9600"] {
        let error = config(None, &["--listen-admin", open]).expect_err(open).to_string();
        assert!(error.contains(open) && error.contains("--admin-token-file"), "{error}");
        let given = config(None, &["--listen-admin", open, "--admin-token-file", "token"]).expect(open);
        assert_eq!(given.listen_admin, [open.parse().expect(open)]);
    }
}

#[test]
fn secrets_over_plain_tcp_need_the_operators_setting() {
    // The value in the file, the value of the variable, and the flag.
    let cases = [
        (None, None, None, false),
        (Some("allow-insecure-secrets = true"), None, None, true),
        (None, Some("yes"), None, true),
        (None, None, Some("--allow-insecure-secrets"), true),
        (None, Some("yes"), Some("--allow-insecure-secrets=false"), false),
    ];
    for (file, variable, flag, expected) in cases {
        let variables: Vec<_> =
            variable.map(|value| ("SWITCHBOARD_ALLOW_INSECURE_SECRETS", value)).into_iter().collect();
        let config = config_with_variables(file, &variables, flag.as_slice()).expect("the configuration is valid");
        assert_eq!(config.settings.allow_insecure_secrets, expected, "{file:?} {variable:?} {flag:?}");
    }
}

#[test]
fn each_quota_has_its_own_keys() {
    let file = "account-daily-records = 1\naccount-daily-bytes = 2\nguest-daily-records = 3\nguest-daily-bytes = 4\n\
        all-guests-daily-records = 5\nall-guests-daily-bytes = 6\nmemory-records = 7\n";
    let settings = config(Some(file), &[]).expect("the configuration is valid").settings;
    let quotas = [settings.account_quota, settings.guest_quota, settings.all_guests_quota];
    assert_eq!(quotas.map(|quota| (quota.records, quota.bytes)), [(1, 2), (3, 4), (5, 6)]);
    assert_eq!(settings.memory_records, 7);
}

#[test]
fn printed_configuration_names_sources_and_can_be_read_again() {
    let printed = config(Some("text-bytes = 500"), &["--print-config", "--listen", "[::1]:0", "--listen=none"])
        .expect("the configuration is valid")
        .print
        .expect("--print-config was given");
    let printed_line = |key: &str| {
        let line = printed.lines().find(|line| line.starts_with(key)).expect(key);
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(printed_line("listen ="), r#"listen = ["[::1]:0", "none"] # flag"#);
    assert_eq!(printed_line("max-sessions ="), "max-sessions = 10000 # default");
    // The source is the path of the file, and the number of the line.
    let text_bytes = printed_line("text-bytes");
    assert!(text_bytes.starts_with("text-bytes = 500 # /") && text_bytes.ends_with(":1"), "{text_bytes}");
    assert!(config(Some(&printed), &[]).is_ok(), "the printed configuration is valid");
}

#[test]
fn passed_socket_takes_the_place_of_a_default_and_contradicts_a_setting() {
    let passed = |kind, address: &str| [(kind, address.parse().expect("an address"))];
    let with_socket = |flags: &[&str], sockets: &[_]| config_with_sockets(None, &[], flags, sockets);

    let commands = passed(ListenerKind::Commands, "0.0.0.0:1");
    let config = with_socket(&[], &commands).expect("the configuration is valid");
    assert!(config.listen.is_empty(), "the socket takes the place of the default address");
    assert_eq!((config.listen_line.len(), config.listen_web.len()), (1, 1));
    let nothing_else = ["--listen=none", "--listen-line=none", "--listen-web=none"];
    with_socket(&nothing_else, &commands).expect("a socket is enough to listen on");

    for (kind, key) in [
        (ListenerKind::Commands, "listen"),
        (ListenerKind::Line, "listen-line"),
        (ListenerKind::Tls, "listen-tls"),
        (ListenerKind::Web, "listen-web"),
    ] {
        let error = with_socket(&[&format!("--{key}=:5")], &passed(kind, "0.0.0.0:1")).expect_err("a contradiction");
        let expected = format!(
            "{key} has an address (from flag), but the service manager passes the socket {}: leave the setting out, or \
             disable the socket unit",
            kind.socket_name()
        );
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn passed_sockets_need_a_certificate_as_settings_do() {
    let needs_certificate = |kind, address: &str| {
        let sockets = [(kind, address.parse().expect("an address"))];
        config_with_sockets(None, &[], &[], &sockets).expect("the configuration is valid").needs_certificate()
    };
    assert!(needs_certificate(ListenerKind::Tls, "127.0.0.1:1"));
    assert!(needs_certificate(ListenerKind::Web, "0.0.0.0:1"));
    assert!(!needs_certificate(ListenerKind::Web, "[::1]:1"));
    assert!(!needs_certificate(ListenerKind::Commands, "0.0.0.0:1"));
}

#[test]
fn values_have_the_same_syntax_in_every_source() {
    // A key, a value as text, the same value in TOML, and the value that is in effect.
    let cases = [
        ("keepalive", "90", "90", "\"1m 30s\""),
        ("keepalive", "1.5", "1.5", "\"1s 500ms\""),
        ("keepalive", "2m", "\"2m\"", "\"2m\""),
        ("keepalive", "90", "\"90\"", "\"1m 30s\""),
        ("log-messages", "1", "1", "true"),
        ("log-messages", "yes", "\"yes\"", "true"),
        ("log-messages", "false", "false", "false"),
        ("log-messages", "No", "0", "false"),
        ("max-sessions", "12", "\"12\"", "12"),
        ("max-sessions", "16", "0x10", "16"),
        ("listen", ":1, [::1]:2", "[\":1\", \"[::1]:2\"]", "[\":1\", \"[::1]:2\"]"),
        ("listen", "none", "[]", "[\"none\"]"),
        ("on-link-prefix", "::/0,2001:db8::/64", "[\"::/0\", \"2001:db8::/64\"]", "[\"::/0\", \"2001:db8::/64\"]"),
        ("on-link-prefix", "2001:db8::/64", "\"2001:db8::/64\"", "[\"2001:db8::/64\"]"),
        ("on-link-prefix", "none", "[]", "[\"none\"]"),
        ("log-format", "json", "\"json\"", "\"json\""),
    ];
    for (key, text, toml, expected) in cases {
        let variable = format!("SWITCHBOARD_{}", key.replace('-', "_").to_uppercase());
        let sources = [
            config(Some(&format!("{key} = {toml}")), &[]),
            config_with_variables(None, &[(&variable, text)], &[]),
            config(None, &[&format!("--{key}={text}")]),
        ];
        for source in sources {
            let config = source.unwrap_or_else(|error| panic!("{key} is {text}: {error}"));
            assert_eq!(config.layers.values[key].to_string(), expected, "{key} is {text}");
        }
    }
}

#[test]
fn empty_variable_is_unset() {
    let variables = [("SWITCHBOARD_LISTEN", ""), ("SWITCHBOARD_CONFIG", ""), ("SWITCHBOARD_KEEPALIVE", "")];
    let config = config_with_variables(None, &variables, &[]).expect("the configuration is valid");
    assert_eq!(config.listen, [LISTEN.parse().expect("an address")]);
    assert_eq!(config.file, None);
}

#[test]
fn unknown_variable_is_an_error_if_it_is_similar_to_a_known_one() {
    let variables = [("SWITCHBOARD_MAX_SESIONS", "5"), ("OTHER", "x"), ("SWITCHBOARD_ADDR", "chat.example")];
    let error = config_with_variables(None, &variables, &[]).expect_err("a name is misspelt").to_string();
    assert_eq!(
        error,
        "SWITCHBOARD_MAX_SESIONS is unknown: perhaps SWITCHBOARD_MAX_SESSIONS is meant (from the environment)"
    );
    // Kubernetes sets such variables for a service with the name `switchboard`.
    let variables = [("SWITCHBOARD_SERVICE_HOST", "10.0.0.1"), ("SWITCHBOARD_PORT", "tcp://10.0.0.1:1")];
    let config = config_with_variables(None, &variables, &[]).expect("the variables are ignored");
    let warnings: Vec<_> = config.unknown_variables.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "SWITCHBOARD_SERVICE_HOST is unknown and ignored (from the environment)",
            "SWITCHBOARD_PORT is unknown and ignored (from the environment)"
        ]
    );
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let file = "max-sessions = \"many\"\nkeep-alive = 60\nturn-lines = 0\n";
    let variables = [("SWITCHBOARD_LOG_LEVEL", "loud"), ("SWITCHBOARD_KEEPALIVE", "soon")];
    let errors = config_with_variables(Some(file), &variables, &["--listen", "foo", "--threads", "9999"]);
    let errors = errors.expect_err("there are mistakes").to_string();
    let lines: Vec<_> = errors.lines().map(str::trim).collect();
    let expected = [
        ("the configuration has 7 mistakes:", ""),
        ("max-sessions is many: give a whole number, 0 or more (from /", ":1)"),
        ("keep-alive is unknown: perhaps keepalive is meant (from /", ":2)"),
        ("listen is foo: the port is missing: write HOST:PORT, or :PORT for all addresses (from flag)", ""),
        ("keepalive is soon: give a time such as 30s or 2m", "(from variable SWITCHBOARD_KEEPALIVE)"),
        ("turn-lines is 0: give 1 to 1000000 (from /", ":3)"),
        ("threads is 9999: give 1 to 1024", "(from flag)"),
        ("log-level is loud: give error", "(from variable SWITCHBOARD_LOG_LEVEL)"),
    ];
    assert_eq!(lines.len(), expected.len(), "{errors}");
    for (line, (start, end)) in lines.iter().zip(expected) {
        assert!(line.starts_with(start) && line.ends_with(end), "{line:?} is not {start:?}…{end:?}");
    }
}

#[test]
fn file_error_names_line_key_and_allowed_values() {
    let cases = [
        ("max-session = 3", &["max-session is unknown: perhaps max-sessions is meant", ":1)"][..]),
        ("config = \"x\"", &["config is unknown: --print-config lists the keys (from /", ":1)"]),
        ("\nmax-sessions = \"many\"", &["max-sessions is many: give a whole number, 0 or more", ":2)"]),
        ("max-sessions = -3", &["max-sessions is -3: give a whole number, 0 or more", ":1)"]),
        ("max-sessions = [1, 2]", &["max-sessions is 1, 2: give one value", ":1)"]),
        ("on-link-prefix = \"2001:db8::\"", &["on-link-prefix is 2001:db8::: give an IPv6 prefix such as", ":1)"]),
        ("on-link-prefix = \"10.0.0.0/8\"", &["each IPv4 address counts by itself already (from /"]),
        ("on-link-prefix = \"fd00::1/8\"", &["the address has bits after the prefix: write fd00::/8 (from /"]),
        ("listen = 7", &["listen is 7: the port is missing", ":1)"]),
        ("listen = {a = 1}", &["listen is {a = 1}: give a number, a text, true or false", ":1)"]),
        ("listen = [[\":1\"]]", &["listen is [[\":1\"]]: give a number, a text, true or false", ":1)"]),
        ("listen = [[]]", &["listen is [[]]: give a number, a text, true or false", ":1)"]),
        ("log-level = \"loud\"", &["log-level is loud: give error, warn", "(from /"]),
        ("threads = 100000", &["threads is 100000: give 1 to 1024"]),
        ("listen = \"none\"\nlisten-line = \"none\"\nlisten-web = \"none\"", &["there is nothing to listen on"]),
        ("drain-timeout = \"soon\"", &["drain-timeout is soon: give a time such as 30s or 2m", ":1)"]),
        ("max-sessions = 0", &["max-sessions is 0: give 1 to 65536 (from /"]),
        ("log-format = \"xml\"", &["log-format is xml: give one of auto, console, text, json"]),
        ("log-messages = 2", &["log-messages is 2: give true or false"]),
        ("max-sessions =", &["line 1"]),
        ("a = 1\na = 2\nb =", &["2 mistakes", "line 2", "line 3"]),
    ];
    for (given, expected) in cases {
        let error = config(Some(given), &[]).expect_err(given).to_string();
        for part in expected {
            assert!(error.contains(part), "given {given:?}: {part:?} is not in {error:?}");
        }
    }
    let error = config(None, &["--max-sessions", "18446744073709551615"]).expect_err("TOML has no such number");
    assert!(error.to_string().contains("give a smaller number"), "{error}");
    let error = config(None, &["--turn-lines", "0"]).expect_err("the value is out of bounds").to_string();
    assert_eq!(error, "turn-lines is 0: give 1 to 1000000 (from flag)");
    let error = config(None, &["--data", ""]).expect_err("the value is empty").to_string();
    assert_eq!(error, "data is empty: give a directory, or none (from flag)");
}

#[test]
fn every_flag_has_a_variable_of_the_same_name() {
    for argument in Cli::command().get_arguments().filter(|argument| argument.get_id() != "print_config") {
        let variable = argument.get_env().map(|variable| variable.to_string_lossy().into_owned());
        assert_eq!(variable, Some(format!("SWITCHBOARD_{}", argument.get_id().as_str().to_uppercase())));
    }
}

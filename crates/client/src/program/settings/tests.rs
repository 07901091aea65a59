use std::fs;

use super::file::{parse, read};
use super::*;

#[test]
fn a_file_sets_what_it_names() {
    let text = r#"
        # A comment.
        name = "Noy"
        server = "chat.example"
        device = "laptop"
        bell = "off"
        notify = "all"
        color = "16"
        clock = "12h"
        right-to-left = "on"
        log = "/tmp/logs"
    "#;
    let settings = parse(text).expect("a valid file");
    assert_eq!(settings.name.as_deref(), Some("Noy"));
    assert_eq!(settings.server.as_deref(), Some("chat.example:12345"));
    assert_eq!(settings.device.as_deref(), Some("laptop"));
    assert_eq!((settings.bell, settings.notify), (Attention::Off, Attention::All));
    assert_eq!((settings.color, settings.clock), (ColorChoice::Sixteen, Clock::Hours12));
    assert_eq!(settings.right_to_left, RightToLeft::On);
    assert_eq!(settings.log.as_deref(), Some(Path::new("/tmp/logs")));
    assert_eq!(parse("").expect("an empty file"), Settings::default());
}

#[test]
fn a_mistake_has_its_line_its_reason_and_a_remedy() {
    let keys = "the keys are name, server, device, bell, notify, color, clock, right-to-left, log";
    let cases = [
        ("bell = \"loud\"", r#"line 1: bell is "loud": give "off", "mention" or "all""#.to_owned()),
        ("\n\nnotify = \"\"", r#"line 3: notify is "": give "off", "mention" or "all""#.to_owned()),
        ("color = \"red\"", r#"line 1: color is "red": give "auto", "always", "never" or "16""#.to_owned()),
        ("color = 16", r#"line 1: color is a number: write a text in quotes, such as color = "auto""#.to_owned()),
        (
            "bell = true",
            r#"line 1: bell is true or false: write a text in quotes, such as bell = "mention""#.to_owned(),
        ),
        ("clock = [\"24h\"]", r#"line 1: clock is a list: write a text in quotes, such as clock = "24h""#.to_owned()),
        ("clock = \"24\"", r#"line 1: clock is "24": give "24h" or "12h""#.to_owned()),
        ("right-to-left = \"yes\"", r#"line 1: right-to-left is "yes": give "auto", "on" or "off""#.to_owned()),
        (
            "name = \"No y\"",
            r#"line 1: name is "No y": name has ' ' at character 3: use letters, digits, '_', '-' or '.'"#.to_owned(),
        ),
        ("name = \"\"", r#"line 1: name is "": name is empty: send 1 to 32 characters"#.to_owned()),
        (
            "server = \"http://chat.example\"",
            r#"line 1: server is "http://chat.example": write HOST:PORT, or a link that begins with switchboard://"#
                .to_owned(),
        ),
        ("log = \"logs\"", r#"line 1: log is "logs": give an absolute path, or one that begins with ~/"#.to_owned()),
        ("# x\nbel = \"off\"", format!("line 2: bel is unknown: {keys}")),
        ("[bell]\nx = 1", r#"line 1: bell is a table: write a text in quotes, such as bell = "mention""#.to_owned()),
        ("token = \"\u{7f}\"", "line 1: this is not TOML: ".to_owned()),
        ("\"a\\u001b\" = \"x\"", format!(r"line 1: a\u{{1b}} is unknown: {keys}")),
        ("bell = off", "line 1: this is not TOML: ".to_owned()),
        ("bell = \"off\"\nbell = \"all\"", "line 2: this is not TOML: ".to_owned()),
    ];
    for (text, expected) in cases {
        let mistakes = parse(text).expect_err(text);
        assert_eq!(mistakes.len(), 1, "{text}: {mistakes:?}");
        assert!(mistakes[0].starts_with(&expected), "{text}: {} instead of {expected}", mistakes[0]);
        assert!(!mistakes[0].contains(char::is_control), "{text}: {mistakes:?}");
    }
    for text in ["device = \"a b\"", "server = \"\"", "server = \"switchboard://\""] {
        let mistakes = parse(text).expect_err(text);
        assert!(mistakes[0].starts_with("line 1: "), "{mistakes:?}");
    }
}

#[test]
fn all_mistakes_are_reported_by_line() {
    let mistakes = parse("clock = \"x\"\nname = \"Noy\"\nbell = \"x\"\n").expect_err("two mistakes");
    let starts: Vec<_> = mistakes.iter().map(|mistake| &mistake[..14]).collect();
    assert_eq!(starts, ["line 1: clock ", "line 3: bell i"]);
    let many: Vec<_> = (0..50).map(|n| format!("k{n} = \"x\"")).collect();
    assert_eq!(parse(&many.join("\n")).expect_err("many mistakes").len(), 10);
}

#[test]
fn printed_settings_are_a_file_with_the_same_settings() {
    let log = PathBuf::from("/tmp/\"logs\"");
    let changed = Settings {
        name: Some("Noy".to_owned()),
        server: Some("switchboard://chat.example:1/#lab".to_owned()),
        device: Some("main".to_owned()),
        bell: Attention::All,
        notify: Attention::Off,
        color: ColorChoice::Never,
        clock: Clock::Hours12,
        right_to_left: RightToLeft::Off,
        log: Some(log),
        ..Settings::default()
    };
    for settings in [Settings::default(), changed] {
        let text = settings.to_toml();
        let read = parse(&text).unwrap_or_else(|mistakes| panic!("{mistakes:?}\n{text}"));
        assert_eq!(Settings { sources: BTreeMap::new(), ..read }, settings, "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 150), "{text}");
    }
    // Each example is a valid value.
    let examples = KEYS.map(|key| format!("{} = \"{}\"", key.name, key.example));
    parse(&examples.join("\n")).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
}

#[test]
fn printed_settings_name_their_source() {
    let mut settings = parse("bell = \"all\"\nname = \"Noy\"").expect("a valid file");
    settings.set("server", "a:1", Source::Variable("SWITCHBOARD_ADDR")).expect("an address");
    settings.set("name", "Elias", Source::Option("--name")).expect("a name");
    settings.set_log(Path::new("logs"), Source::Option("--log")).expect("a working directory");
    let text = settings.to_toml();
    for line in [
        "name = \"Elias\" # --name",
        "server = \"a:1\" # SWITCHBOARD_ADDR",
        "bell = \"all\" # from this file",
        "clock = \"24h\" # the default",
        "# device = \"main\" # not set",
    ] {
        assert!(text.lines().any(|printed| printed == line), "{line} is missing:\n{text}");
    }
    assert!(settings.log.is_some_and(|log| log.is_absolute()));
}

#[test]
fn a_bad_value_of_an_option_names_the_option() {
    let error = Settings::default().set("color", "red", Source::Option("--color")).expect_err("a bad value");
    assert_eq!(error.to_string(), r#"color is "red": give "auto", "always", "never" or "16" (--color)"#);
}

#[test]
fn a_missing_file_is_no_mistake_and_an_unreadable_one_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("client.toml");
    assert_eq!(read(&path).expect("no file"), Settings::default());
    fs::write(&path, "bell = \"loud\"\nx = 1\n").expect("a file");
    let place = path.display();
    let error = read(&path).expect_err("two mistakes").to_string();
    assert!(error.starts_with(&format!("{place}, line 1: bell is ")), "{error}");
    assert!(error.contains(&format!("\nswitchboard: {place}, line 2: x is unknown")), "{error}");
    for bytes in [b"name = \"\xff\"".to_vec(), vec![b'#'; 300 * 1024]] {
        fs::write(&path, bytes).expect("a file");
        let error = read(&path).expect_err("no settings").to_string();
        assert!(error.starts_with(&place.to_string()) && error.contains("remove it"), "{error}");
    }
}

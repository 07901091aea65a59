//! The QR codes of links: that of the page, and that on the terminal of the server. zbar is the judge.

use std::io::{BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use switchboard_tests::namespace::run_script;
use switchboard_tests::process::{EmbeddedServer, program};
use switchboard_tests::stream::Stream;
use switchboard_tests::web_client::request;
use switchboard_tests::wire_lab::texts;

/// Width of the light border, in modules (ISO/IEC 18004 §5.3.8).
const QUIET_ZONE: usize = 4;

/// The colours of a code on a terminal: black on white, whatever the colours of the terminal are.
const DARK_ON_LIGHT: &str = "\u{1b}[38;5;16;48;5;231m";

/// Reads a code whose modules are dark if they are `true`.
fn read_code(modules: &[Vec<bool>]) -> String {
    let mut judge = Command::new("/usr/bin/python3");
    judge.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("judges/qr_code.py"));
    let judge = judge.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut judge = judge.expect("Python can be started");
    let mut stdin = judge.stdin.take().expect("a piped stream");
    for row in modules {
        let row: String = row.iter().map(|&is_dark| if is_dark { '1' } else { '0' }).collect();
        writeln!(stdin, "{row}").expect("the judge reads");
    }
    drop(stdin);
    let (found, errors) = texts(&judge.wait_with_output().expect("the judge ends"));
    assert!(errors.is_empty(), "{errors}");
    found
}

/// The modules of a code of half blocks: an upper and a lower one in each character.
fn modules_of_text(text: &str) -> Vec<Vec<bool>> {
    let rows = text.lines().filter_map(|line| line.trim_end().strip_prefix(DARK_ON_LIGHT)?.strip_suffix("\u{1b}[0m"));
    let half = |row: &str, dark: [char; 2]| row.chars().map(|c| dark.contains(&c)).collect();
    rows.flat_map(|row| [half(row, ['█', '▀']), half(row, ['█', '▄'])]).collect()
}

/// The modules of an image, in which each run of dark ones is a line of a path.
fn modules_of_svg(svg: &str) -> Vec<Vec<bool>> {
    let (_, size) = svg.split_once("viewBox=\"0 -.5 ").expect("a size");
    let size: usize = size.split(' ').next().and_then(|size| size.parse().ok()).expect("a number");
    let (_, path) = svg.split_once("stroke=\"#000\" d=\"M").expect("a path");
    let path = path.split('"').next().expect("the end of the path");
    let mut modules = vec![vec![false; size]; size];
    for run in path.split('M') {
        let (x, rest) = run.split_once(' ').expect("a column");
        let (y, length) = rest.split_once('h').expect("a row");
        let [x, y, length]: [usize; 3] = [x, y, length].map(|number| number.parse().expect("a number"));
        assert!(x >= QUIET_ZONE && x + length + QUIET_ZONE <= size, "the border is light: {run}");
        modules[y][x..x + length].fill(true);
    }
    modules
}

#[test]
fn code_of_the_page_leads_to_its_room() {
    let server = EmbeddedServer::start();
    let mut reader = BufReader::new(Stream::connect(server.web_address()));
    for (query, room) in [("", ""), ("?room=lab", "#lab"), ("?room=%D7%A9", "#%D7%A9")] {
        let response = request(&mut reader, &format!("GET /join.svg{query} HTTP/1.1\nHost: localhost:8088"));
        let image = response.expect("a response").text();
        assert_eq!(read_code(&modules_of_svg(&image)), format!("QRCODE http://localhost:8088/{room}\n"));
    }
}

/// Starts the server `$0` with the flags `$1` on a terminal, in a network with the address 192.0.2.7. Stops it when it
/// listens for browsers, and prints its output.
const SCRIPT: &str = r#"
    ip link set lo up
    ip addr add 192.0.2.7/24 dev lo
    touch output
    server="$0 --listen none --listen-line none --data data $1"
    env --unset NO_COLOR TERM=xterm-256color \
        script --quiet --flush --command "echo \$\$ > pid; exec $server" output > /dev/null < /dev/null &
    until grep --quiet -e 'Open in a browser' -e 'web="http' output; do sleep 0.05; done
    kill -TERM "$(cat pid)"
    wait
    cat output
"#;

/// The output of a server on a terminal.
fn shown(flags: &str) -> String {
    let (out, errors) = texts(&run_script(SCRIPT, &program("switchboard-server"), &[flags]));
    assert!(errors.is_empty(), "{errors}\n{out}");
    out
}

#[test]
fn server_on_a_terminal_shows_a_code_that_others_can_open() {
    for address in ["192.0.2.7:8088", "0.0.0.0:8088", ":8088"] {
        let out = shown(&format!("--listen-web {address} --listen-tls 192.0.2.7:12346"));
        let link = "https://192.0.2.7:8088/#lab";
        assert!(out.contains(&format!("Open in a browser:  {link}")), "{out}");
        assert!(out.contains("'switchboard://192.0.2.7:12346/#lab?key="), "{out}");
        assert_eq!(read_code(&modules_of_text(&out)), format!("QRCODE {link}\n"), "{out}");
    }
}

#[test]
fn there_is_no_code_where_nobody_could_use_it() {
    for flags in ["--listen-web 192.0.2.7:8088 --qr-code=false", "--listen-web 192.0.2.7:8088 --log-format text", ""] {
        let out = shown(flags);
        assert!(!out.contains('▀') && !out.contains(DARK_ON_LIGHT), "{flags}: {out}");
        assert_eq!(out.contains("--listen-web 0.0.0.0:8088"), flags.is_empty(), "{flags}: {out}");
    }
}

//! Generates the report and the notebook, and checks that each number of the report is in a data file.
//!
//! `cargo xtask report` and `cargo xtask notebook` install their Python packages in `target`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;
use switchboard_tests::process::cargo;
use switchboard_tests::wireshark;

fn root() -> PathBuf {
    fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).expect("an existing file or folder")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("the command can be started");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{errors}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).expect("UTF-8 text")
}

fn xtask(args: &[&str]) -> String {
    run(cargo().arg("xtask").args(args).current_dir(root()))
}

/// Two reports, generated one after the other in separate folders.
fn two_runs() -> &'static [PathBuf; 2] {
    static RUNS: OnceLock<[PathBuf; 2]> = OnceLock::new();
    RUNS.get_or_init(|| {
        ["target/report/first", "target/report/second"].map(|folder| {
            // The release profile reuses the programs of the other tests.
            print!("{}", xtask(&["report", "--profile", "release", "--out", folder]));
            root().join(folder)
        })
    })
}

/// The committed report, and a new one.
fn reports() -> [PathBuf; 2] {
    [root().join("report"), two_runs()[0].clone()]
}

/// The text of a data file: keys, numbers and strings of JSON, or the words of a drawing.
fn texts(file: &Path) -> String {
    let text = read(file);
    if file.extension().is_some_and(|extension| extension == "json") {
        let mut texts = String::new();
        collect_texts(&serde_json::from_str(&text).expect("valid JSON"), &mut texts);
        return texts;
    }
    // Only the text between tags counts: attributes hold positions and sizes.
    let words = text.split('<').filter_map(|part| part.split_once('>')).map(|(_, words)| words);
    words.collect::<Vec<_>>().join("\n")
}

/// Appends the keys, numbers and strings of `value`, one per line.
fn collect_texts(value: &Value, texts: &mut String) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| collect_texts(value, texts)),
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            let _ = writeln!(texts, "{key}");
            collect_texts(value, texts);
        }),
        Value::String(text) => {
            let _ = writeln!(texts, "{text}");
        }
        other => {
            let _ = writeln!(texts, "{other}");
        }
    }
}

/// The numbers of a text, as written: `4,096`, `0.021652`.
fn numbers(text: &str) -> Vec<&str> {
    let mut numbers = Vec::new();
    let mut unread = text;
    while let Some(start) = unread.find(|c: char| c.is_ascii_digit()) {
        unread = &unread[start..];
        let end = unread.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',').unwrap_or(unread.len());
        numbers.push(unread[..end].trim_end_matches(['.', ',']));
        unread = &unread[end..];
    }
    numbers
}

/// Whether `text` contains `number` without adjacent digits.
fn contains_number(text: &str, number: &str) -> bool {
    text.match_indices(number).any(|(at, _)| {
        let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        !is_digit(text[..at].chars().next_back()) && !is_digit(text[at + number.len()..].chars().next())
    })
}

/// A line of the PDF's text without the numbers that have no data file: those of pages, sections, figures, tables and
/// steps, and those of RFCs and their sections.
fn without_references(line: &str) -> String {
    let mut line = line.trim().to_owned();
    let is_number = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_digit() || c == '.');
    // `3 / 19` in a page footer.
    if line.split(" / ").count() == 2 && line.split(" / ").all(is_number) {
        return String::new();
    }
    // A heading such as `2.1 Title`, or a step such as `3. server/…`.
    if let Some((number, title)) = line
        .split_once(' ')
        .filter(|(number, title)| is_number(number) && title.trim_start().starts_with(char::is_alphabetic))
    {
        let is_heading = number.len() <= 5 && number.split('.').all(|part| part.len() <= 2);
        if is_heading {
            line = title.trim_start().to_owned();
        }
    }
    // An entry of the table of contents ends in dots and a page number.
    if let Some((title, _)) =
        line.rsplit_once(' ').filter(|(title, page)| title.ends_with('.') && title.contains(". . .") && is_number(page))
    {
        line = title.to_owned();
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    let has_number = |word: &str| ["Figure", "Table", "Section", "RFC", "(RFC", "(Table", "(Section"].contains(&word);
    let is_reference = |i: usize, word: &str| {
        word.trim_start_matches('(').starts_with('§')
            || i > 0 && has_number(words[i - 1]) && word.starts_with(|c: char| c.is_ascii_digit())
    };
    let text = words.iter().enumerate().filter(|(i, word)| !is_reference(*i, word));
    text.map(|(_, word)| *word).collect::<Vec<_>>().join(" ")
}

/// Names that contain a digit. It is no number of the report.
const NAMES_WITH_DIGITS: [&str; 6] = ["UTF-8", "IPv4", "IPv6", "User1", "User2", "User3"];

#[test]
fn every_number_in_the_pdf_is_in_a_data_file() {
    for report in reports() {
        let mut files: Vec<_> = fs::read_dir(report.join("data"))
            .expect("an existing file or folder")
            .map(|file| file.expect("a file").path())
            .collect();
        files.sort();
        let data: BTreeMap<String, String> = files
            .iter()
            .map(|file| (file.file_name().expect("a name").to_string_lossy().into_owned(), texts(file)))
            .collect();
        let pdf =
            run(Command::new("pdftotext").args(["-layout", "-enc", "UTF-8"]).arg(report.join("report.pdf")).arg("-"));
        // Each number with the data files that contain it.
        let mut sources = String::new();
        let mut without_source = Vec::new();
        let mut previous_ends_in_rfc = false;
        for line in pdf.lines() {
            let mut text = without_references(line);
            // The number of an RFC may be on the next line.
            if previous_ends_in_rfc {
                text = text.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned();
            }
            previous_ends_in_rfc = line.trim_end().ends_with("RFC");
            for name in NAMES_WITH_DIGITS {
                text = text.replace(name, " ");
            }
            for number in numbers(&text) {
                let files: Vec<_> = data
                    .iter()
                    .filter(|(_, text)| contains_number(text, number))
                    .map(|(name, _)| name.as_str())
                    .collect();
                if files.is_empty() {
                    without_source.push(format!("{number} in {:?}", line.trim()));
                }
                let _ = writeln!(sources, "{number}\t{}", files.join(" "));
            }
        }
        let n_numbers = sources.lines().count();
        assert!(n_numbers > 1_000, "{}: only {n_numbers} numbers were found", report.display());
        assert!(without_source.is_empty(), "{}: numbers in no data file: {without_source:#?}", report.display());
        fs::write(two_runs()[0].join("numbers.txt"), sources).expect("the folder is writable");
    }
}

#[test]
fn report_source_has_no_typed_number() {
    let source = read(&root().join("report/report.typ"));
    // The part before the table of contents is layout.
    let (_, prose) = source.split_once("#outline(").expect("a table of contents");
    let mut lines_with_numbers = Vec::new();
    for line in prose.lines() {
        for (at, _) in line.match_indices(|c: char| c.is_ascii_digit()) {
            let (before, after) = (&line[..at], &line[at + 1..]);
            let before = before.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
            let is_reference = before.ends_with('§') || before.ends_with("RFC ");
            let is_name = ["UTF-", "IPv"].iter().any(|name| before.ends_with(name));
            let is_layout = ["columns: ", "depth: ", "at(", "v("].iter().any(|word| before.ends_with(word))
                || after.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').starts_with("fr");
            if !(is_reference || is_name || is_layout) {
                lines_with_numbers.push(line);
            }
        }
    }
    assert!(lines_with_numbers.is_empty(), "{lines_with_numbers:#?}");
}

/// JSON keys of values that depend on the clock or the kernel.
const VOLATILE_KEYS: [&str; 48] = [
    // Dates, times, and values derived from them.
    "date",
    "time",
    "timestamp",
    "begins",
    "handshake_time",
    "round_trip",
    "waited",
    "before",
    "meanwhile",
    "caption",
    // Frame numbers, and the times at which a kernel sends a bare acknowledgment.
    "frame",
    "frame_len",
    "first_frame",
    "last_frame",
    "ack",
    "window",
    "totals",
    "capture",
    "captured_frames",
    "count",
    "differences",
    "segments",
    // Ports, initial sequence numbers, values derived from them, and table entries without a fixed content.
    "client_port",
    "session",
    "captured",
    "frames",
    "checksums",
    "shown",
    "syn",
    "found_out",
    // Sizes of a kernel's buffers, and the number of its window probes.
    "messages",
    "zero",
    "author_told",
    "stop",
    "author_braked",
    "probes",
    "late",
    "torn",
    "last",
    "arrived",
    "lost",
    "acknowledged",
    "frozen",
    "author",
    "flags",
    "keep_alives",
    "zero_windows",
    "window_fulls",
];

/// The data without [`VOLATILE_KEYS`] and without bare acknowledgments: their number depends on the kernel.
fn normalize(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let stable = map.iter().filter(|(key, _)| !VOLATILE_KEYS.contains(&key.as_str()));
            Value::Object(stable.map(|(key, value)| (key.clone(), normalize(value))).collect())
        }
        Value::Array(list) => {
            let is_bare_ack = |value: &Value| value["bytes"] == 0 && value["flags"] == "ACK";
            let mut list: Vec<_> = list.iter().filter(|value| !is_bare_ack(value)).map(normalize).collect();
            // The lines of two clients arrive in either order, and the kinds of differences appear in any order.
            if list.iter().any(|value| value["text"].is_string() || value["reason"].is_string()) {
                list.sort_by_key(ToString::to_string);
                list.dedup();
            }
            Value::Array(list)
        }
        Value::String(text) => Value::String(without_client_ports(text)),
        other => other.clone(),
    }
}

/// The text with `PORT` in place of each port that is not a server's.
fn without_client_ports(text: &str) -> String {
    let mut parts = text.split("127.0.0.1:");
    let mut replaced = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let after_port = part.trim_start_matches(|c: char| c.is_ascii_digit());
        let port = &part[..part.len() - after_port.len()];
        let is_server = ["12345", "8080"].contains(&port);
        let _ = write!(replaced, "127.0.0.1:{}{after_port}", if is_server { port } else { "PORT" });
    }
    replaced
}

#[test]
fn two_runs_differ_only_in_values_set_by_clock_and_kernel() {
    let [first, second] = two_runs();
    let names = |folder: &PathBuf| -> BTreeSet<_> {
        fs::read_dir(folder.join("data"))
            .expect("an existing file or folder")
            .map(|file| file.expect("a file").file_name())
            .collect()
    };
    assert_eq!(names(first), names(second));
    let mut n_values = 0;
    for name in names(first) {
        let path = Path::new(&name);
        if path.extension().is_some_and(|extension| extension == "json") {
            let [first_data, second_data] = [first, second].map(|folder| {
                let data = read(&folder.join("data").join(path));
                let mut data = normalize(&serde_json::from_str(&data).expect("valid JSON"));
                // The kinds of differences to the kernel's frames vary from run to run, but each must have a reason.
                if let Some(compared) = data.get_mut("compared") {
                    assert_eq!(compared["unexplained"], 0);
                    compared["kinds"].take();
                }
                data
            });
            n_values += first_data.to_string().matches(':').count();
            assert!(first_data == second_data, "{}:\n{first_data:#}\n{second_data:#}", path.display());
        }
    }
    assert!(n_values > 300, "only {n_values} values were compared");
    // The lengths of both reports differ by one page at most.
    let page_count = |folder: &PathBuf| {
        let info = run(Command::new("pdfinfo").arg(folder.join("report.pdf")));
        let pages = info.lines().find_map(|line| line.strip_prefix("Pages:")).expect("pdfinfo prints the pages");
        pages.trim().parse::<i64>().expect("a number")
    };
    assert!((page_count(first) - page_count(second)).abs() <= 1);
}

#[test]
fn fonts_are_embedded_and_every_script_is_shown() {
    for report in reports() {
        let pdf = report.join("report.pdf");
        let fonts = run(Command::new("pdffonts").arg(&pdf));
        let fonts: Vec<&str> = fonts.lines().skip(2).collect();
        assert!(fonts.len() >= 4, "{fonts:?}");
        for font in &fonts {
            // The last five columns are: embedded, subset, Unicode map, object number, generation. They are counted
            // from the end, because the columns before them (name, type) contain spaces.
            let columns: Vec<&str> = font.split_whitespace().rev().collect();
            assert_eq!(columns[4], "yes", "the font is not embedded: {font}");
        }
        let text = run(Command::new("pdftotext").args(["-enc", "UTF-8"]).arg(&pdf).arg("-"));
        assert!(text.contains("שלום"), "Hebrew is text, not a picture");
        let html = read(&report.join("report.html"));
        for expected in [
            "MSG שלום 👋",
            "👍🏽 אני כאן",
            "<img src=\"data:image/svg+xml;base64,",
            "<table>",
            "prefers-color-scheme: dark",
        ] {
            assert!(html.contains(expected), "{}: {expected}", report.display());
        }
    }
}

#[test]
fn report_and_notebook_hold_no_local_path() {
    for report in reports() {
        let pdf = run(Command::new("pdftotext").arg(report.join("report.pdf")).arg("-"));
        for (name, text) in [("report.pdf", pdf), ("report.html", read(&report.join("report.html")))] {
            for part in ["/tmp/", "/root", "/home/", root().to_str().expect("UTF-8")] {
                assert!(!text.contains(part), "{name} in {} has {part}", report.display());
            }
        }
    }
    let notebook = read(&root().join("report/encapsulation.ipynb"));
    for part in ["/tmp/", "/root", "/home/", root().to_str().expect("UTF-8")] {
        assert!(!notebook.contains(part), "the notebook has {part}");
    }
}

/// The code cells of a notebook: source and outputs.
fn cells(notebook: &Path) -> Vec<(String, Vec<Value>)> {
    let notebook: Value = serde_json::from_str(&read(notebook)).expect("valid JSON");
    let lines = |value: &Value| -> String {
        value.as_array().expect("lines").iter().map(|line| line.as_str().expect("UTF-8 text")).collect()
    };
    let code = notebook["cells"].as_array().expect("cells").iter().filter(|cell| cell["cell_type"] == "code");
    code.map(|cell| (lines(&cell["source"]), cell["outputs"].as_array().expect("outputs").clone())).collect()
}

#[test]
fn notebook_runs_and_wireshark_accepts_its_captures() {
    let stored = root().join("report/encapsulation.ipynb");
    let executed = root().join("target/notebook/encapsulation.ipynb");
    print!("{}", xtask(&["notebook", "--out", "target/notebook/encapsulation.ipynb"]));
    let (stored, executed) = (cells(&stored), cells(&executed));
    assert_eq!(stored.len(), executed.len());
    for ((source, stored), (_, executed)) in stored.iter().zip(&executed) {
        let kinds = |outputs: &[Value]| -> Vec<String> {
            outputs.iter().map(|output| output["output_type"].to_string()).collect()
        };
        assert_eq!(kinds(stored), kinds(executed), "outputs of the stored cell: {source}");
        assert!(!kinds(executed).iter().any(|kind| kind.contains("error")), "{source}");
    }
    let pictures =
        executed.iter().flat_map(|(_, outputs)| outputs).filter(|output| output["data"]["image/png"].is_string());
    assert_eq!(pictures.count(), 2);

    let built = fs::read(root().join("target/notebook/built.pcapng")).expect("the notebook writes it");
    let complaints: Vec<_> = wireshark::read(&built).into_iter().filter(|frame| !frame.complaints.is_empty()).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
    // The only fault of a loopback capture may be a wrong TCP or UDP checksum: the kernel leaves it to a network card.
    let sent = fs::read(root().join("target/notebook/sent.pcapng")).expect("the notebook writes it");
    let frames = wireshark::read(&sent);
    assert!(frames.len() > 20);
    for frame in frames {
        let complaints = frame.complaints;
        let has_other_fault =
            ["analysis flags", "malformed", "ip.checksum"].iter().any(|fault| complaints.contains(fault));
        assert!(complaints.is_empty() || complaints.contains("Bad checksum") && !has_other_fault, "{complaints}");
    }
}

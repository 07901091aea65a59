//! The pages of `encap` and the report, as a browser shows them: on a desktop and on a phone, in the light and in the dark.
//!
//! What they look like is kept in `target/pages`, for a person to see.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use switchboard_tests::browser::Browser;
use switchboard_tests::process::program;

/// A desktop's window and a phone, in CSS pixels.
const SCREENS: [(u32, u32); 2] = [(1280, 900), (390, 844)];

/// Counts the colours of one in seventeen pixels of a picture, and how many of those have not the commonest.
const COUNT_COLOURS: &str = "
    const picture = new Image();
    picture.src = 'data:image/png;base64,' + arguments[0];
    await picture.decode();
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [picture.width, picture.height];
    const context = canvas.getContext('2d');
    context.drawImage(picture, 0, 0);
    const pixels = new Uint32Array(context.getImageData(0, 0, canvas.width, canvas.height).data.buffer);
    const counts = new Map();
    for (let i = 0; i < pixels.length; i += 17) counts.set(pixels[i], (counts.get(pixels[i]) ?? 0) + 1);
    const seen = [...counts.values()];
    return [picture.width, counts.size, seen.reduce((sum, n) => sum + n) - Math.max(...seen)];
";

fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(path)
}

/// Where the pages and their pictures are kept.
fn folder() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let folder = test.ancestors().nth(3).expect("it is in target/<profile>/deps").join("pages");
    fs::create_dir_all(&folder).expect("it can be made");
    folder
}

fn encap(args: &[&str]) {
    let output = Command::new(program("encap")).args(args).output().expect("it runs");
    assert!(output.status.success(), "encap {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The bytes of base64 (RFC 4648 §4).
fn decode(base64: &str) -> Vec<u8> {
    let six_bits = |c: u8| match c {
        b'A'..=b'Z' => u32::from(c - b'A'),
        b'a'..=b'z' => u32::from(c - b'a' + 26),
        b'0'..=b'9' => u32::from(c - b'0' + 52),
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = base64.bytes().filter(|c| *c != b'=').collect();
    let group = |group: &[u8]| {
        let bits = group.iter().enumerate().fold(0, |bits, (i, c)| bits | six_bits(*c) << (26 - 6 * i));
        bits.to_be_bytes()[..group.len() * 6 / 8].to_vec()
    };
    digits.chunks(4).flat_map(group).collect()
}

/// The pages that are looked at, each with its name.
fn pages(folder: &Path) -> Vec<PathBuf> {
    let made = folder.join("made.pcapng");
    let made = made.to_str().expect("it is UTF-8");
    encap(&["build", data("csv/group07_chat_input.csv").to_str().expect("it is UTF-8"), "-o", made]);
    let mut pages = Vec::new();
    let mut page = |name: &str, args: &[&str], out: &str| {
        let page = folder.join(name).with_extension("html");
        encap(&[args, &[out, page.to_str().expect("it is UTF-8")]].concat());
        pages.push(page);
    };
    let chat = data("captures/line_chat_macos_lo0.pcapng");
    let chat = chat.to_str().expect("it is UTF-8");
    page("show-frame", &["show", chat, "--frame", "9"], "--html");
    page("show-list", &["show", chat], "--html");
    page("report-made", &["report", made], "-o");
    for capture in fs::read_dir(data("captures")).expect("it is there") {
        let capture = capture.expect("a file").path();
        let name = format!("report-{}", capture.file_stem().expect("it has a name").to_string_lossy());
        page(&name, &["report", capture.to_str().expect("it is UTF-8")], "-o");
    }
    // The report that is kept with the source.
    let report = folder.join("the-report.html");
    fs::copy(data("../../report/report.html"), &report).expect("it is there");
    pages.push(report);
    assert!(pages.len() >= 7);
    pages
}

#[test]
fn pages_fit_every_screen_and_load_nothing_else() {
    // First of all, so that a browser that is missing is said at once.
    let browsers = SCREENS.map(|(width, height)| (width, Browser::start(width, height)));
    let folder = folder();
    let pages = pages(&folder);
    for (width, browser) in &browsers {
        for page in &pages {
            for is_dark in [false, true] {
                look_at(browser, page, *width, is_dark);
            }
        }
    }
    println!("{} pages, to be seen in {}", pages.len(), folder.display());
}

#[test]
fn a_report_can_be_printed() {
    let browser = Browser::start(SCREENS[0].0, SCREENS[0].1);
    let folder = folder();
    let (capture, page) = (data("captures/line_chat_macos_lo0.pcapng"), folder.join("printed.html"));
    encap(&["report", capture.to_str().expect("it is UTF-8"), "-o", page.to_str().expect("it is UTF-8")]);
    browser.open(&page, false);
    let printed = decode(&browser.print());
    assert!(printed.starts_with(b"%PDF-"));
    fs::write(folder.join("printed.pdf"), printed).expect("it can be written");
}

fn look_at(browser: &Browser, page: &Path, width: u32, is_dark: bool) {
    let name = page.file_stem().expect("it has a name").to_string_lossy();
    let what = format!("{name}, {width} pixels wide, {}", if is_dark { "dark" } else { "light" });
    browser.open(page, is_dark);

    let size = browser.run("return [document.documentElement.scrollWidth, innerWidth]", &[]);
    assert_eq!(size[1], width, "{what}: the width of the page");
    assert!(size[0].as_u64() <= size[1].as_u64(), "{what}: wider than the screen: {size}");

    let picture = browser.screenshot();
    let kept = page.with_file_name(format!("{name}-{width}-{}.png", if is_dark { "dark" } else { "light" }));
    fs::write(kept, decode(&picture)).expect("it can be written");
    let seen = browser.wait_for(COUNT_COLOURS, &[Value::String(picture)]);
    assert_eq!(seen[0], width, "{what}: the width of the picture");
    let (colours, drawn) = (seen[1].as_u64().expect("a count"), seen[2].as_u64().expect("a count"));
    assert!(
        colours > 50 && drawn > 1_000,
        "{what}: blank: {colours} colours, {drawn} of one in 17 pixels not of the ground"
    );
    let ground = browser.run("return getComputedStyle(document.body).backgroundColor", &[]);
    assert_eq!(ground != "rgb(255, 255, 255)", is_dark, "{what}: {ground}");

    assert_eq!(browser.console(), [""; 0], "{what}: the console");
    let requests = browser.requests();
    let itself = format!("file://{}", page.display());
    // The picture above is the test's own.
    let others: Vec<_> = requests.iter().filter(|url| **url != itself && !url.starts_with("data:")).collect();
    assert!(requests.contains(&itself) && others.is_empty(), "{what}: asks for {others:?}");
}

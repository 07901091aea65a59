//! The HTML pages of `encap` and the report in a browser: desktop and phone, light and dark.
//!
//! Screenshots are stored in `target/pages`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use switchboard_tests::browser::Browser;
use switchboard_tests::process::program;

/// A desktop window and a phone, in CSS pixels.
const SCREENS: [(u32, u32); 2] = [(1280, 900), (390, 844)];

/// Samples every 17th pixel of a picture. Returns the width of the picture, the number of colours, and the number of
/// pixels that do not have the most common colour.
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
    const sizes = [...counts.values()];
    return [picture.width, counts.size, sizes.reduce((sum, n) => sum + n) - Math.max(...sizes)];
";

fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(path)
}

/// The folder of the pages and screenshots. It is created if it does not exist.
fn folder() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let folder = test.ancestors().nth(3).expect("a test binary is in target/<profile>/deps").join("pages");
    fs::create_dir_all(&folder).expect("the folder can be created");
    folder
}

fn encap(args: &[&str]) {
    let output = Command::new(program("encap")).args(args).output().expect("encap can be started");
    assert!(output.status.success(), "encap {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Decodes base64 (RFC 4648 §4).
fn decode_base64(base64: &str) -> Vec<u8> {
    let six_bits = |c: u8| match c {
        b'A'..=b'Z' => u32::from(c - b'A'),
        b'a'..=b'z' => u32::from(c - b'a' + 26),
        b'0'..=b'9' => u32::from(c - b'0' + 52),
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = base64.bytes().filter(|c| *c != b'=').collect();
    let decode_group = |group: &[u8]| {
        let bits = group.iter().enumerate().fold(0, |bits, (i, c)| bits | six_bits(*c) << (26 - 6 * i));
        bits.to_be_bytes()[..group.len() * 6 / 8].to_vec()
    };
    digits.chunks(4).flat_map(decode_group).collect()
}

/// Generates the tested pages in a folder, and returns their paths.
fn pages(folder: &Path) -> Vec<PathBuf> {
    let built = folder.join("built.pcapng");
    let built = built.to_str().expect("a UTF-8 path");
    encap(&["build", data("csv/group07_chat_input.csv").to_str().expect("a UTF-8 path"), "-o", built]);
    let mut pages = Vec::new();
    let mut add_page = |name: &str, args: &[&str], output_flag: &str| {
        let page = folder.join(name).with_extension("html");
        encap(&[args, &[output_flag, page.to_str().expect("a UTF-8 path")]].concat());
        pages.push(page);
    };
    let chat = data("captures/line_chat_macos_lo0.pcapng");
    let chat = chat.to_str().expect("a UTF-8 path");
    add_page("show-frame", &["show", chat, "--frame", "9"], "--html");
    add_page("show-list", &["show", chat], "--html");
    add_page("report-built", &["report", built], "-o");
    for capture in fs::read_dir(data("captures")).expect("an existing file or folder") {
        let capture = capture.expect("a file").path();
        let name = format!("report-{}", capture.file_stem().expect("a file has a name").to_string_lossy());
        add_page(&name, &["report", capture.to_str().expect("a UTF-8 path")], "-o");
    }
    // The committed report.
    let report = folder.join("the-report.html");
    fs::copy(data("../../report/report.html"), &report).expect("an existing file or folder");
    pages.push(report);
    assert!(pages.len() >= 7, "captures are missing: only {} pages", pages.len());
    pages
}

#[test]
fn pages_fit_every_screen_and_load_no_other_file() {
    // The browsers start first, so that a missing one is reported at once.
    let browsers = SCREENS.map(|(width, height)| (width, Browser::start_with_logs(width, height)));
    let folder = folder();
    let pages = pages(&folder);
    for (width, browser) in &browsers {
        for page in &pages {
            for is_dark in [false, true] {
                check_page(browser, page, *width, is_dark);
            }
        }
    }
    println!("{} pages with screenshots in {}", pages.len(), folder.display());
}

#[test]
fn a_report_can_be_printed() {
    let browser = Browser::start_with_logs(SCREENS[0].0, SCREENS[0].1);
    let folder = folder();
    let (capture, page) = (data("captures/line_chat_macos_lo0.pcapng"), folder.join("printed.html"));
    encap(&["report", capture.to_str().expect("a UTF-8 path"), "-o", page.to_str().expect("a UTF-8 path")]);
    browser.open(&page, false);
    let pdf = decode_base64(&browser.print());
    assert!(pdf.starts_with(b"%PDF-"), "the printed page is a PDF");
    fs::write(folder.join("printed.pdf"), pdf).expect("the folder is writable");
}

fn check_page(browser: &Browser, page: &Path, width: u32, is_dark: bool) {
    let name = page.file_stem().expect("a file has a name").to_string_lossy();
    let case = format!("{name}, {width} pixels wide, {}", if is_dark { "dark" } else { "light" });
    browser.open(page, is_dark);

    let size = browser.run("return [document.documentElement.scrollWidth, innerWidth]", &[]);
    assert_eq!(size[1], width, "{case}: the width of the page");
    assert!(size[0].as_u64() <= size[1].as_u64(), "{case}: wider than the screen: {size}");

    let picture = browser.screenshot();
    let png = page.with_file_name(format!("{name}-{width}-{}.png", if is_dark { "dark" } else { "light" }));
    fs::write(png, decode_base64(&picture)).expect("the folder is writable");
    let counts = browser.run_async(COUNT_COLOURS, &[Value::String(picture)]);
    assert_eq!(counts[0], width, "{case}: the width of the picture");
    let (colours, foreground) = (counts[1].as_u64().expect("a count"), counts[2].as_u64().expect("a count"));
    assert!(
        colours > 50 && foreground > 1_000,
        "{case}: almost blank: {colours} colours, and {foreground} sampled pixels differ from the background"
    );
    let background = browser.run("return getComputedStyle(document.body).backgroundColor", &[]);
    assert_eq!(background != "rgb(255, 255, 255)", is_dark, "{case}: {background}");

    assert_eq!(browser.console(), [""; 0], "{case}: the console");
    let requests = browser.requests();
    let page_url = format!("file://{}", page.display());
    // `COUNT_COLOURS` loads the screenshot from a data URL.
    let foreign: Vec<_> = requests.iter().filter(|url| **url != page_url && !url.starts_with("data:")).collect();
    assert!(requests.contains(&page_url) && foreign.is_empty(), "{case}: the page requests {foreign:?}");
}

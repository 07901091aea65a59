//! Judges of the chat page: axe-core for accessibility, hostile names and texts, the weight of the page, and the modules
//! without views.

use std::collections::BTreeSet;
use std::{fs, path::Path};

use serde_json::json;
use switchboard_protocol::Dialect;
use switchboard_tests::axe;
use switchboard_tests::browser::Browser;
use switchboard_tests::chat_page::ChatPage;
use switchboard_tests::process::EmbeddedServer;
use switchboard_tests::test_client::TestClient;

/// Maximum weight of the page in bytes: the compressed content of all its files, with those of the dialogs.
const PAGE_BYTES_MAX: u64 = 60 * 1024;

/// Buttons that open a dialog.
const DIALOGS: [&str; 5] = ["#me", "#link-open", "#help-open", "#rooms-open", "#search-open"];

/// Texts that would do something if the page took them for more than text.
const HOSTILE_TEXTS: [&str; 14] = [
    "<script>document.title = 'owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "javascript:alert(1) data:text/html,<script>alert(1)</script>",
    "https://a.example/\" onmouseover=\"alert(1)",
    "https://a.example/\u{202e}gpj.exe",
    "\u{202e}desrever\u{2066}\u{2067}",
    "</bdi></div><h1>outside</h1>",
    "__proto__",
    "constructor",
    "{{7*7}} ${7*7}",
    "`<u>code</u>` ```<u>block</u>```",
    "\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}",
    "x\u{2028}y\u{200b}z\u{feff}",
    "    <b>code</b>",
];

fn open(server: &EmbeddedServer, width: u32, is_dark: bool) -> ChatPage {
    let browser = Browser::start_with_logs(width, 800);
    let scheme = if is_dark { "dark" } else { "light" };
    let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
    let _ = browser.devtools("Emulation.setEmulatedMedia", &features);
    ChatPage::open_in(browser, server.web_address(), "#lab")
}

/// Messages of each kind in the room #lab.
fn talk_in_lab(server: &EmbeddedServer) -> TestClient {
    let mut dana = TestClient::account(server.address(Dialect::Commands), "Dana", "open sesame");
    for line in
        ["JOIN #lab", "TOPIC #lab Wires", "SAY #lab see https://a.example", "SAY #lab     let x = 1;", "SAY #lab שלום"]
    {
        dana.send(line);
        let _ = dana.receive_reply();
    }
    dana
}

#[test]
fn axe_finds_no_fault() {
    let server = EmbeddedServer::start();
    let _dana = talk_in_lab(&server);
    for (number, (width, is_dark)) in [(1200, false), (1200, true), (390, false)].into_iter().enumerate() {
        let page = open(&server, width, is_dark);
        let judge = |state: &str| {
            let faults = axe::faults(page.browser());
            assert!(faults.is_empty(), "{state}, {width} pixels, dark: {is_dark}: {faults:#?}");
        };
        judge("entry");
        // The judge finds a fault where there is one.
        let _ = page.browser().run("document.querySelector('#guest-form label').htmlFor = ''", &[]);
        let faults = axe::faults(page.browser());
        assert!(faults.iter().any(|fault| fault.contains("label")), "{faults:#?}");
        let _ = page.browser().run("document.querySelector('#guest-form label').htmlFor = 'guest-name'", &[]);
        page.enter(&format!("Noy{number}"));
        page.say("hello");
        page.wait_for_state("hello", "stored");
        judge("conversation");
        page.type_text("/");
        page.wait("return !document.querySelector('#completions').hidden", &[]);
        judge("completions");
        let _ = page.browser().run("document.querySelector('#text').select()", &[]);
        page.say("/topic none");
        page.wait_for("#notice", "That needs an account");
        judge("notice");
        page.click("#search-open");
        page.wait("return document.querySelector('#dialog [type=search]') === document.activeElement", &[]);
        page.type_text("hello");
        page.press("Enter");
        page.wait_for("#dialog li", "hello");
        judge("found messages");
        page.press("Escape");
        page.click("#people-toggle");
        page.wait_for("#people-list", "Dana");
        judge("people");
        page.click("#people-close");
        for dialog in DIALOGS {
            page.click(dialog);
            page.wait("return document.querySelector('#dialog').open", &[]);
            judge(dialog);
            page.press("Escape");
        }
        page.click(".message .more");
        page.wait_for("#menu button", "See the wire");
        judge("menu");
        page.click("#menu button");
        page.wait_for("#dialog-body pre", "transport=websocket");
        judge("wire");
        page.press("Escape");
        page.say("/raw WHO");
        page.wait_for(".wire-log", "USERS");
        judge("lines");
        page.press("Escape");
    }
}

#[test]
fn hostile_texts_and_names_are_shown_as_text() {
    let server = EmbeddedServer::start();
    let address = server.address(Dialect::Commands);
    let mut dana = TestClient::account(address, "Dana", "open sesame");
    for room in ["#lab", "#<img/src=x>", "#__proto__", "#constructor", &format!("#{}", "ש".repeat(31))] {
        dana.send(&format!("JOIN {room}"));
        dana.expect_reply_prefix("JOIN_OK ");
    }
    dana.send("TOPIC #lab <b>topic</b> \u{202e}");
    dana.expect_reply_prefix("TOPIC_OK ");
    for name in ["<img/src=x>", "__proto__", "constructor", "toString", &"W".repeat(32)] {
        let mut guest = TestClient::guest(address, name);
        guest.send("SAY #lab hostile name");
        guest.expect_reply_prefix("SAID ");
    }
    for text in HOSTILE_TEXTS {
        dana.send(&format!("SAY #lab {text}"));
        dana.expect_reply_prefix("SAID ");
    }
    for width in [1200, 390] {
        let page = open(&server, width, false);
        page.enter(if width == 390 { "Elias" } else { "Noy" });
        page.wait_for(".message .body", "<b>code</b>");
        page.click("#rooms-open");
        page.wait_for("#dialog-body li", "#<img/src=x>");
        let found = page.browser().run(
            "const inside = (selector) => document.querySelectorAll(`#log ${selector}, #list ${selector}, #dialog ul ${selector}`).length;
             return {
                 markup: inside('script') + inside('img') + inside('b') + inside('u') + inside('h1'),
                 links: [...document.querySelectorAll('#log a')].filter((link) =>
                     !/^https?:/.test(link.href) || !link.relList.contains('noopener')).length,
                 isWide: document.documentElement.scrollWidth > innerWidth || document.querySelector('#log').scrollWidth > innerWidth,
                 title: document.title,
                 overrides: ['#log', '#topic', '#dialog'].map((part) => document.querySelector(part).textContent).join('').match(/[\\u202a-\\u202e\\u2066-\\u2069]/g),
             }",
            &[],
        );
        let title = found["title"].as_str().unwrap_or_default();
        assert!(title.ends_with("#lab · Switchboard"), "{title}");
        let expected = json!({ "markup": 0, "links": 0, "isWide": false, "title": title, "overrides": null });
        assert_eq!(found, expected);
        assert_eq!(page.browser().console(), Vec::<String>::new());
    }
}

#[test]
fn page_is_light_and_stays_on_its_origin() {
    let server = EmbeddedServer::start();
    let _dana = talk_in_lab(&server);
    let page = open(&server, 1200, false);
    page.enter("Noy");
    page.say("hello");
    page.wait_for_state("hello", "stored");
    let weigh = || {
        let weight = page.browser().run(
            "const entries = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
             return entries.reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0)",
            &[],
        );
        weight.as_u64().expect("a number")
    };
    let first = weigh();
    for dialog in DIALOGS {
        page.click(dialog);
        page.wait("return document.querySelector('#dialog').open", &[]);
        page.press("Escape");
    }
    page.click(".message .more");
    page.wait_for("#menu button", "See the wire");
    page.click("#menu button");
    page.wait_for("#dialog-body pre", "WIRE_");
    page.press("Escape");
    page.say("/raw WHO");
    page.wait_for(".wire-log", "USERS");
    let all = weigh();
    println!("the page takes {first} bytes, and {all} with all dialogs");
    assert!(first > 10_000 && all <= PAGE_BYTES_MAX, "{all} bytes");
    let origins = [format!("http://{}/", server.web_address()), format!("ws://{}/ws", server.web_address())];
    let outside: Vec<_> = page
        .browser()
        .requests()
        .into_iter()
        .filter(|url| !origins.iter().any(|origin| url.starts_with(origin)))
        .collect();
    assert_eq!(outside, Vec::<String>::new());
    assert_eq!(page.browser().console(), Vec::<String>::new());
}

#[test]
fn modules_without_views_pass_their_checks() {
    let server = EmbeddedServer::start();
    let page = ChatPage::open(server.web_address(), "");
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/page"));
    let files: BTreeSet<_> =
        fs::read_dir(folder).expect("the folder of checks").map(|file| file.expect("a file").path()).collect();
    let files: Vec<_> = files.into_iter().filter(|file| file.is_file()).collect();
    assert!(files.len() >= 6, "{files:?}");
    let server = fs::read_to_string(folder.join("support/fake_server.js")).expect("the server for the checks");
    for file in files {
        let checks = fs::read_to_string(&file).expect("a file of checks");
        let script = format!(
            "const failures = []; let count = 0;
             const check = (name, actual, expected) => {{
                 count += 1;
                 const [is, should] = [JSON.stringify(actual), JSON.stringify(expected)];
                 if (is !== should) failures.push(`${{name}}: ${{is}}, not ${{should}}`);
             }};
             {server}
             {checks}
             return {{ count, failures }};"
        );
        let result = page.browser().run_async(&script, &[]);
        assert_eq!(result["failures"], json!([]), "{}", file.display());
        assert!(result["count"].as_u64() > Some(5), "{}: {result}", file.display());
    }
}

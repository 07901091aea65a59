//! Snapshots of the screen: `UPDATE_EXPECTED=1` writes them anew.

mod hostile;

use std::env;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui_core::backend::TestBackend;
use ratatui_core::buffer::Buffer;
use ratatui_core::terminal::Terminal;
use switchboard_client::conversations::{ConversationInfo, Gap, GapReason, Item, Record, RecordVerb, RoomInfo};
use switchboard_protocol::version2::Standing;

use super::*;
use crate::program::screen::event::{Event, NetworkEvent, OpenedConversation, Security, ServerInfo};
use crate::program::screen::moment::Moment;
use crate::program::screen::preferences::Preferences;
use crate::program::screen::terminal::ColorDepth;

/// 2026-11-30T10:00:00Z.
const NOON: u64 = 1_796_032_800_000;

/// Compares the screen of the chat with the snapshot of this name.
#[track_caller]
fn assert_screen(name: &str, app: &App) {
    assert_text(name, &screen(app));
}

#[track_caller]
fn assert_text(name: &str, shown: &str) {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/program/screen/view/snapshots").join(format!("{name}.txt"));
    if env::var_os("UPDATE_EXPECTED").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("a writable folder");
        fs::write(&path, shown).expect("a writable file");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(shown, expected, "{name} differs; UPDATE_EXPECTED=1 writes it anew. It shows:\n{shown}");
}

/// The characters of the screen, without white space at the ends of rows. `▏` shows the cursor.
fn screen(app: &App) -> String {
    let (columns, rows) = app.size;
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("a terminal in memory");
    terminal.draw(|frame| draw(app, Theme::new(ColorDepth::Ansi16), frame)).expect("memory");
    let cursor = terminal.backend().cursor_position();
    rows_of(terminal.backend().buffer(), Some(cursor.into()))
}

fn rows_of(buffer: &Buffer, cursor: Option<(u16, u16)>) -> String {
    let mut text = String::new();
    for y in 0..buffer.area.height {
        let mut row = String::new();
        let mut skip = 0;
        for x in 0..buffer.area.width {
            if cursor == Some((x, y)) {
                row.push('▏');
            }
            if skip > 0 {
                skip -= 1;
                continue;
            }
            let symbol = buffer[(x, y)].symbol();
            row.push_str(symbol);
            skip = ratatui_core::buffer::CellWidth::cell_width(symbol).saturating_sub(1);
        }
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

struct Scene {
    app: App,
    now: Moment,
}

impl Scene {
    fn new(columns: u16, rows: u16) -> Self {
        let now = Moment { unix_millis: NOON, uptime: Duration::from_mins(1) };
        Self { app: App::new(Preferences::default(), Vec::new(), (columns, rows), now), now }
    }

    /// Noy is in the room `#lab` with Elias and a guest.
    fn in_room(columns: u16, rows: u16) -> Self {
        let mut scene = Self::new(columns, rows);
        scene.network(NetworkEvent::Connected(server()));
        scene.network(NetworkEvent::RoundTrip(Duration::from_micros(1_250)));
        scene.network(NetworkEvent::Users(["Noy", "Elias", "Ada"].map(str::to_owned).into()));
        scene.network(NetworkEvent::Rooms(vec![
            RoomInfo { room: "#lab".to_owned(), members: 3, topic: "Wires and waves".to_owned() },
            RoomInfo { room: "#lounge".to_owned(), members: 1, topic: String::new() },
        ]));
        scene.network(NetworkEvent::Conversations(vec![
            info("#lab", 6, 4),
            info("Elias", 12, 9),
            info("#lounge", 3, 3),
        ]));
        scene.command("/join #lab");
        let items = vec![
            record(1, -90_000, "Noy", RecordVerb::Joined, ""),
            record(2, -89_000, "Noy", RecordVerb::Topic, "Wires and waves"),
            record(
                3,
                -600,
                "Elias",
                RecordVerb::From,
                "who has the adapter? I need it for the oscilloscope in room 4, and the other one is broken",
            ),
            record(4, -540, "Elias", RecordVerb::From, "anybody?"),
            record(5, -60, "Ada", RecordVerb::From, "Noy had it"),
            record(6, -30, "Noy", RecordVerb::From, "it is on the shelf: https://example.org/shelf"),
        ];
        scene.opened("#lab", items);
        let members = [("Noy", Standing::Owner), ("Elias", Standing::Member), ("Ada", Standing::Guest)];
        let members = members.map(|(name, standing)| (name.to_owned(), standing)).into();
        scene.network(NetworkEvent::Members { target: "#lab".to_owned(), members });
        scene
    }

    /// Gaps, and own messages in each state.
    fn show_marks(&mut self) {
        self.items(vec![
            gap(7, 7, GapReason::Hidden),
            gap(8, 19, GapReason::Expired),
            record(20, 60, "Elias", RecordVerb::From, "thanks, Noy"),
        ]);
        self.network(NetworkEvent::Readers { target: "#lab".to_owned(), seq: 6, names: vec!["Elias".to_owned()] });
        for text in ["one", "two", "three"] {
            self.command(text);
        }
        self.network(NetworkEvent::Said { local: 1, seq: 21 });
        let reason = "QUOTA_FULL: you have stored as much as you may today.".to_owned();
        self.network(NetworkEvent::NotSaid { local: 2, reason, is_unknown: false });
    }

    fn network(&mut self, event: NetworkEvent) {
        self.app.handle(Event::Network(event), self.now);
    }

    fn opened(&mut self, target: &str, items: Vec<Item>) {
        let last = items.len() as u64;
        let (asked, target) = (target.to_owned(), target.to_owned());
        self.network(NetworkEvent::Opened(OpenedConversation { asked, target, epoch: "e1".to_owned(), last, items }));
    }

    fn items(&mut self, items: Vec<Item>) {
        self.network(NetworkEvent::Items { target: "#lab".to_owned(), items });
    }

    fn key(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        self.app.handle(Event::Key(KeyEvent::new(code, modifiers)), self.now);
    }

    fn write(&mut self, text: &str) {
        text.chars().for_each(|c| self.key(KeyCode::Char(c), KeyModifiers::NONE));
    }

    fn command(&mut self, text: &str) {
        self.write(text);
        self.key(KeyCode::Enter, KeyModifiers::NONE);
    }
}

fn server() -> ServerInfo {
    ServerInfo {
        address: "127.0.0.1:12345".to_owned(),
        name: "Noy".to_owned(),
        device: Some("main".to_owned()),
        version: 2,
        is_durable: true,
        security: Security::Loopback,
    }
}

fn info(target: &str, last: u64, read: u64) -> ConversationInfo {
    ConversationInfo { target: target.to_owned(), epoch: "e1".to_owned(), first: 1, last, read }
}

/// A record, so many seconds after noon.
fn record(seq: u64, seconds: i64, author: &str, verb: RecordVerb, text: &str) -> Item {
    let by = match author {
        "Noy" => Some(1),
        "Elias" => Some(2),
        _ => None,
    };
    Item::Record(Record {
        verb,
        target: "#lab".to_owned(),
        seq,
        at_millis: NOON.saturating_add_signed(1_000 * seconds),
        by,
        n: None,
        redacted_by: None,
        author: author.to_owned(),
        text: text.to_owned(),
    })
}

fn gap(from: u64, to: u64, reason: GapReason) -> Item {
    Item::Gap(Gap { target: "#lab".to_owned(), from, to, reason })
}

#[test]
fn a_room_at_each_size() {
    for (columns, rows) in [(80, 24), (40, 12), (200, 50), (20, 8)] {
        assert_screen(&format!("room-{columns}x{rows}"), &Scene::in_room(columns, rows).app);
    }
}

#[test]
fn each_state_of_the_connection() {
    let mut scene = Scene::new(80, 10);
    assert_screen("connecting", &scene.app);
    scene.network(NetworkEvent::FirstContact { fingerprint: "AB:CD:EF".to_owned() });
    scene.network(NetworkEvent::Connected(ServerInfo { security: Security::NewKey, ..server() }));
    assert_screen("connected", &scene.app);
    let reason = "127.0.0.1:12345 has closed the connection".to_owned();
    scene.network(NetworkEvent::Lost { reason, retry_in: Duration::from_millis(3_500) });
    assert_screen("lost", &scene.app);
    scene.now.uptime += Duration::from_secs(2);
    scene.app.handle(Event::Tick, scene.now);
    assert_screen("lost-countdown", &scene.app);
    let (name, reason) = ("Noy".to_owned(), "NAME_TAKEN: somebody else has this name.".to_owned());
    scene.network(NetworkEvent::NameRefused { name, reason, needs_login: false });
    assert_screen("name-refused", &scene.app);
    scene.key(KeyCode::Char('c'), KeyModifiers::CONTROL);
    scene.network(NetworkEvent::Ended { reason: "DISPLACED: another program uses this device".to_owned() });
    assert_screen("ended", &scene.app);
    let mut scene = Scene::new(80, 10);
    let guest = ServerInfo { device: None, version: 1, security: Security::Plain, ..server() };
    scene.network(NetworkEvent::Connected(guest));
    assert_screen("connected-version-1", &scene.app);
}

#[test]
fn scripts_of_all_directions() {
    let texts = [
        "שלום עולם, יש 3 מתאמים (באמת!)",
        "hello שלום and back",
        "مرحبا بالعالم",
        "日本語のテキストは幅が二倍です",
        "👩‍👩‍👧‍👦 family, 🇮🇱 flag, e\u{301}a\u{308} marks, ❤️ heart",
        "\u{202e}reversed\u{202c} \u{1b}[31mred\u{7} \u{200b}zero",
    ];
    for columns in [80, 40] {
        let mut scene = Scene::in_room(columns, 30);
        scene.items(
            texts
                .iter()
                .zip(7..)
                .map(|(text, seq)| record(seq, seq.cast_signed(), "Elias", RecordVerb::From, text))
                .collect(),
        );
        scene.write("שלום Noy");
        assert_screen(&format!("scripts-{columns}"), &scene.app);
    }
}

#[test]
fn gaps_marks_and_own_messages() {
    let mut scene = Scene::in_room(80, 24);
    scene.show_marks();
    assert_screen("marks", &scene.app);
    scene.key(KeyCode::F(2), KeyModifiers::NONE);
    assert_screen("marks-wire", &scene.app);
}

#[test]
fn the_readme_shows_the_real_screen() {
    let readme =
        fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).expect("README.md");
    let mut scene = Scene::in_room(80, 24);
    scene.show_marks();
    let shown = format!("```text\n{}```", screen(&scene.app));
    assert!(readme.contains(&shown), "README.md lacks this screen:\n{shown}");
}

#[test]
fn what_lies_over_the_chat() {
    let mut scene = Scene::in_room(80, 24);
    scene.key(KeyCode::Char('k'), KeyModifiers::CONTROL);
    assert_screen("palette", &scene.app);
    scene.key(KeyCode::Esc, KeyModifiers::NONE);
    scene.key(KeyCode::Char('f'), KeyModifiers::CONTROL);
    scene.write("it");
    assert_screen("search-local", &scene.app);
    scene.key(KeyCode::Enter, KeyModifiers::NONE);
    let items = vec![record(3, -600, "Elias", RecordVerb::From, "who has it?")];
    let (target, words) = (Some("#lab".to_owned()), "it".to_owned());
    scene.network(NetworkEvent::Found { target, words, items, has_more: true });
    assert_screen("search-answered", &scene.app);
    scene.key(KeyCode::Esc, KeyModifiers::NONE);
    scene.key(KeyCode::F(1), KeyModifiers::NONE);
    assert_screen("help", &scene.app);
    scene.key(KeyCode::Esc, KeyModifiers::NONE);
    scene.command("/login");
    scene.write("hunter2");
    assert_screen("password", &scene.app);
}

#[test]
fn questions_hints_and_long_drafts() {
    let mut scene = Scene::in_room(80, 24);
    scene.app.handle(Event::Paste("one\ntwo\nthree\nfour".to_owned()), scene.now);
    assert_screen("draft", &scene.app);
    scene.key(KeyCode::Enter, KeyModifiers::NONE);
    assert_screen("question", &scene.app);
    scene.key(KeyCode::Esc, KeyModifiers::NONE);
    scene.key(KeyCode::Char('c'), KeyModifiers::CONTROL);
    scene.command("/jion");
    assert_screen("hint", &scene.app);
}

#[test]
fn a_flood_is_scrolled_through() {
    let mut scene = Scene::in_room(80, 12);
    let flood = |seqs: std::ops::RangeInclusive<u64>| {
        seqs.map(|seq| record(seq, 60, "Elias", RecordVerb::From, &format!("message {seq}"))).collect::<Vec<_>>()
    };
    scene.items(flood(7..=50_000));
    assert_screen("flood-end", &scene.app);
    for _ in 0..3 {
        scene.key(KeyCode::PageUp, KeyModifiers::NONE);
    }
    let above = screen(&scene.app);
    assert_text("flood-above", &above);
    // New messages do not move the view. They are counted.
    scene.items(flood(50_001..=50_003));
    let with_new = screen(&scene.app);
    let messages = |screen: &str| {
        screen.lines().take(10).map(|row| row.split_once('│').unwrap_or_default().1.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(messages(&with_new), messages(&above));
    assert!(with_new.contains("↓ 3 new, End"), "{with_new}");
    for _ in 0..3 {
        scene.key(KeyCode::PageDown, KeyModifiers::NONE);
    }
    scene.key(KeyCode::PageDown, KeyModifiers::NONE);
    assert!(screen(&scene.app).contains("message 50003"));
}

#[test]
fn every_row_is_reached_by_scrolling_and_the_first_one_stays_at_the_top() {
    let mut scene = Scene::in_room(60, 9);
    let mut seen = String::new();
    for _ in 0..60 {
        seen.push_str(&screen(&scene.app));
        scene.key(KeyCode::Up, KeyModifiers::CONTROL);
    }
    for words in ["Noy joined", "who has the adapter?", "broken", "anybody?", "Noy had it", "on the shelf"] {
        assert!(seen.contains(words), "{words}");
    }
    let top = screen(&scene.app);
    assert!(top.lines().nth(1).is_some_and(|row| row.contains("Sunday, 29 November 2026")), "{top}");
    for _ in 0..60 {
        scene.key(KeyCode::Down, KeyModifiers::CONTROL);
    }
    assert!(screen(&scene.app).contains("on the shelf"));
}

#[test]
fn no_size_is_too_small() {
    for columns in 1..=30 {
        for rows in 1..=12 {
            let mut scene = Scene::in_room(columns, rows);
            scene.write("a draft that is longer than a row");
            screen(&scene.app);
            scene.key(KeyCode::PageUp, KeyModifiers::NONE);
            for key in [KeyCode::F(1), KeyCode::Esc, KeyCode::F(3)] {
                scene.key(key, KeyModifiers::NONE);
                screen(&scene.app);
            }
        }
    }
}

#[test]
fn the_start_screen_offers_servers_and_asks_for_a_name() {
    use crate::program::screen::event::{DiscoveryEvent, FoundServer};
    use crate::program::screen::server_list::KnownServer;
    use crate::program::screen::start::StartScreen;

    let shown = |start: &StartScreen, rows: u16| {
        let mut terminal = Terminal::new(TestBackend::new(80, rows)).expect("a terminal in memory");
        terminal.draw(|frame| draw_start(start, Theme::new(ColorDepth::None), true, frame)).expect("memory");
        let cursor = terminal.backend().cursor_position();
        rows_of(terminal.backend().buffer(), Some(cursor.into()))
    };
    let known = ["chat.example:12345", "10.0.0.7:12345"].map(|addr| KnownServer { addr: addr.to_owned(), name: None });
    let mut start = StartScreen::new(known.into(), None);
    start.discovery(DiscoveryEvent::ThisMachine { answers: false });
    for n in 1..=9 {
        let addr = format!("switchboard://192.0.2.{n}:12346");
        start.discovery(DiscoveryEvent::Found(FoundServer { id: n.to_string(), name: format!("school {n}"), addr }));
    }
    assert_text("start", &shown(&start, 24));
    for _ in 0..9 {
        start.key(KeyEvent::new(KeyCode::Down, KeyModifiers::NONE));
    }
    assert_text("start-scrolled", &shown(&start, 12));
    start.key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE));
    start.paste("two words");
    start.key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE));
    assert_text("start-name", &shown(&start, 12));
}

//! A hostile server: whatever it sends, no control character reaches the terminal, and the memory is bounded.

use std::env;

use fastrand::Rng;
use switchboard_client::conversations::GapReason;
use switchboard_protocol::is_display_control;

use super::*;
use crate::program::screen::app::{CONVERSATIONS_MAX, USERS_MAX};
use crate::program::screen::timeline::{ENTRIES_MAX, TEXT_BYTES_MAX};

/// The lines of a run, unless the variable says another number: a few seconds. `cargo xtask soak client` runs millions.
const LINES: u64 = 130_000;

/// The environment variable with the number of lines.
const LINES_VARIABLE: &str = "SWITCHBOARD_HOSTILE_LINES";

/// The events between two frames.
const EVENTS_A_FRAME: u64 = 200;

/// The lines of one chat. Then the next chat begins.
const LINES_A_CHAT: u64 = 2_000_000;

/// Parts of hostile texts.
const PARTS: &[&str] = &[
    "hi",
    "Noy",
    "שלום",
    "مرحبا",
    "日本",
    "👩‍👩‍👧‍👦",
    "🇮🇱",
    "e\u{301}",
    "\u{301}",
    "\u{200d}",
    "\u{fe0f}",
    "\u{1b}[2J",
    "\u{1b}]0;x\u{7}",
    "\u{9b}31m",
    "\u{90}q",
    "\r",
    "\n",
    "\t",
    "\u{8}",
    "\u{7f}",
    "\0",
    "\u{202e}",
    "\u{2066}",
    "\u{2028}",
    "\u{feff}",
    "\u{200b}",
    "\u{ad}",
    "\u{e0001}",
    "\u{10ffff}",
    " ",
    "#lab",
    "@7",
    "/quit",
    "│",
    "> ",
];

fn text(rng: &mut Rng) -> String {
    match rng.u8(..) {
        // Far longer than the longest text of the protocol.
        0 => PARTS[rng.usize(..PARTS.len())].repeat(rng.usize(..4_000)),
        1 => (0..rng.usize(..300)).map(|_| rng.char(..)).collect(),
        _ => (0..rng.usize(..6)).map(|_| PARTS[rng.usize(..PARTS.len())]).collect(),
    }
}

/// A name from a small set, so that the events meet the same conversations again.
fn target(rng: &mut Rng) -> String {
    match rng.u8(..8) {
        0..4 => "#lab".to_owned(),
        4 => "Elias".to_owned(),
        5 => format!("@{}", rng.u8(..)),
        6 => format!("#{}", PARTS[rng.usize(..PARTS.len())]),
        _ => text(rng),
    }
}

fn seq(rng: &mut Rng) -> u64 {
    match rng.u8(..16) {
        0 => rng.u64(..),
        1 => 0,
        2 => i64::MAX as u64,
        _ => rng.u64(..200_000),
    }
}

fn item(rng: &mut Rng) -> Item {
    if rng.u8(..) < 16 {
        let reason = [GapReason::Expired, GapReason::Hidden, GapReason::Lost][rng.usize(..3)];
        let target = target(rng);
        return Item::Gap(Gap { target, from: seq(rng), to: seq(rng), reason });
    }
    let verbs = [
        RecordVerb::From,
        RecordVerb::From,
        RecordVerb::From,
        RecordVerb::Joined,
        RecordVerb::Topic,
        RecordVerb::Redacted,
        RecordVerb::Kicked,
        RecordVerb::Set,
    ];
    Item::Record(Record {
        verb: verbs[rng.usize(..verbs.len())],
        target: target(rng),
        seq: seq(rng),
        at_millis: if rng.u8(..) == 0 { rng.u64(..) } else { NOON + rng.u64(..1_000_000_000) },
        by: rng.bool().then(|| seq(rng)),
        n: rng.bool().then(|| seq(rng)),
        redacted_by: (rng.u8(..) == 0).then(|| seq(rng)),
        author: text(rng),
        text: text(rng),
    })
}

/// The lines of the server that an event stands for: at least one, and one for each record, name or member in it.
fn lines_of(event: &NetworkEvent) -> u64 {
    let in_lists = match event {
        NetworkEvent::Opened(opened) => opened.items.len(),
        NetworkEvent::Older { items, .. } | NetworkEvent::Items { items, .. } => items.len(),
        // Names stand in one line, and each member and each room in a line of its own.
        NetworkEvent::Members { members, .. } => members.len(),
        NetworkEvent::Rooms(rooms) => rooms.len(),
        _ => 0,
    };
    u64::try_from(in_lists).unwrap_or(u64::MAX).max(1)
}

/// One event of the network: one line of the server, or several.
fn event(rng: &mut Rng) -> NetworkEvent {
    let items = |rng: &mut Rng| (0..rng.usize(..20)).map(|_| item(rng)).collect::<Vec<_>>();
    let names = |rng: &mut Rng| (0..rng.usize(..10)).map(|_| text(rng)).collect::<Vec<_>>();
    match rng.u8(..20) {
        0 => NetworkEvent::Opened(OpenedConversation {
            asked: target(rng),
            target: target(rng),
            epoch: text(rng),
            last: seq(rng),
            items: items(rng),
        }),
        1 => NetworkEvent::Older { target: target(rng), before: seq(rng), items: items(rng) },
        2 => NetworkEvent::Said { local: rng.u64(..20), seq: seq(rng) },
        3 => NetworkEvent::NotSaid { local: rng.u64(..20), reason: text(rng), is_unknown: rng.bool() },
        4 => NetworkEvent::ReadMoved { target: target(rng), seq: seq(rng) },
        5 => {
            let members = (0..rng.usize(..30)).map(|_| (text(rng), Standing::Guest)).collect();
            NetworkEvent::Members { target: target(rng), members }
        }
        6 => NetworkEvent::Readers { target: target(rng), seq: seq(rng), names: names(rng) },
        7 => NetworkEvent::Rooms(vec![RoomInfo { room: target(rng), members: seq(rng), topic: text(rng) }]),
        8 => NetworkEvent::Users(names(rng)),
        9 if rng.bool() => NetworkEvent::Notice(text(rng)),
        9 => NetworkEvent::Came(text(rng)),
        10 => NetworkEvent::ChatBegan { name: text(rng), is_incoming: rng.bool() },
        11 => NetworkEvent::ChatMessage { name: text(rng), text: text(rng) },
        12 => NetworkEvent::ChatEnded { by_peer: rng.bool() },
        13 => NetworkEvent::Refused { request: text(rng), reason: text(rng) },
        14 if rng.bool() => NetworkEvent::NoAccount { target: target(rng), reason: text(rng) },
        14 => NetworkEvent::Closed { target: target(rng), reason: text(rng) },
        15 => NetworkEvent::Lost { reason: text(rng), retry_in: Duration::from_secs(rng.u64(..100)) },
        16 => {
            let (target, epoch) = (target(rng), text(rng));
            NetworkEvent::Conversation(ConversationInfo {
                target,
                epoch,
                first: seq(rng),
                last: seq(rng),
                read: seq(rng),
            })
        }
        17 => NetworkEvent::Connected(ServerInfo { name: text(rng), address: text(rng), ..server() }),
        _ => NetworkEvent::Items { target: target(rng), items: items(rng) },
    }
}

fn key(rng: &mut Rng) -> KeyEvent {
    let codes = [
        KeyCode::PageUp,
        KeyCode::PageDown,
        KeyCode::Tab,
        KeyCode::Enter,
        KeyCode::Esc,
        KeyCode::F(2),
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::Home,
        KeyCode::Char('a'),
        KeyCode::Char('/'),
        KeyCode::Char('k'),
    ];
    let modifiers = [KeyModifiers::NONE, KeyModifiers::ALT, KeyModifiers::CONTROL][rng.usize(..3)];
    KeyEvent::new(codes[rng.usize(..codes.len())], modifiers)
}

#[test]
fn nothing_of_a_hostile_server_reaches_the_terminal_raw() {
    let lines = env::var(LINES_VARIABLE).ok().and_then(|lines| lines.parse().ok()).unwrap_or(LINES);
    let mut rng = Rng::with_seed(19);
    let (mut done, mut events) = (0, 0_u64);
    while done < lines {
        let size = [(80, 24), (40, 12), (120, 40), (13, 5)][rng.usize(..4)];
        let mut scene = Scene::in_room(size.0, size.1);
        let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).expect("a terminal in memory");
        let end = lines.min(done + LINES_A_CHAT);
        while done < end {
            let event = event(&mut rng);
            done += lines_of(&event);
            events += 1;
            scene.network(event);
            if rng.u8(..) < 8 {
                scene.app.handle(Event::Key(key(&mut rng)), scene.now);
            }
            if events % EVENTS_A_FRAME == 0 {
                scene.now.uptime += Duration::from_secs(1);
                scene.app.handle(Event::Tick, scene.now);
                terminal.draw(|frame| draw(&scene.app, Theme::new(ColorDepth::Ansi16), frame)).expect("memory");
                for cell in terminal.backend().buffer().content() {
                    let symbol = cell.symbol();
                    assert!(!symbol.chars().any(is_display_control), "{symbol:?} is on the screen");
                }
            }
        }
        let timelines = scene.app.conversations.values().map(|conversation| &conversation.timeline);
        for timeline in timelines {
            assert!(timeline.len() <= ENTRIES_MAX && timeline.text_bytes() <= TEXT_BYTES_MAX);
        }
        assert!(scene.app.conversations.len() <= CONVERSATIONS_MAX);
        assert!(scene.app.users.len() <= USERS_MAX);
    }
    println!("{done} lines in {events} events");
}

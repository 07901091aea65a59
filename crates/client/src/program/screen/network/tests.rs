//! The network against a fake server: requests in, events out.

mod connection;
mod version1;
mod version2;

use std::fmt::Write as _;

use switchboard_client::conversations::{Item, Secret};
use tempfile::TempDir;
use tokio::time::timeout;

use super::super::conversation_id::ConversationId;
use super::*;
use crate::fake_server::{FakeConnection, FakeServer, TEST_TIMEOUT, run_local};

/// The beginning of a guest's session.
const GUEST: &str = "
    < WELCOME
    > HELLO 2
    < HELLO_OK 2 switchboard
    > REGISTER Noy
    < REGISTER_OK Noy
    > WATCH
    < WATCH_OK
    > WHO
    < USERS Noy,Elias
    > PING
    < PONG\n";

/// The events of this beginning.
const GUEST_EVENTS: [&str; 3] = ["Connecting", "Connected Noy guest version 2", "Users Noy Elias"];

/// The beginning of an account's session.
const ACCOUNT: &str = "
    < WELCOME
    > HELLO 2
    < HELLO_OK 2 switchboard durable
    > LOGIN Noy main token t0k\n";

/// The requests after the login of an account.
const ACCOUNT_LISTS: &str = "
    > WATCH
    < WATCH_OK
    > CONVERSATIONS
    < CONVERSATION #lab e1 1 9 4
    < CONVERSATIONS_OK 1
    > WHO
    < USERS Noy
    > PING
    < PONG\n";

/// The events of this beginning.
const ACCOUNT_EVENTS: [&str; 4] =
    ["Connecting", "Connected Noy main version 2 durable", "Conversations #lab 9 4", "Users Noy"];

/// The network under test, and the directory with its files.
struct Chat {
    network: Network,
    state: TempDir,
}

impl Chat {
    fn start(server: &FakeServer) -> Self {
        Self::start_in(tempfile::tempdir().expect("a directory"), server, |_| {})
    }

    fn start_in(state: TempDir, server: &FakeServer, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            addr: server.addr.to_string(),
            name: "Noy".to_owned(),
            device: None,
            limit: TEST_TIMEOUT,
            liveness: Liveness::default(),
            reconnects: true,
            state: Some(state.path().to_owned()),
        };
        change(&mut settings);
        Self { network: Network::start(settings), state }
    }

    fn request(&self, request: Request) {
        self.network.requests.try_send(request).expect("the network takes requests");
    }

    /// Expects events, besides round trips.
    async fn expect(&mut self, events: impl IntoIterator<Item = impl AsRef<str>>) {
        for expected in events {
            let actual = self.next().await;
            match expected.as_ref().strip_suffix('…') {
                Some(start) => assert!(actual.starts_with(start), "{actual:?} does not begin with {start:?}"),
                None => assert_eq!(actual, expected.as_ref()),
            }
        }
    }

    /// Expects items of the room, in any number of events.
    async fn expect_items(&mut self, expected: &str) {
        let mut actual = String::new();
        while actual.len() < expected.len() {
            let event = self.next().await;
            let items = event.strip_prefix("Items #lab:").unwrap_or_else(|| panic!("{event:?} has no items"));
            actual.push_str(if actual.is_empty() { items.trim_start() } else { items });
        }
        assert_eq!(actual, expected);
    }

    /// The next event that is no round trip, as a text.
    async fn next(&mut self) -> String {
        loop {
            let event = timeout(TEST_TIMEOUT, self.network.events.next()).await.expect("an event in time");
            match event.expect("the network goes on") {
                NetworkEvent::RoundTrip(_) => {}
                event => return describe(event),
            }
        }
    }

    /// Ends the network. No further event comes.
    async fn close(self) -> TempDir {
        let Network { requests, mut events, task } = self.network;
        drop(requests);
        let closing = async {
            while let Some(event) = events.next().await {
                assert!(matches!(event, NetworkEvent::RoundTrip(_)), "{}", describe(event));
            }
            task.await.expect("no panic");
        };
        timeout(TEST_TIMEOUT, closing).await.expect("the network ends in time");
        self.state
    }
}

/// A directory in which the device `main` of Noy has a token.
fn logged_in(server: &FakeServer) -> TempDir {
    let state = tempfile::tempdir().expect("a directory");
    files(&state, server).store_token(&Secret::new("t0k")).expect("room on the disk");
    state
}

fn files(state: &TempDir, server: &FakeServer) -> crate::program::account_files::AccountFiles {
    let addr = server.addr.to_string();
    crate::program::account_files::AccountFiles::in_state(Some(state.path()), &addr, "Noy", "main")
        .expect("valid names")
}

/// A record on the wire.
fn record(seq: u64, rest: &str) -> String {
    format!("@in=#lab;seq={seq};at=2026-11-28T22:10:37.123Z;by=7 {rest}\n")
}

fn open(target: &str, joins: bool) -> Request {
    Request::Open { target: target.to_owned(), joins }
}

fn say(text: &str, local: u64) -> Request {
    Request::Say { target: "#lab".to_owned(), text: text.to_owned(), local }
}

fn say_in_chat(name: &str, text: &str, local: u64) -> Request {
    Request::SayInChat { name: name.to_owned(), text: text.to_owned(), local }
}

fn line(line: &str) -> Request {
    Request::Line { line: line.to_owned(), shown_in: ConversationId::Server }
}

/// An event as a short text.
fn describe(event: NetworkEvent) -> String {
    match event {
        NetworkEvent::Connecting => "Connecting".to_owned(),
        NetworkEvent::FirstContact { fingerprint } => format!("FirstContact {fingerprint}"),
        NetworkEvent::Connected(info) => {
            let who = info.device.as_deref().unwrap_or("guest");
            let durable = if info.is_durable { " durable" } else { "" };
            format!("Connected {} {who} version {}{durable}", info.name, info.version)
        }
        NetworkEvent::Lost { reason, .. } => format!("Lost {reason}"),
        NetworkEvent::Ended { reason } => format!("Ended {reason}"),
        NetworkEvent::NameRefused { name, reason, needs_login: true } => format!("LoginNeeded {name} {reason}"),
        NetworkEvent::NameRefused { name, reason, .. } => format!("NameRefused {name} {reason}"),
        NetworkEvent::PasswordRefused { name, reason } => format!("PasswordRefused {name} {reason}"),
        NetworkEvent::RoundTrip(_) => "RoundTrip".to_owned(),
        NetworkEvent::Conversations(list) => list.iter().fold("Conversations".to_owned(), |text, info| {
            format!("{text} {} {} {}", info.target, info.last, info.read)
        }),
        NetworkEvent::Conversation(info) => format!("Conversation {} {} {}", info.target, info.last, info.read),
        NetworkEvent::Opened(opened) => {
            format!("Opened {} {} {}:{}", opened.target, opened.epoch, opened.last, items(&opened.items))
        }
        NetworkEvent::Closed { target, reason } => format!("Closed {target} {reason}"),
        NetworkEvent::NoAccount { target, reason } => format!("NoAccount {target} {reason}"),
        NetworkEvent::Items { target, items: list } => format!("Items {target}:{}", items(&list)),
        NetworkEvent::Older { target, before, items: list } => format!("Older {target} {before}:{}", items(&list)),
        NetworkEvent::Said { local, seq } => format!("Said {local} {seq}"),
        NetworkEvent::NotSaid { local, reason, is_unknown } => {
            format!("NotSaid {local}{} {reason}", if is_unknown { " unknown" } else { "" })
        }
        NetworkEvent::Unanswered(list) => list
            .iter()
            .fold("Unanswered".to_owned(), |text, message| format!("{text} {}:{}", message.target, message.text)),
        NetworkEvent::UnansweredDone => "UnansweredDone".to_owned(),
        NetworkEvent::ReadMoved { target, seq } => format!("ReadMoved {target} {seq}"),
        NetworkEvent::Members { target, members } => members
            .iter()
            .fold(format!("Members {target}"), |text, (name, standing)| format!("{text} {name}:{}", standing.as_str())),
        NetworkEvent::Readers { target, seq, names } => format!("Readers {target} {seq} {}", names.join(" ")),
        NetworkEvent::Found { words, items: list, has_more, .. } => {
            format!("Found {words} {has_more}:{}", items(&list))
        }
        NetworkEvent::Rooms(rooms) => rooms.iter().fold("Rooms".to_owned(), |text, room| text + " " + &room.room),
        NetworkEvent::Users(names) => format!("Users {}", names.join(" ")),
        NetworkEvent::Came(name) => format!("Came {name}"),
        NetworkEvent::Gone(name) => format!("Gone {name}"),
        NetworkEvent::Notice(text) => format!("Notice {text}"),
        NetworkEvent::ChatBegan { name, is_incoming } => format!("ChatBegan {name} {is_incoming}"),
        NetworkEvent::ChatMessage { name, text } => format!("ChatMessage {name}: {text}"),
        NetworkEvent::ChatEnded { by_peer } => format!("ChatEnded {by_peer}"),
        NetworkEvent::Invited { room, by } => format!("Invited {room} {by}"),
        NetworkEvent::Answer { lines, .. } => format!("Answer {}", lines.join("|")),
        NetworkEvent::Refused { request, reason } => format!("Refused {request}: {reason}"),
        NetworkEvent::Missed { count } => format!("Missed {count}"),
        NetworkEvent::TokenNotStored { reason } => format!("TokenNotStored {reason}"),
    }
}

fn items(items: &[Item]) -> String {
    let mut text = String::new();
    for item in items {
        let written = match item {
            Item::Record(record) => write!(text, " {} {}", record.seq, record.to_display_text()),
            Item::Gap(gap) => write!(text, " gap {} {}", gap.from, gap.to),
            Item::Live(live) => write!(text, " live {}", live.last),
            other => write!(text, " {other:?}"),
        };
        written.expect("a String takes everything");
    }
    text
}

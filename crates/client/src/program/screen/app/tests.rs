//! The chat as dialogues: what the user types, what the network says, and what the chat asks for.

mod conversations;
mod logging_in;
mod sending;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use switchboard_client::conversations::{ConversationInfo, Item, Record, RecordVerb};

use super::super::conversation::OutgoingState;
use super::super::event::{Effect, Event, NetworkEvent, OpenedConversation, Request, Security, ServerInfo};
use super::super::timeline::Content;
use super::*;

/// A chat under test.
struct Chat {
    app: App,
    /// What the chat has asked for since the last question.
    effects: Vec<Effect>,
    now: Moment,
}

impl Chat {
    /// Noy, who has an account, is connected.
    fn of_account() -> Self {
        Self::connected(Some("main"), 2)
    }

    /// Noy, a guest, is connected to a server of this version.
    fn of_guest(version: u8) -> Self {
        Self::connected(None, version)
    }

    fn connected(device: Option<&str>, version: u8) -> Self {
        let now = Moment { unix_millis: 1_796_000_000_000, uptime: Duration::from_secs(1) };
        let app = App::new(Preferences::default(), Vec::new(), (80, 24), now);
        let mut chat = Self { app, effects: Vec::new(), now };
        chat.network(NetworkEvent::Connected(ServerInfo {
            address: "127.0.0.1:12345".to_owned(),
            name: "Noy".to_owned(),
            device: device.map(str::to_owned),
            version,
            is_durable: true,
            security: Security::Loopback,
        }));
        chat.effects.clear();
        chat
    }

    fn event(&mut self, event: Event) {
        self.effects.extend(self.app.handle(event, self.now));
    }

    fn network(&mut self, event: NetworkEvent) {
        self.event(Event::Network(event));
    }

    fn key(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        self.event(Event::Key(KeyEvent::new(code, modifiers)));
    }

    /// Types a text, without Enter.
    fn write(&mut self, text: &str) {
        text.chars().for_each(|c| self.key(KeyCode::Char(c), KeyModifiers::NONE));
    }

    /// Types a line and Enter.
    fn type_line(&mut self, text: &str) {
        self.write(text);
        self.enter();
    }

    fn enter(&mut self) {
        self.key(KeyCode::Enter, KeyModifiers::NONE);
    }

    fn paste(&mut self, text: &str) {
        self.event(Event::Paste(text.to_owned()));
    }

    /// Time passes.
    fn wait(&mut self, time: Duration) {
        self.now.uptime += time;
        self.event(Event::Tick);
    }

    /// The requests since the last call, in the words of the protocol.
    fn requests(&mut self) -> Vec<String> {
        std::mem::take(&mut self.effects).into_iter().filter_map(|effect| request_words(&effect)).collect()
    }

    /// Opens a conversation with these records, as the server does.
    fn opened(&mut self, target: &str, last: u64, items: Vec<Item>) {
        self.network(NetworkEvent::Opened(OpenedConversation {
            asked: target.to_owned(),
            target: target.to_owned(),
            epoch: "e1".to_owned(),
            last,
            items,
        }));
        self.effects.clear();
    }

    fn items(&mut self, target: &str, items: Vec<Item>) {
        self.network(NetworkEvent::Items { target: target.to_owned(), items });
    }

    /// The entries of the current conversation, and its messages on their way.
    fn shown(&self) -> Vec<String> {
        let conversation = self.app.current();
        let entries = conversation.timeline.iter().filter_map(|(_, entry)| match &entry.content {
            Content::Message(message) => Some(format!("{}: {}", message.author, message.text)),
            Content::Happening { verb, author, .. } => Some(format!("{} {author}", verb.as_str())),
            Content::Gap { from, to, .. } => Some(format!("gap {from}-{to}")),
            Content::Hole { from, to } => Some(format!("hole {from}-{to}")),
            Content::Notice { .. } => None,
        });
        let outgoing = conversation.outgoing.iter().map(|outgoing| {
            let state = match &outgoing.state {
                OutgoingState::Waiting => "waiting",
                OutgoingState::Stored(_) => "stored",
                OutgoingState::Refused(_) => "refused",
                OutgoingState::Unknown(_) => "unknown",
            };
            format!("[{state}] {}", outgoing.text)
        });
        entries.chain(outgoing).collect()
    }

    /// The last sentence of the program in the current conversation.
    fn last_notice(&self) -> String {
        let mut entries = self.app.current().timeline.iter().rev();
        let notice = entries.find_map(|(_, entry)| match &entry.content {
            Content::Notice { text, .. } => Some(text.to_string()),
            _ => None,
        });
        notice.expect("a notice")
    }

    fn draft(&self) -> &str {
        self.app.current().draft.composer.text()
    }

    fn question(&self) -> &str {
        self.app.question.as_ref().map_or("", |question| &question.text)
    }
}

/// A request in the words of the protocol. `None` for other effects.
fn request_words(effect: &Effect) -> Option<String> {
    let Effect::Request(request) = effect else { return None };
    Some(match request {
        Request::Open { target, joins: true } => format!("JOIN {target}, OPEN {target}"),
        Request::Open { target, .. } => format!("OPEN {target}"),
        Request::Close { target } => format!("CLOSE {target}"),
        Request::Older { target, before, .. } => format!("HISTORY {target} {before}"),
        Request::Say { target, text, .. } => format!("SAY {target} {text}"),
        Request::Read { target, seq } => format!("READ {target} {seq}"),
        Request::Members { target } => format!("MEMBERS {target}"),
        Request::Readers { target, seq } => format!("READERS {target} {seq}"),
        Request::Search { target, words } => format!("SEARCH {} {words}", target.as_deref().unwrap_or("*")),
        Request::Rooms => "ROOMS".to_owned(),
        Request::Who => "WHO".to_owned(),
        Request::Leave { target } => format!("LEAVE {target}"),
        Request::BeginChat { name } => format!("CONNECT {name}"),
        Request::SayInChat { text, .. } => format!("MSG {text}"),
        Request::EndChat => "DISCONNECT".to_owned(),
        Request::Line { line, .. } => format!("line {line}"),
        Request::LogIn { name, .. } => format!("LOGIN {name}"),
        Request::Claim { .. } => "CLAIM".to_owned(),
        Request::Rename { name } => format!("REGISTER {name}"),
        Request::ConnectNow => "connect now".to_owned(),
    })
}

/// A message of Elias, whose account is 2.
fn message(seq: u64, text: &str) -> Item {
    record(seq, "Elias", Some(2), None, text)
}

/// A message of Noy, whose account is 1, from this device.
fn own_message(seq: u64, text: &str) -> Item {
    record(seq, "Noy", Some(1), Some(seq), text)
}

fn record(seq: u64, author: &str, by: Option<u64>, n: Option<u64>, text: &str) -> Item {
    Item::Record(Record {
        verb: RecordVerb::From,
        target: String::new(),
        seq,
        at_millis: 1_796_000_000_000 + seq,
        by,
        n,
        redacted_by: None,
        author: author.to_owned(),
        text: text.to_owned(),
    })
}

fn info(target: &str, last: u64, read: u64) -> ConversationInfo {
    ConversationInfo { target: target.to_owned(), epoch: "e1".to_owned(), first: 1, last, read }
}

//! What happens to the chat, and what the chat wants done: events in, effects out.

use std::time::Duration;

use crossterm::event::KeyEvent;
use switchboard_client::conversations::{ConversationInfo, Item, RoomInfo, Secret, UnansweredMessage};
use switchboard_protocol::version2::Standing;

use super::conversation_id::ConversationId;

/// One event.
#[derive(Debug)]
pub(crate) enum Event {
    /// A key was pressed.
    Key(KeyEvent),
    /// Text was pasted. Its line ends are LF.
    Paste(String),
    /// The terminal has this size, in cells.
    Resized { columns: u16, rows: u16 },
    /// The terminal has got or lost the focus.
    Focus(bool),
    /// The network has news.
    Network(NetworkEvent),
    /// Something that the chat wanted done has failed. The text is sanitized.
    Problem(String),
    /// Time has passed. Comes at least once a second.
    Tick,
}

/// The number that the chat gives to a message, until the server has numbered its record.
pub(crate) type LocalId = u64;

/// Something that the chat wants done.
#[derive(Debug)]
pub(crate) enum Effect {
    /// A request to the network.
    Request(Request),
    /// Rings the bell.
    Bell,
    /// Shows a notification on the desktop, if the terminal can.
    Notify { title: String, body: String },
    /// Appends a line of a conversation to its log file, if the user wants logs. The line is sanitized.
    Log { conversation: ConversationId, line: String },
    /// Adds a typed command to the history file.
    RememberCommand(String),
    /// Remembers this server for the next start, with the name of the user.
    RememberServer { name: String },
    /// Draws the whole screen anew.
    Redraw,
    /// Stops the program until the shell continues it.
    Suspend,
    /// Ends the program.
    Quit,
}

/// A request to the network. The answer is one or more [`NetworkEvent`]s.
///
/// A target is a word of the protocol: the name of a room or account, or `@` and an account's id.
#[derive(Debug)]
pub(crate) enum Request {
    /// Opens a conversation and reads its last records: [`NetworkEvent::Opened`]. `joins`: becomes a member of the room
    /// first, if the room admits it.
    Open { target: String, joins: bool },
    /// Closes a conversation. No answer.
    Close { target: String },
    /// Reads at most `count` records before the number `before`: [`NetworkEvent::Older`].
    Older { target: String, before: u64, count: u64 },
    /// Says a text in a conversation: [`NetworkEvent::Said`] or [`NetworkEvent::NotSaid`].
    Say { target: String, text: String, local: LocalId },
    /// Moves the read marker of the account. No answer.
    Read { target: String, seq: u64 },
    /// Lists the members of a room: [`NetworkEvent::Members`].
    Members { target: String },
    /// Asks which accounts have read a record: [`NetworkEvent::Readers`].
    Readers { target: String, seq: u64 },
    /// Searches one conversation, or all of them: [`NetworkEvent::Found`].
    Search { target: Option<String>, words: String },
    /// Lists the rooms: [`NetworkEvent::Rooms`].
    Rooms,
    /// Lists the connected users: [`NetworkEvent::Users`].
    Who,
    /// Leaves a room: [`NetworkEvent::Closed`].
    Leave { target: String },
    /// Opens a chat of version 1 (`CONNECT`): [`NetworkEvent::ChatBegan`].
    BeginChat { name: String },
    /// Says a text in the chat (`MSG`), if the chat is still with the user `name`: [`NetworkEvent::Said`] or
    /// [`NetworkEvent::NotSaid`].
    SayInChat { name: String, text: String, local: LocalId },
    /// Ends the chat (`DISCONNECT`): [`NetworkEvent::ChatEnded`].
    EndChat,
    /// Sends any line of the protocol: [`NetworkEvent::Answer`] for the conversation `shown_in`.
    Line { line: String, shown_in: ConversationId },
    /// Begins a session as a device of an account, in the place of this session: [`NetworkEvent::Connected`].
    LogIn { name: String, password: Secret },
    /// Turns the guest's name into an account: [`NetworkEvent::Connected`].
    Claim { password: Secret },
    /// Begins a session as a guest of this name, in the place of this session.
    Rename { name: String },
    /// Tries to connect now instead of later.
    ConnectNow,
}

/// News of the network. Names and texts are unchecked.
#[derive(Debug)]
pub(crate) enum NetworkEvent {
    /// An attempt to connect has begun.
    Connecting,
    /// This user meets the server for the first time, and no authority vouches for its certificate, which has this
    /// fingerprint. Comes before the first [`NetworkEvent::Connected`].
    FirstContact { fingerprint: String },
    /// The session is logged in, for the first time or again. If the user is another one than before, no conversation is
    /// open.
    Connected(ServerInfo),
    /// The connection is lost, or an attempt to connect has failed. The next attempt begins after the delay.
    Lost { reason: String, retry_in: Duration },
    /// The session has ended, and the network does not try again by itself.
    Ended { reason: String },
    /// The name is taken or not valid, or the login has failed: the user must choose again. There is no session. If
    /// another session goes on, the request is [`NetworkEvent::Refused`] or [`NetworkEvent::PasswordRefused`] instead.
    /// `needs_login`: the user wants the account `name`, and must prove it.
    NameRefused { name: String, reason: String, needs_login: bool },
    /// The password of [`Request::LogIn`] is wrong. The present session goes on.
    PasswordRefused { name: String, reason: String },
    /// A round trip to the server.
    RoundTrip(Duration),
    /// The conversations of the account. Comes after each [`NetworkEvent::Connected`] of an account.
    Conversations(Vec<ConversationInfo>),
    /// A conversation that is not open has new records, or a new epoch.
    Conversation(ConversationInfo),
    /// A conversation is open. Its later records follow as [`NetworkEvent::Items`].
    Opened(OpenedConversation),
    /// A conversation could not be opened, or is not open any more.
    Closed { target: String, reason: String },
    /// A direct conversation could not be opened: no account has this name. A guest may have it.
    NoAccount { target: String, reason: String },
    /// Records and gaps of an open conversation, in order.
    Items { target: String, items: Vec<Item> },
    /// The records before the number `before`, oldest first. Empty: there are none.
    Older { target: String, before: u64, items: Vec<Item> },
    /// The server has stored a message: its record has the number `seq`. In a chat of version 1, `seq` is 0: the message
    /// is on its way to the peer, and stored nowhere.
    Said { local: LocalId, seq: u64 },
    /// A message was not stored, or nobody knows whether it was (`is_unknown`).
    NotSaid { local: LocalId, reason: String, is_unknown: bool },
    /// Messages of an earlier run of the program that the server has not answered yet. They are sent again.
    Unanswered(Vec<UnansweredMessage>),
    /// The server has answered all messages of an earlier run.
    UnansweredDone,
    /// Another device of the account has moved the read marker.
    ReadMoved { target: String, seq: u64 },
    /// The members of a room, each with its standing.
    Members { target: String, members: Vec<(String, Standing)> },
    /// The accounts that have read a record.
    Readers { target: String, seq: u64, names: Vec<String> },
    /// The answer to a search, newest first. `has_more`: the search ended at a bound.
    Found { target: Option<String>, words: String, items: Vec<Item>, has_more: bool },
    /// The rooms of the server.
    Rooms(Vec<RoomInfo>),
    /// The connected users.
    Users(Vec<String>),
    /// Users that have come since the list.
    Came(String),
    /// Users that have gone since the list.
    Gone(String),
    /// The server tells the person something.
    Notice(String),
    /// A chat of version 1 has begun.
    ChatBegan { name: String, is_incoming: bool },
    /// A message of a chat of version 1, or of a user of the line dialect.
    ChatMessage { name: String, text: String },
    /// The chat of version 1 is over. `by_peer`: the peer has left or is gone.
    ChatEnded { by_peer: bool },
    /// This account was invited into a room.
    Invited { room: String, by: String },
    /// The answer to a typed line: lines of the protocol.
    Answer { shown_in: ConversationId, lines: Vec<String> },
    /// A request was refused. `request` names it in the words of the protocol, such as `LEAVE #lab`.
    Refused { request: String, reason: String },
    /// So many lines of the server were left out, because they came faster than the App took them. Messages of chats of
    /// version 1 may be among them. The lists of users and conversations follow.
    Missed { count: u64 },
    /// The token of the device could not be stored: the next start asks for the password again.
    TokenNotStored { reason: String },
}

/// A server, and who this session is there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ServerInfo {
    /// `HOST:PORT`.
    pub(crate) address: String,
    /// The name of the session, in its owner's spelling.
    pub(crate) name: String,
    /// The device of the account. `None` for a guest.
    pub(crate) device: Option<String>,
    /// The version of the protocol: 1 or 2.
    pub(crate) version: u8,
    /// Whether records are on a disk.
    pub(crate) is_durable: bool,
    pub(crate) security: Security,
}

/// Who can read the connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Security {
    /// Everybody on the path.
    Plain,
    /// The connection stays on this machine.
    Loopback,
    /// TLS, with a key that this user has met before, or that a link has named.
    KnownKey,
    /// TLS, with a key that this user meets for the first time.
    NewKey,
    /// TLS, with a certificate of an authority that the system trusts.
    Authority,
}

/// A conversation that was opened.
#[derive(Debug)]
pub(crate) struct OpenedConversation {
    /// The target of the request.
    pub(crate) asked: String,
    /// The name of the room or account, in its owner's spelling.
    pub(crate) target: String,
    pub(crate) epoch: String,
    /// The last record at the opening, or 0.
    pub(crate) last: u64,
    /// The last records before the opening, oldest first.
    pub(crate) items: Vec<Item>,
}

/// News for the start screen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum DiscoveryEvent {
    /// Whether a server on this machine answers at the default port.
    ThisMachine { answers: bool },
    /// A server announces itself on the local network, or has changed its announcement.
    Found(FoundServer),
    /// The server with this id has said goodbye, or has not renewed its announcement.
    Gone { id: String },
    /// The network is not watched any more.
    Failed { reason: String },
}

/// A server that announces itself. Anyone on the local network can announce anything, so this is a suggestion and no
/// proof.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct FoundServer {
    /// Identifies the announcement.
    pub(crate) id: String,
    /// The announced name, sanitized.
    pub(crate) name: String,
    /// `HOST:PORT`, or a link for TLS. A link has no key: the key of the server counts, and not that of the announcement.
    pub(crate) addr: String,
}

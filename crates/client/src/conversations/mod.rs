//! Conversations that last: the client of version 2 of the protocol.
//!
//! A conversation is a log of numbered records: a room (`#lab`) or the direct conversation of two accounts. A client
//! has a [`Position`] in each log. [`Session`] is the connection of one account or guest. [`Conversation`] is one open
//! log: it yields the records and gaps in order, and [`Conversation::say`] adds a message.
//!
//! ```no_run
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), switchboard_client::Error> {
//! use switchboard_client::conversations::{Identity, Item, Session, SessionOptions, Start};
//!
//! let session = Session::connect("127.0.0.1:12345", Identity::guest("Noy"), SessionOptions::default()).await?;
//! let mut lab = session.open("#lab", Start::Now).await?;
//! lab.say("hello").await?;
//! while let Some(item) = lab.next().await {
//!     if let Item::Record(record) = item? {
//!         println!("{} {}: {}", record.seq, record.author, record.text);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Lost connections
//!
//! The session connects, logs in and opens its conversations again by itself, with a growing delay between the
//! attempts. Each conversation continues after the last record that it has received. The program sees nothing of it,
//! except that requests take longer. [`Session::link`] tells a program that wants to know.
//!
//! If the server has lost records or was restored from a backup, the positions of its clients are not valid any more. A
//! conversation then yields a [`Gap`] with the numbers 0, and begins again with the last 1,024 records: a program that
//! must not handle a record twice looks for those it knows.
//!
//! # What a message is worth
//!
//! [`Delivery`] says what [`Conversation::say`] promises. With an account and an outbox file
//! ([`SessionOptions::outbox`]), a message is stored exactly once, even if this process or the server is killed: the
//! message is on this machine's disk before it is sent, and it keeps its number `n` until the server has answered.
//!
//! # Slow readers
//!
//! Each conversation has a queue of at most 1,024 items. If the program does not take them, the session closes the
//! conversation on the server, and opens it again at its position when there is room. So a slow reader of one
//! conversation delays neither the other conversations nor the answers.
//!
//! # News
//!
//! Some lines of the server answer no request: new records in a conversation that is not open, a read marker that
//! another device has moved, a user who comes or goes, an invitation, a chat of version 1.
//! [`Session::connect_with_news`] gives them to a program that wants them. Their queue is bounded.
//!
//! Names and texts may contain terminal escape sequences: [`sanitize`](crate::sanitize()) them before you print them.

mod control;
mod conversation;
mod driver;
mod general_request;
mod handshake;
mod identity;
mod item;
mod news;
mod outbox_file;
mod outgoing;
mod requests;
mod session;
mod ssh;
mod views;

pub use conversation::Conversation;
pub use identity::{Identity, Signer};
pub use item::{ConversationInfo, Gap, Item, Position, Record, RoomInfo, Start};
pub use news::{News, NewsReceiver};
pub use requests::{Found, Readers};
pub use session::{Delivery, LinkState, QueuedMessage, RefusedMessage, Session, SessionOptions, UnansweredMessage};
pub use ssh::ssh_keygen_signer;
pub use switchboard_protocol::version2::{
    Credential, DeviceName, GapReason, RecordVerb, Reply, Secret, Standing, TaggedReply,
};

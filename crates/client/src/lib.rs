//! A typed, asynchronous client of a Switchboard server's commands dialect.
//!
//! [`Client::connect`] gives two halves. The [`Client`] asks (`register`, `connect_to`, `send`, `who`, `ping`,
//! `disconnect`) and gets each answer where it asked; [`Events`] hands out what comes without being asked for.
//!
//! ```no_run
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), switchboard_client::Error> {
//! use switchboard_client::{Client, Event};
//!
//! let (client, mut events) = Client::connect("127.0.0.1:12345").await?;
//! client.register("Noy").await?;
//! client.connect_to("Elias").await?;
//! client.send("hello").await?;
//! while let Some(event) = events.next().await {
//!     if let Event::Message { name, text } = event {
//!         println!("{name}: {text}");
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! One task owns the socket, so a command whose future is dropped loses its answer and shifts nobody else's:
//!
//! ```text
//! Client ─request─▶ bounded queue ─▶ link: one write for all that waits ─▶ socket
//!    ▲                                 │ remembers who asked, in order
//!    └────answer──── first who asked ◀─┴─ lines ◀─────────────────────── socket
//! Events ◀─ bounded queue ◀───────────────┘
//! ```
//!
//! # Order, and what waits
//!
//! Answers come in the order of their commands, events in the order in which the server sent them. Between the two, this
//! holds: once a command's answer is there, all events that the server sent before it are in [`Events`]; later ones may be
//! there too. Whoever has to know the place of an answer among the events reads the lines one by one, with [`low_level`].
//!
//! A command may be awaited in the loop that takes events, as a bot does. While it waits the link reads on, and keeps the
//! events that come before the answer, up to [`EVENTS_HARD_BYTES`]; over that, the connection ends with
//! [`ConnectionError::EventsNotTaken`], which every command that waits returns, and which [`Events`] gives after all that it has
//! kept. While no command waits, the link stops reading where [`EVENTS_SOFT_BYTES`] wait to be taken.
//!
//! What a server sends is not to be trusted with a terminal: [`sanitize`] makes it safe.

mod backoff;
mod client;
mod connection_driver;
mod connection_error;
mod error;
mod events;
mod incoming;
mod line_reader;

pub use client::{CONNECT_TIMEOUT, Client};
pub use connection_driver::{IN_FLIGHT_MAX, REQUESTS_MAX};
pub use connection_error::ConnectionError;
pub use error::Error;
pub use events::{EVENTS_HARD_BYTES, EVENTS_SOFT_BYTES, Event, Events};
pub use switchboard_protocol::{ErrorCode, Reply, TextError, UsernameError, Users, sanitize};

/// What a client is made of, for a program that puts it together in another way: one that has to know the place of each
/// answer among the events, or that sends lines as they are.
pub mod low_level {
    pub use crate::backoff::Backoff;
    pub use crate::client::{connect_tcp, open_session};
    pub use crate::incoming::Incoming;
    pub use crate::line_reader::LineReader;
}

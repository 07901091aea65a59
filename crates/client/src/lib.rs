//! A typed, asynchronous Switchboard client for the commands dialect.
//!
//! [`Client::connect`] returns two halves. [`Client`] sends commands (`register`, `connect_to`, `send`, `who`, `ping`,
//! `disconnect`) and returns the answer to each. [`Events`] yields lines that answer no command, such as messages.
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
//! One task owns the socket. If a program drops the future of a command, the task discards the answer to this command.
//! Every other command still gets its own answer.
//!
//! ```text
//! Client ──request──▶ bounded queue ──▶ driver task: one write per batch ──▶ socket
//!    ▲                                   │ records the answer channels in order
//!    └──answer── oldest answer channel ◀─┤
//! Events ◀────────── bounded queue ◀─────┴──────────────── lines ◀────────── socket
//! ```
//!
//! # Order and backpressure
//!
//! Answers arrive in the order of their commands, and events in the order in which the server sent them. When a command
//! returns, [`Events`] holds all events that the server sent before the answer, and possibly later ones. A program that
//! needs the exact order of answers and events reads the lines one by one, with [`low_level`].
//!
//! A program may await a command inside its event loop, as a bot does. While a command is in flight, the driver task
//! continues to read, and its queue holds at most [`EVENTS_HARD_BYTES`] of events. Above this limit the connection
//! ends: the commands in flight return [`ConnectionError::EventsNotTaken`], and [`Events`] yields the same error after
//! the queued events. While no command is in flight, the driver task stops reading at [`EVENTS_SOFT_BYTES`] of queued
//! events.
//!
//! # Lost connections
//!
//! If the server is silent for [`Liveness::ping_after`], the driver task sends a `PING`, without the program's help. If
//! the silence goes on, the connection ends with [`ConnectionError::Unresponsive`]. TCP keepalive and the user timeout
//! do the same more slowly, also for programs that read the lines themselves.
//!
//! # Conversations
//!
//! [`conversations`] has the client for accounts, rooms and stored messages (version 2 of the protocol).
//!
//! Names and texts from a server may contain terminal escape sequences: [`sanitize`](sanitize()) them before you print
//! them.

mod backoff;
mod client;
mod connect;
mod connection_driver;
mod connection_error;
pub mod conversations;
mod deadline;
mod error;
mod events;
mod incoming;
mod line_reader;
mod liveness;
mod stream;
mod tcp;
pub mod tls;

pub use client::{CONNECT_TIMEOUT, Client, ConnectOptions};
pub use connection_error::ConnectionError;
pub use error::{Error, FailedAttempt};
pub use events::{EVENTS_HARD_BYTES, EVENTS_SOFT_BYTES, Event, Events};
pub use liveness::Liveness;
pub use switchboard_protocol::{
    ErrorCode, HostPort, JoinLink, KeyHash, Reply, TextError, UsernameError, Users, sanitize,
};

/// The building blocks of [`Client`], for a program that needs the exact order of answers and events, or that sends
/// lines of its own.
pub mod low_level {
    pub use crate::backoff::Backoff;
    pub use crate::connect::{connect, greeting_start, open_session, receive_welcome, resolve};
    pub use crate::incoming::Incoming;
    pub use crate::line_reader::LineReader;
    pub use crate::liveness::{MonitoredReader, Received};
    pub use crate::stream::{Stream, StreamReader, StreamWriter, write_some};
}

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
//!     if let Event::Message { from, text } = event {
//!         println!("{from}: {text}");
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
//! What a server sends is not to be trusted with a terminal: [`switchboard_protocol::show`] makes it safe.

mod backoff;
mod client;
mod closed;
mod error;
mod events;
mod heard;
mod lines;
mod link;

pub use backoff::Backoff;
pub use client::{CONNECT_TIMEOUT, Client, dial};
pub use closed::Closed;
pub use error::Error;
pub use events::{EVENTS_MAX, Event, Events};
pub use heard::Heard;
pub use lines::Lines;
pub use link::{IN_FLIGHT_MAX, REQUESTS_MAX};

//! A bot that echoes the messages of a room, and misses none. Start a server with `switchboard-server --data DIR` and
//! the bot with
//!
//! ```text
//! BOT_PASSWORD=… cargo run --example durable_bot -- 127.0.0.1:12345 '#lab' STATE-DIR
//! ```
//!
//! The bot has an account `echo`, which the first run creates. It keeps its position in the room and its unanswered
//! messages in STATE-DIR. If the bot or the server is killed at any moment, the next run continues, and each message is
//! echoed once: the bot stores its position only after its echo is stored, and an echo begins with the number of its
//! message, so that the next run finds out which messages are echoed.

use std::collections::VecDeque;
use std::path::Path;

use switchboard_client::conversations::{
    Identity, Item, Position, Record, RecordVerb, Secret, Session, SessionOptions, Start,
};
use switchboard_client::{Error, ErrorCode};

const NAME: &str = "echo";
const DEVICE: &str = "main";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut args = std::env::args().skip(1);
    let mut arg = |default: &str| args.next().unwrap_or_else(|| default.to_owned());
    let (addr, room, state) = (arg("127.0.0.1:12345"), arg("#lab"), arg("."));
    let Ok(password) = std::env::var("BOT_PASSWORD") else {
        eprintln!("durable_bot: set BOT_PASSWORD");
        std::process::exit(2);
    };
    if let Err(error) = echo(&addr, &room, Path::new(&state), Secret::new(&password)).await {
        eprintln!("durable_bot: {error}");
        std::process::exit(1);
    }
}

/// Echoes the messages of `room` until the session ends.
pub async fn echo(addr: &str, room: &str, state: &Path, password: Secret) -> Result<(), Error> {
    let session = log_in(addr, state, password).await?;
    session.join(room).await?;
    // Echoes that an earlier run did not see answered are stored before the bot looks for them.
    session.flush().await?;
    let position_path = state.join("position");
    let start = match std::fs::read_to_string(&position_path).ok().and_then(|text| text.parse().ok()) {
        Some(position) => Start::After(position),
        None => Start::Now,
    };
    let mut conversation = session.open(room, start).await?;
    // At the first start there is no position yet. A kill before the first message must not lose that message.
    store(&position_path, conversation.position());
    let mut waiting: VecDeque<(Record, Position)> = VecDeque::new();
    // Until then, the echoes of an earlier run may follow their messages.
    let mut is_live = false;
    while let Some(item) = conversation.next().await {
        match item? {
            Item::Record(record) if record.verb == RecordVerb::From && record.author == session.name() => {
                let seq = record.text.split(' ').next().and_then(|word| word.parse().ok());
                waiting.retain(|(message, _)| Some(message.seq) != seq);
            }
            Item::Record(record) if record.verb == RecordVerb::From && record.redacted_by.is_none() => {
                waiting.push_back((record, conversation.position().clone()));
            }
            Item::Gap(gap) => {
                eprintln!("durable_bot: records {} to {} are missing", gap.from, gap.to);
                // After a gap with unknown numbers, messages come again, and their echoes after them.
                is_live &= gap.to != 0;
            }
            Item::Live(_) => is_live = true,
            _ => {}
        }
        while is_live && let Some((Record { seq, author, text, .. }, position)) = waiting.pop_front() {
            // Returns once the echo is stored, also after a lost connection.
            match session.say(room, &format!("{seq} {author}: {text}")).await {
                // The text may be too long with the number and the author. Continue.
                Err(Error::Refused { code, .. }) => eprintln!("durable_bot: {code}"),
                Err(error @ Error::Text(_)) => eprintln!("durable_bot: {error}"),
                result => drop(result?),
            }
            store(&position_path, &position);
        }
    }
    Ok(())
}

/// Logs in to the account, or creates it.
async fn log_in(addr: &str, state: &Path, password: Secret) -> Result<Session, Error> {
    let options = SessionOptions { outbox: Some(state.join("outbox")), ..SessionOptions::default() };
    let account = Identity::password(NAME, DEVICE, password.clone());
    match Session::connect(addr, account.clone(), options.clone()).await {
        Err(Error::Refused { code: ErrorCode::LoginFailed, .. }) => {
            let guest = Session::connect(addr, Identity::guest(NAME), SessionOptions::default()).await?;
            guest.claim(password).await?;
            guest.close().await;
            Session::connect(addr, account, options).await
        }
        result => result,
    }
}

/// Replaces the position file in one step, so that a kill leaves the old position or the new one.
fn store(path: &Path, position: &Position) {
    let new_path = path.with_extension("new");
    let stored = std::fs::write(&new_path, position.to_string()).and_then(|()| std::fs::rename(&new_path, path));
    if let Err(error) = stored {
        eprintln!("durable_bot: cannot store the position: {error}");
    }
}

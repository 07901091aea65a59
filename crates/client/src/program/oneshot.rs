//! The subcommands `ping`, `who`, `send` and `listen`.

use std::future::ready;
use std::io::{self, Write as _};
use std::time::Duration;

use serde_json::json;
use switchboard_client::low_level::{Backoff, receive_welcome};
use switchboard_client::{Client, ConnectionError, Error, Event, Events};
use switchboard_protocol::{ErrorCode, Reply, Users, sanitize};
use tokio::task::unconstrained;
use tokio::time::{Instant, sleep};

use super::account_files::AccountFiles;
use super::args::Options;
use super::cli_error::{CliError, with_timeout};
use super::connecting;
use super::reconnecting::{DELAY_MAX, FIRST_DELAY_MAX, NAME_TAKEN_PATIENCE};
use super::stdout;

/// The ceiling of the first delay before `send` tries a busy user again. Another `send` needs a few round trips.
const FIRST_BUSY_DELAY_MAX: Duration = Duration::from_millis(50);

/// The ceiling of all delays before `send` tries a busy user again.
const BUSY_DELAY_MAX: Duration = Duration::from_secs(1);

/// The maximum number of guest names to try. A name of 32 random bits is seldom taken even once.
const GUEST_NAME_TRIES_MAX: u32 = 5;

/// Sends `count` pings, `interval` apart, and prints each round-trip time.
pub(crate) async fn ping(addr: &str, options: &Options, count: u32, interval: Duration) -> Result<(), CliError> {
    let (client, events) = connect(addr, options).await?;
    for number in 0..count {
        if number > 0 {
            sleep(interval).await;
        }
        let round_trip = with_timeout(options.timeout, client.ping()).await?;
        if options.json {
            stdout::print_json(&json!({ "reply": "PONG", "seconds": round_trip.as_secs_f64() }))?;
        } else {
            stdout::print_line(&format!("PONG from {addr} in {:.3} ms", 1e3 * round_trip.as_secs_f64()))?;
        }
    }
    close(client, events).await;
    Ok(())
}

/// Prints the registered users.
pub(crate) async fn who(addr: &str, options: &Options) -> Result<(), CliError> {
    let (client, events) = connect(addr, options).await?;
    let names = with_timeout(options.timeout, client.who()).await?;
    if options.json {
        stdout::print_json(&Reply::Users { names: Users::from(names) })?;
    } else {
        for name in names {
            stdout::print_line(&name)?;
        }
    }
    close(client, events).await;
    Ok(())
}

/// Sends one message. The exit code tells whether the server accepted it.
pub(crate) async fn send(addr: &str, options: &Options, user: &str, text: &str) -> Result<(), CliError> {
    if text.trim().is_empty() {
        return Err(Error::Blank.into());
    }
    if text.contains('\n') {
        return Err(CliError::Usage("the message has more than one line: send each line by itself".to_owned()));
    }
    let (client, mut events) = connect(addr, options).await?;
    register(&client, addr, options).await?;
    let mut message = OutgoingMessage { client: &client, events: &mut events, options, user, text };
    message.send_when_free().await?;
    if options.json {
        stdout::print_json(&Reply::MsgSent)?;
    }
    // Tell the peer at once that the chat has ended. The server has accepted the message, so a failure to disconnect
    // does not change the exit code.
    let _ = with_timeout(options.timeout, client.disconnect()).await;
    close(client, events).await;
    Ok(())
}

/// A message to a user, and the session that sends it.
struct OutgoingMessage<'a> {
    client: &'a Client,
    events: &'a mut Events,
    options: &'a Options,
    user: &'a str,
    text: &'a str,
}

impl OutgoingMessage<'_> {
    /// Sends the message. If one of the two users is in another chat, or if the receiver leaves before the message is
    /// sent, tries again until the time limit.
    async fn send_when_free(&mut self) -> Result<(), CliError> {
        let limit = self.options.timeout;
        let deadline = Instant::now() + limit;
        let mut backoff = Backoff::new(FIRST_BUSY_DELAY_MAX, BUSY_DELAY_MAX, fastrand::u64(..));
        loop {
            let failure = match self.try_send().await {
                Err(error) if matches!(error, CliError::UserLeft { .. }) || is_refused(&error, ErrorCode::UserBusy) => {
                    error
                }
                result => return result,
            };
            let delay = backoff.next_delay();
            if Instant::now() + delay > deadline {
                return Err(failure);
            }
            // Another user may have opened a chat with this session.
            with_timeout(limit, self.client.disconnect()).await?;
            sleep(delay).await;
        }
    }

    /// Opens a chat with the user and sends the text. Fails if another user may have received it.
    async fn try_send(&mut self) -> Result<(), CliError> {
        let limit = self.options.timeout;
        let user = || sanitize(self.user).into_owned();
        // These events are from an earlier chat.
        take_chat_changes(self.events).await;
        with_timeout(limit, self.client.connect_to(self.user)).await?;
        if !take_chat_changes(self.events).await.is_empty() {
            return Err(CliError::UserLeft { user: user() });
        }
        match with_timeout(limit, self.client.send(self.text)).await {
            Err(error) if is_refused(&error, ErrorCode::NotConnected) => {
                return Err(CliError::UserLeft { user: user() });
            }
            result => result?,
        }
        // The user may have left after the message. Only a new chat can have taken the message.
        let changes = take_chat_changes(self.events).await;
        match changes.into_iter().find_map(|change| match change {
            Event::IncomingConnection { name } => Some(name),
            _ => None,
        }) {
            Some(other) => Err(CliError::OtherPeer { user: user(), other: sanitize(&other).into_owned() }),
            None => Ok(()),
        }
    }
}

/// Takes the events that have arrived, and returns the beginnings and ends of chats among them.
async fn take_chat_changes(events: &mut Events) -> Vec<Event> {
    let mut changes = Vec::new();
    loop {
        // Outside of the cooperative budget of tokio, only an empty queue is not ready.
        let event = tokio::select! {
            biased;
            event = unconstrained(events.next()) => event,
            () = ready(()) => None,
        };
        match event {
            Some(change @ (Event::IncomingConnection { .. } | Event::PeerDisconnected)) => changes.push(change),
            Some(_) => {}
            None => return changes,
        }
    }
}

/// Registers a name and prints messages until `count` of them have arrived, or until Ctrl-C. With `--json`, it prints
/// all events.
pub(crate) async fn listen(addr: &str, options: &Options, count: Option<u64>) -> Result<(), CliError> {
    let (client, events) = connect(addr, options).await?;
    let name = register(&client, addr, options).await?;
    if options.name.is_none() {
        notice(&format!("listening as {}", sanitize(&name)));
    }
    listen_as(&name, addr, options, count, (client, events)).await
}

/// Prints events until `count` messages have arrived, or until Ctrl-C. After a lost connection, reconnects and
/// registers `name` again.
async fn listen_as(
    name: &str,
    addr: &str,
    options: &Options,
    count: Option<u64>,
    mut session: (Client, Events),
) -> Result<(), CliError> {
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    let mut messages_left = count;
    let mut backoff = Backoff::new(FIRST_DELAY_MAX, DELAY_MAX, fastrand::u64(..));
    loop {
        let connected_at = Instant::now();
        let (client, mut events) = session;
        let lost = tokio::select! {
            // The handler of the signal is installed before the first message is printed.
            biased;
            result = &mut interrupted => result.map(|()| None)?,
            lost = print_events(&mut events, options, &mut messages_left) => lost?,
        };
        let Some(lost) = lost else {
            close(client, events).await;
            return Ok(());
        };
        if options.reconnect.no_reconnect {
            return Err(lost.into());
        }
        if connected_at.elapsed() > DELAY_MAX {
            backoff.reset();
        }
        session = tokio::select! {
            session = reconnect(name, addr, options, lost.into(), &mut backoff) => session?,
            result = &mut interrupted => return Ok(result?),
        };
    }
}

/// Prints events until the connection ends, and returns the reason. Returns `None` if no messages are left to print.
async fn print_events(
    events: &mut Events,
    options: &Options,
    messages_left: &mut Option<u64>,
) -> Result<Option<ConnectionError>, CliError> {
    while *messages_left != Some(0) {
        let Some(event) = events.next().await else { break };
        if options.json {
            stdout::print_json(&event)?;
        }
        match event {
            Event::Message { name, text } => {
                if !options.json {
                    stdout::print_line(&format!("{name}: {text}"))?;
                }
                *messages_left = messages_left.map(|left| left - 1);
            }
            Event::Closed(closed) => return Ok(Some(closed)),
            _ => {}
        }
    }
    Ok(None)
}

/// Connects and registers `name`, until an attempt succeeds. `failure` is the reason for the first attempt.
async fn reconnect(
    name: &str,
    addr: &str,
    options: &Options,
    mut failure: CliError,
    backoff: &mut Backoff,
) -> Result<(Client, Events), CliError> {
    let mut name_taken_at: Option<Instant> = None;
    loop {
        let delay = backoff.next_delay();
        let reason = match name_taken_at {
            Some(_) => format!("the server still has a user {}, perhaps the lost connection", sanitize(name)),
            None => failure.to_string(),
        };
        notice(&format!("{reason}; reconnecting in {:.1} s", delay.as_secs_f64()));
        sleep(delay).await;
        let attempt = async {
            let (client, events) = connect(addr, options).await?;
            let registered = with_timeout(options.timeout, client.register(name)).await;
            Ok(((client, events), registered))
        };
        failure = match attempt.await {
            Ok((session, Ok(_))) => {
                notice(&format!("reconnected as {}", sanitize(name)));
                return Ok(session);
            }
            Ok((_, Err(error))) if is_refused(&error, ErrorCode::NameTaken) => {
                if name_taken_at.get_or_insert_with(Instant::now).elapsed() > NAME_TAKEN_PATIENCE {
                    return Err(error);
                }
                error
            }
            Ok((_, Err(error @ CliError::Client(Error::Refused { .. } | Error::RefusedWithUnknownCode { .. })))) => {
                return Err(error);
            }
            // A changed key needs the decision of a person.
            Err(error @ CliError::Client(Error::OtherKey { .. })) => return Err(error),
            // A server that refuses the connection may accept it later.
            Ok((_, Err(error))) | Err(error) => {
                name_taken_at = None;
                error
            }
        };
    }
}

async fn connect(addr: &str, options: &Options) -> Result<(Client, Events), CliError> {
    let socket = connecting::connect(addr, options).await?;
    let welcome = receive_welcome(socket, &addr, options.timeout);
    let session = connecting::receive_greeting(addr, connecting::SILENT_PORT_HINT, options, welcome).await?;
    Ok(Client::from_session(session, options.liveness()))
}

/// Registers the name of `--name`, or else a guest name.
async fn register(client: &Client, addr: &str, options: &Options) -> Result<String, CliError> {
    if let Some(name) = &options.name {
        return with_timeout(options.timeout, client.register(name)).await.map_err(|error| match error {
            CliError::Client(source @ Error::Refused { code: ErrorCode::NameTaken, .. }) => {
                match AccountFiles::account_hint(addr, name) {
                    Some(hint) => CliError::Hinted { source, hint },
                    None => source.into(),
                }
            }
            error => error,
        });
    }
    let mut tries_left = GUEST_NAME_TRIES_MAX;
    loop {
        let guest = format!("guest-{:08x}", fastrand::u32(..));
        tries_left -= 1;
        match with_timeout(options.timeout, client.register(&guest)).await {
            Err(error) if tries_left > 0 && is_refused(&error, ErrorCode::NameTaken) => {}
            result => return result,
        }
    }
}

/// Closes the connection without a reset, which could destroy bytes on their way: closes the sending direction, and
/// reads until the server closes, or until the time limit of the library.
async fn close(client: Client, mut events: Events) {
    drop(client);
    while events.next().await.is_some() {}
}

fn is_refused(error: &CliError, with_code: ErrorCode) -> bool {
    matches!(error, CliError::Client(Error::Refused { code, .. }) if *code == with_code)
}

/// Tells the user about the connection, on standard error.
fn notice(text: &str) {
    // A failed write to standard error cannot be reported anywhere.
    let _ = writeln!(io::stderr(), "switchboard: {text}");
}

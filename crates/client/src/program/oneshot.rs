//! The subcommands `ping`, `who`, `send` and `listen`.

use std::time::Duration;

use serde_json::json;
use switchboard_client::{Client, Error, Event, Events};
use switchboard_protocol::{Reply, Users};
use tokio::time::sleep;

use super::args::Options;
use super::cli_error::{CliError, with_timeout};
use super::stdout;

/// Sends `count` pings, `interval` apart, and prints each round-trip time.
pub(crate) async fn ping(addr: &str, options: &Options, count: u32, interval: Duration) -> Result<(), CliError> {
    let (client, events) = Client::connect_within(addr, options.timeout).await?;
    drop(events);
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
    Ok(())
}

/// Prints the registered users.
pub(crate) async fn who(addr: &str, options: &Options) -> Result<(), CliError> {
    let (client, events) = Client::connect_within(addr, options.timeout).await?;
    drop(events);
    let names = with_timeout(options.timeout, client.who()).await?;
    if options.json {
        stdout::print_json(&Reply::Users { names: Users::from(names) })?;
        return Ok(());
    }
    for name in names {
        stdout::print_line(&name)?;
    }
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
    let (client, events) = Client::connect_within(addr, options.timeout).await?;
    drop(events);
    with_timeout(options.timeout, client.register(&name_or_guest(options))).await?;
    with_timeout(options.timeout, client.connect_to(user)).await?;
    with_timeout(options.timeout, client.send(text)).await?;
    if options.json {
        stdout::print_json(&Reply::MsgSent)?;
    }
    // Tell the peer at once that the chat has ended. The server has accepted the message, so a failure to disconnect
    // does not change the exit code.
    let _ = with_timeout(options.timeout, client.disconnect()).await;
    Ok(())
}

/// Registers a name and prints messages until `count` of them have arrived, or until Ctrl-C. With `--json`, it prints
/// all events.
pub(crate) async fn listen(addr: &str, options: &Options, count: Option<u64>) -> Result<(), CliError> {
    let (client, mut events) = Client::connect_within(addr, options.timeout).await?;
    let name = with_timeout(options.timeout, client.register(&name_or_guest(options))).await?;
    if options.name.is_none() {
        eprintln!("switchboard: listening as {}", switchboard_protocol::sanitize(&name));
    }
    tokio::select! {
        result = print_events(&mut events, options, count) => result,
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
    }
}

async fn print_events(events: &mut Events, options: &Options, count: Option<u64>) -> Result<(), CliError> {
    let mut messages_left = count;
    while messages_left != Some(0) {
        let Some(event) = events.next().await else { break };
        if options.json {
            stdout::print_json(&event)?;
        }
        match event {
            Event::Message { name, text } => {
                if !options.json {
                    stdout::print_line(&format!("{name}: {text}"))?;
                }
                messages_left = messages_left.map(|left| left - 1);
            }
            Event::Closed(closed) => return Err(closed.into()),
            _ => {}
        }
    }
    Ok(())
}

fn name_or_guest(options: &Options) -> String {
    options.name.clone().unwrap_or_else(|| format!("guest-{:04x}", fastrand::u16(..)))
}

//! Connects again after a lost connection, and registers the name again.

use std::time::Duration;

use switchboard_client::low_level::{Incoming, Received};
use switchboard_client::{ConnectionError, Error, Event};
use switchboard_protocol::{ErrorCode, Reply};
use tokio::time::{Instant, sleep};

use super::super::args::Options;
use super::super::cli_error::{CliError, with_timeout};
use super::super::terminal::EditorHandle;
use super::ChatSession;
use super::server_connection::ServerConnection;

impl ChatSession<'_> {
    /// Tries to reconnect until an attempt succeeds. Returns `None` if the user leaves. Fails if the server has another
    /// key than before.
    pub(super) async fn reconnect(&mut self, editor: &mut EditorHandle) -> Result<Option<ServerConnection>, CliError> {
        let lost_peer = self.set_peer(None).await;
        // The first sentence of the next notice.
        let mut last_failure = "Reconnecting".to_owned();
        // When the server first refused the name because it is taken.
        let mut name_taken_since: Option<Instant> = None;
        loop {
            let delay = self.timing.backoff.next_delay();
            self.show_notice(format!("{last_failure} in {:.1} s.", delay.as_secs_f64())).await;
            let reconnecting = try_reconnect(self.addr, self.options, self.own_name.clone(), delay);
            let mut reconnecting = std::pin::pin!(reconnecting);
            let attempt = loop {
                tokio::select! {
                    biased;
                    line = editor.lines.recv() => {
                        let Some(line) = line else { return Ok(None) };
                        if self.handle_offline_line(&line).await {
                            break None;
                        }
                    }
                    attempt = &mut reconnecting => break Some(attempt),
                }
            };
            let (connection, registered) = match attempt {
                None => {
                    // The user has chosen another name. Try it soon.
                    (last_failure, name_taken_since) = ("Reconnecting".to_owned(), None);
                    self.timing.backoff.reset();
                    continue;
                }
                // A changed key needs the decision of a person.
                Some(Err(error @ CliError::Client(Error::OtherKey { .. }))) => return Err(error),
                Some(Err(CliError::Client(Error::Connect { source, .. }))) => {
                    last_failure = format!("Not yet: {}. Reconnecting", source.kind());
                    continue;
                }
                Some(Err(error)) => {
                    last_failure = format!("Not yet: {} Reconnecting", with_full_stop(error.to_string()));
                    continue;
                }
                Some(Ok(reconnected)) => reconnected,
            };
            match registered {
                None => self.show_notice("Reconnected.").await,
                Some(Ok(name)) => {
                    self.show_notice(format!("Reconnected as {}.", self.formatter.name(&name))).await;
                    self.wants_name = false;
                    self.own_name = Some(name);
                    self.queue_deferred_chat();
                }
                Some(Err(error)) => {
                    let is_taken = matches!(error, Error::Refused { code: ErrorCode::NameTaken, .. });
                    let own_name = self.own_name.take().unwrap_or_default();
                    let name = self.formatter.name(&own_name);
                    if is_taken {
                        let since = *name_taken_since.get_or_insert_with(Instant::now);
                        if since.elapsed() < self.timing.name_taken_patience {
                            last_failure =
                                format!("{name} is still taken, probably by your lost connection. Trying again");
                            self.own_name = Some(own_name);
                            continue;
                        }
                        // Another user may leave this name later.
                        self.lost_name = Some(own_name);
                    }
                    self.show_error(error).await;
                    self.show_notice("Reconnected, but without a name: REGISTER another.").await;
                }
            }
            if let Some(peer) = lost_peer {
                let peer = self.formatter.name(&peer);
                self.show_notice(format!("Your chat with {peer} is over: CONNECT {peer} opens another.")).await;
            }
            return Ok(Some(connection));
        }
    }
}

/// A new connection and, if there is a name to register, the result of its registration.
type Reconnected = (ServerConnection, Option<Result<String, Error>>);

/// Connects once, after `delay`, and registers `own_name`, if there is one.
async fn try_reconnect(
    addr: &str,
    options: &Options,
    own_name: Option<String>,
    delay: Duration,
) -> Result<Reconnected, CliError> {
    sleep(delay).await;
    let mut connection = ServerConnection::open(addr, options).await?;
    let Some(own_name) = own_name else { return Ok((connection, None)) };
    connection.out.push_line(&format!("REGISTER {own_name}"));
    let registered = with_timeout(options.timeout, async {
        loop {
            tokio::select! {
                () = connection.out.write_some() => {}
                received = connection.lines.next() => match received? {
                    // The answer to REGISTER is missing already.
                    Received::PingDue => {}
                    Received::Line(line) => match Incoming::parse(&line) {
                        Incoming::Answer(Ok(Reply::RegisterOk { name })) => return Ok(Ok(name.into_owned())),
                        // An answer of another kind is a fault of the server. Assume that the name is registered.
                        Incoming::Answer(Ok(_)) => return Ok(Ok(own_name)),
                        Incoming::Answer(Err(refused)) => return Ok(Err(refused)),
                        Incoming::Event(Event::Notice { code, detail }) => {
                            return Err(ConnectionError::ClosedWithCode { code, detail }.into());
                        }
                        // A server sends no other events before the registration.
                        Incoming::Event(_) => {}
                    },
                },
            }
        }
    });
    let registered = registered.await?;
    Ok((connection, Some(registered)))
}

/// Adds a full stop if `text` lacks one, so that another sentence can follow.
fn with_full_stop(mut text: String) -> String {
    if !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    text
}

//! Keeps a connection: connects, again and again, and runs the session of each connection.

use std::future::pending;
use std::time::Duration;

use switchboard_client::low_level::Backoff;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::super::super::cli_error::CliError;
use super::super::super::known_servers::{self, CheckedAddress, Trust};
use super::super::event::{NetworkEvent, Request, Security};
use super::super::sentences::PASSWORD_IS_READABLE;
use super::attempt::{self, Connected, Connection, Login, User, security};
use super::failure::{Failure, is_name_taken};
use super::version2::Unfinished;
use super::{Output, Settings, version1, version2};
use crate::program::reconnecting::{DELAY_MAX, FIRST_DELAY_MAX, NAME_TAKEN_PATIENCE};

/// The state that lasts longer than a connection.
pub(super) struct Supervisor {
    settings: Settings,
    requests: mpsc::Receiver<Request>,
    output: Output,
    login: Login,
    /// Set once the key of the server is known.
    server: Option<CheckedAddress>,
    backoff: Backoff,
    /// The user of the last connection.
    user: Option<User>,
    /// The conversations that were open on the last connection.
    unfinished: Vec<Unfinished>,
    /// Whether the App shows messages of an earlier run as waiting.
    shows_unanswered: bool,
    /// When the server first refused the name that this user had before.
    name_taken_since: Option<Instant>,
}

/// Why the session of a connection is over.
#[derive(Debug)]
pub(super) enum End {
    /// The App has ended.
    Quit,
    /// Another session takes its place.
    Replaced(Box<Connected>, Login),
    Failed(Failure),
}

impl Supervisor {
    pub(super) fn new(settings: Settings, requests: mpsc::Receiver<Request>, output: Output) -> Self {
        Self {
            login: Login::at_start(&settings),
            settings,
            requests,
            output,
            server: None,
            backoff: Backoff::new(FIRST_DELAY_MAX, DELAY_MAX, fastrand::u64(..)),
            user: None,
            unfinished: Vec::new(),
            shows_unanswered: false,
            name_taken_since: None,
        }
    }

    /// Runs until the App has ended.
    pub(super) async fn run(mut self) {
        let mut failure = None;
        while let Some(connected) = self.connect(failure.take()).await {
            let mut next = Some(connected);
            while let Some(connected) = next.take() {
                let connected_at = Instant::now();
                let end = self.run_connected(connected).await;
                if connected_at.elapsed() > DELAY_MAX {
                    self.backoff.reset();
                }
                match end {
                    End::Quit => return,
                    End::Replaced(connected, login) => {
                        self.login = login;
                        next = Some(*connected);
                    }
                    End::Failed(reason) => failure = Some(reason),
                }
            }
        }
    }

    async fn run_connected(&mut self, Connected { connection, info, server }: Connected) -> End {
        let user = User::of(&info);
        self.name_taken_since = None;
        if self.user.as_ref() != Some(&user) {
            // The App opens the conversations of another user anew.
            self.unfinished.clear();
            self.user = Some(user);
        }
        let context = version2::Context { settings: self.settings.clone(), server, output: self.output.clone() };
        match connection {
            Connection::Version1(connection) => {
                for unfinished in self.unfinished.drain(..) {
                    let reason = version1::NO_CONVERSATIONS.to_owned();
                    let closed = NetworkEvent::Closed { target: unfinished.target, reason };
                    let _ = self.output.send_record(closed).await;
                }
                version1::run(*connection, info, &context, &mut self.requests).await
            }
            Connection::Version2(session, news) => {
                let unfinished = std::mem::take(&mut self.unfinished);
                let running = version2::Running::start(session, news, info, context, &mut self.shows_unanswered);
                let (end, unfinished) = running.run(&mut self.requests, unfinished).await;
                self.unfinished = unfinished;
                end
            }
        }
    }

    /// Connects until an attempt succeeds. Returns `None` if the App has ended.
    async fn connect(&mut self, mut failure: Option<Failure>) -> Option<Connected> {
        loop {
            if let Some(failure) = failure.take() {
                self.wait_after(failure).await?;
            }
            self.output.send(NetworkEvent::Connecting).await;
            let (settings, output) = (self.settings.clone(), self.output.clone());
            let (login, server) = (self.login.clone(), self.server.clone());
            let attempt = async move {
                let server = match server {
                    Some(server) => server,
                    None => {
                        match known_servers::check(settings.addr.clone(), settings.state.as_deref(), settings.limit)
                            .await
                        {
                            Ok(server) => server,
                            Err(error) => return (None, Err(error)),
                        }
                    }
                };
                let connected = attempt::connect(&settings, &server, &login, &output).await;
                (Some(server), connected)
            };
            let attempt = std::pin::pin!(attempt);
            let Some((server, connected)) = self.take_requests_during(attempt, false).await? else { continue };
            self.learn_server(server).await;
            match connected {
                Ok(connected) => return Some(connected),
                Err(error) => failure = Some(self.judge(error)),
            }
        }
    }

    /// Remembers the key of the server, and tells of a new one.
    async fn learn_server(&mut self, server: Option<CheckedAddress>) {
        if self.server.is_some() {
            return;
        }
        if let Some(Trust::NewKey { fingerprint }) = server.as_ref().map(|server| &server.trust) {
            self.output.send(NetworkEvent::FirstContact { fingerprint: fingerprint.clone() }).await;
        }
        self.server = server;
    }

    /// The failure for the error of an attempt.
    fn judge(&mut self, error: CliError) -> Failure {
        let is_taken = matches!(&error, CliError::Client(error) if is_name_taken(error));
        if !is_taken {
            self.name_taken_since = None;
        } else if self.user.is_some() {
            let since = *self.name_taken_since.get_or_insert_with(Instant::now);
            if since.elapsed() < NAME_TAKEN_PATIENCE {
                return Failure::Retry("your name is still taken, probably by your lost connection.".to_owned());
            }
        }
        Failure::of_attempt(error)
    }

    /// Tells of a failure, and waits until the next attempt is due. Returns `None` if the App has ended.
    async fn wait_after(&mut self, failure: Failure) -> Option<()> {
        let (event, delay) = match failure {
            Failure::Retry(reason) if !self.settings.reconnects => (NetworkEvent::Ended { reason }, None),
            Failure::Retry(reason) => {
                let delay = self.backoff.next_delay();
                (NetworkEvent::Lost { reason, retry_in: delay }, Some(delay))
            }
            Failure::NameRefused { reason, needs_login } => {
                let name = self.login.name().to_owned();
                let is_readable =
                    needs_login && self.server.as_ref().is_some_and(|server| security(server) == Security::Plain);
                let reason = if is_readable { format!("{reason} {PASSWORD_IS_READABLE}") } else { reason };
                (NetworkEvent::NameRefused { name, reason, needs_login }, None)
            }
            Failure::Ended(reason) => (NetworkEvent::Ended { reason }, None),
        };
        self.output.send(event).await;
        let waiting = std::pin::pin!(sleep_some(delay));
        self.take_requests_during(waiting, true).await?;
        Some(())
    }

    /// Takes requests until `task` has a result, or until a request asks for another attempt (`Some(None)`). Returns
    /// `None` if the App has ended. `waits`: the task is the wait for an attempt.
    async fn take_requests_during<T>(
        &mut self,
        mut task: impl Future<Output = T> + Unpin,
        waits: bool,
    ) -> Option<Option<T>> {
        loop {
            let request = tokio::select! {
                result = &mut task => return Some(Some(result)),
                request = self.requests.recv() => request?,
            };
            let login = match request {
                Request::ConnectNow if waits => return Some(None),
                Request::Rename { name } => Login::Stored { name },
                Request::LogIn { name, password } => Login::with_password(&self.settings, &name, password),
                request => {
                    self.output.refuse(request, "there is no connection.".to_owned()).await;
                    continue;
                }
            };
            self.login = login;
            // Nobody has lost this name.
            self.user = None;
            self.backoff.reset();
            return Some(None);
        }
    }
}

/// Waits for `delay`, or forever if it is `None`.
async fn sleep_some(delay: Option<Duration>) {
    match delay {
        Some(delay) => sleep(delay).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use switchboard_client::Liveness;

    use super::*;

    #[tokio::test]
    async fn a_new_key_is_told_once() {
        let (_requests, requests) = mpsc::channel(1);
        let (events, mut told) = mpsc::channel(8);
        let (records, _records) = mpsc::channel(1);
        let settings = Settings {
            addr: "switchboard://h:1".to_owned(),
            name: "Noy".to_owned(),
            device: None,
            limit: Duration::from_secs(1),
            liveness: Liveness::default(),
            reconnects: true,
            state: None,
        };
        let mut supervisor = Supervisor::new(settings, requests, Output { events, records });
        let trust = Trust::NewKey { fingerprint: "AB:CD".to_owned() };
        let server = CheckedAddress { addr: "switchboard://h:1".to_owned(), trust };
        // The first attempt has not come as far as the key.
        for server in [None, Some(server.clone()), None, Some(server)] {
            supervisor.learn_server(server).await;
        }
        drop(supervisor);
        let event = told.recv().await;
        assert!(
            matches!(&event, Some(NetworkEvent::FirstContact { fingerprint }) if fingerprint == "AB:CD"),
            "{event:?}"
        );
        assert!(told.recv().await.is_none());
    }
}

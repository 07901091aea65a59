//! A session of version 2: executes requests, and passes on all that happens.

mod feed;
mod messages;
mod news;
mod requests;

use std::time::Duration;

use switchboard_client::Error;
use switchboard_client::conversations::{LinkState, NewsReceiver, Session};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use self::feed::Feeds;
pub(super) use self::feed::Unfinished;
use self::messages::{ChatRequest, Message};
use super::super::super::account_files::DEFAULT_DEVICE;
use super::super::super::cli_error::CliError;
use super::super::super::known_servers::CheckedAddress;
use super::super::conversation_id::fold;
use super::super::event::{NetworkEvent, Request, ServerInfo};
use super::attempt::{self, Connected, Login, User};
use super::failure::{self, Failure};
use super::replacement::Replacement;
use super::supervisor::End;
use super::{Output, Settings};

/// The maximum number of requests in flight, besides messages. Further ones wait in the queue of the App.
const IN_FLIGHT_MAX: usize = 256;

/// The maximum number of messages that wait for their place in the session. Further ones are refused.
const MESSAGES_MAX: usize = 1024;

/// The time between two measurements of the round trip.
pub(super) const PING_EVERY: Duration = Duration::from_secs(15);

/// The time limit for missing answers when the App has ended.
const LAST_ANSWERS_TIMEOUT: Duration = Duration::from_secs(1);

/// The settings and queues that all parts of a session share.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) settings: Settings,
    pub(super) server: CheckedAddress,
    pub(super) output: Output,
}

/// The consequence of the end of a task.
enum Done {
    Nothing,
    /// The user has left a room.
    Left(String),
    /// The messages of an earlier run are answered.
    Flushed,
}

/// A running session.
pub(super) struct Running<'a> {
    session: Session,
    link: watch::Receiver<LinkState>,
    info: ServerInfo,
    context: Context,
    feeds: Feeds,
    /// Requests in flight.
    requests: JoinSet<Done>,
    /// The tasks that send messages. They end after the last answer.
    speakers: JoinSet<()>,
    /// The other tasks that run as long as the session.
    workers: JoinSet<()>,
    messages: mpsc::Sender<Message>,
    chat: mpsc::Sender<ChatRequest>,
    replacement: Replacement,
    shows_unanswered: &'a mut bool,
}

impl<'a> Running<'a> {
    pub(super) fn start(
        session: Session,
        news: NewsReceiver,
        info: ServerInfo,
        context: Context,
        shows_unanswered: &'a mut bool,
    ) -> Self {
        let output = &context.output;
        let (mut speakers, mut workers) = (JoinSet::new(), JoinSet::new());
        let (messages, messages_rx) = mpsc::channel(MESSAGES_MAX);
        let (chat, chat_rx) = mpsc::channel(MESSAGES_MAX);
        speakers.spawn(messages::say_in_order(session.clone(), messages_rx, output.clone()));
        speakers.spawn(messages::chat_in_order(session.clone(), chat_rx, output.clone()));
        workers.spawn(news::forward(session.clone(), news, output.clone()));
        workers.spawn(measure_round_trips(session.clone(), output.clone()));
        Self {
            link: session.link(),
            info,
            feeds: Feeds::new(session.clone(), context.clone()),
            requests: JoinSet::new(),
            speakers,
            workers,
            messages,
            chat,
            replacement: Replacement::default(),
            shows_unanswered,
            session,
            context,
        }
    }

    /// Runs until the session is over. Returns the conversations that were open, too.
    pub(super) async fn run(
        mut self,
        requests: &mut mpsc::Receiver<Request>,
        unfinished: Vec<Unfinished>,
    ) -> (End, Vec<Unfinished>) {
        for unfinished in unfinished {
            self.feeds.go_on(unfinished);
        }
        self.show_connected().await;
        self.show_unanswered().await;
        let mut has_ended = false;
        let end = loop {
            tokio::select! {
                changed = self.link.changed(), if !has_ended => {
                    let state = self.link.borrow_and_update().clone();
                    if changed.is_err() || state == LinkState::Ended {
                        // A login as the same device ends this session before the other one is ready.
                        if !self.replacement.is_pending() {
                            break self.failed();
                        }
                        has_ended = true;
                    } else {
                        self.show_link(state).await;
                    }
                }
                replaced = self.replacement.result() => match replaced {
                    Ok((connected, login)) => break End::Replaced(Box::new(connected), login),
                    Err(refused) => {
                        self.context.output.send(refused).await;
                        if has_ended {
                            break self.failed();
                        }
                        // A `CLAIM` that has succeeded before its login has failed.
                        if self.info.device.is_none() && !self.session.is_guest() {
                            self.info.device = Some(DEFAULT_DEVICE.to_owned());
                            self.show_connected().await;
                        }
                    }
                },
                Some(done) = self.requests.join_next() => self.finish_request(done.unwrap_or(Done::Nothing)).await,
                request = requests.recv(), if self.requests.len() < IN_FLIGHT_MAX => match request {
                    Some(request) => self.accept(request).await,
                    None => break End::Quit,
                },
            }
        };
        let unfinished = self.finish(&end).await;
        (end, unfinished)
    }

    fn failed(&self) -> End {
        let reason = self.session.end_reason();
        let failure = reason
            .map_or_else(|| Failure::Ended("the session has ended.".to_owned()), |reason| Failure::of_session(&reason));
        End::Failed(failure)
    }

    /// Ends the session, and returns the conversations that the next one can go on with.
    async fn finish(self, end: &End) -> Vec<Unfinished> {
        let Self { session, info, feeds, mut requests, mut speakers, mut workers, messages, chat, .. } = self;
        let is_quit = matches!(end, End::Quit);
        drop((messages, chat));
        if is_quit {
            let _ = timeout(LAST_ANSWERS_TIMEOUT, join_all(&mut speakers)).await;
        }
        let is_same_user = match end {
            End::Quit => false,
            End::Replaced(connected, _) => User::of(&connected.info) == User::of(&info),
            End::Failed(_) => true,
        };
        session.close().await;
        let unfinished = if is_same_user { feeds.finish().await } else { Vec::new() };
        if !is_quit {
            // Each request and message is answered: with the reason for the end.
            join_all(&mut speakers).await;
            join_all(&mut requests).await;
            join_all(&mut workers).await;
        }
        unfinished
    }

    async fn show_link(&mut self, state: LinkState) {
        let output = &self.context.output;
        match state {
            LinkState::Connected => self.show_connected().await,
            LinkState::Connecting => output.send(NetworkEvent::Connecting).await,
            LinkState::Reconnecting { reason, delay } => {
                let reason = failure::library_sentence(&reason);
                output.send(NetworkEvent::Lost { reason, retry_in: delay }).await;
            }
            _ => {}
        }
    }

    /// The session is connected, for the first time or again.
    async fn show_connected(&mut self) {
        self.context.output.send(NetworkEvent::Connected(self.info.clone())).await;
        let (session, output) = (self.session.clone(), self.context.output.clone());
        self.requests.spawn(async move {
            // Without it, there is only the list: the server may have too many watching sessions.
            let _ = session.watch().await;
            news::list(&session, &output).await;
            let _ = measure_round_trip(&session, &output).await;
            Done::Nothing
        });
    }

    /// Shows the messages of an earlier run, and tells when they are answered.
    async fn show_unanswered(&mut self) {
        if self.session.is_guest() {
            return;
        }
        let list = self.session.unanswered().await.unwrap_or_default();
        if list.is_empty() {
            if std::mem::take(self.shows_unanswered) {
                self.context.output.send(NetworkEvent::UnansweredDone).await;
            }
            return;
        }
        if !std::mem::replace(self.shows_unanswered, true) {
            self.context.output.send(NetworkEvent::Unanswered(list)).await;
        }
        let (session, output) = (self.session.clone(), self.context.output.clone());
        self.requests.spawn(async move {
            // An error is the end of the session. The next one goes on with the messages.
            let Ok(refused) = session.flush().await else { return Done::Nothing };
            for refused in refused {
                let request = format!("SAY {} {}", refused.target, refused.text);
                output.send(NetworkEvent::Refused { request, reason: failure::sentence(&refused.error) }).await;
            }
            output.send(NetworkEvent::UnansweredDone).await;
            Done::Flushed
        });
    }

    async fn finish_request(&mut self, done: Done) {
        match done {
            Done::Nothing => {}
            Done::Flushed => *self.shows_unanswered = false,
            Done::Left(target) => {
                if self.feeds.close(&target).is_some() {
                    let closed = NetworkEvent::Closed { target, reason: "you have left it.".to_owned() };
                    let _ = self.context.output.send_record(closed).await;
                }
            }
        }
    }

    /// Begins a request.
    async fn accept(&mut self, request: Request) {
        match request {
            Request::Open { target, joins } => self.feeds.open(target, joins),
            Request::Close { target } => drop(self.feeds.close(&target)),
            Request::Say { target, text, local } => {
                if let Err(error) = self.messages.try_send(Message { target, text, local }) {
                    self.refuse_message(error.into_inner().local).await;
                }
            }
            Request::SayInChat { name, text, local } => {
                if self.chat.try_send(ChatRequest::Say { name, text, local }).is_err() {
                    self.refuse_message(local).await;
                }
            }
            Request::BeginChat { name } => self.accept_in_chat(ChatRequest::Begin { name }).await,
            Request::EndChat => self.accept_in_chat(ChatRequest::End).await,
            Request::ConnectNow => self.session.connect_now(),
            // The other session would need the outbox file of this one.
            Request::LogIn { ref name, .. } | Request::Rename { ref name } if self.is_own_account(name) => {
                let reason = format!("you are {} already.", self.info.name);
                self.context.output.refuse(request, reason).await;
            }
            Request::LogIn { ref name, ref password } => {
                let login = Login::with_password(&self.context.settings, name, password.clone());
                self.replace(&request, login);
            }
            Request::Rename { ref name } => {
                let login = Login::Stored { name: name.clone() };
                self.replace(&request, login);
            }
            Request::Claim { ref password } => {
                let (session, context, password) = (self.session.clone(), self.context.clone(), password.clone());
                let name = session.name().to_owned();
                self.replacement.start(&request, async move {
                    session.claim(password.clone()).await?;
                    // The session that has sent `CLAIM` is this device.
                    let device = context.settings.device.clone().unwrap_or_else(|| DEFAULT_DEVICE.to_owned());
                    let login = Login::Password { name, password, device };
                    context.connect(login).await
                });
            }
            // A guest has no read markers.
            Request::Read { .. } if self.session.is_guest() => {}
            request => {
                let (session, output) = (self.session.clone(), self.context.output.clone());
                self.requests.spawn(requests::execute(request, session, output));
            }
        }
    }

    async fn accept_in_chat(&mut self, request: ChatRequest) {
        if let Err(error) = self.chat.try_send(request) {
            let request = error.into_inner().words();
            self.context.output.send(NetworkEvent::Refused { request, reason: TOO_MANY.to_owned() }).await;
        }
    }

    async fn refuse_message(&mut self, local: u64) {
        let not_said = NetworkEvent::NotSaid { local, reason: TOO_MANY.to_owned(), is_unknown: false };
        self.context.output.send(not_said).await;
    }

    /// Whether this session is a device of the account `name`.
    fn is_own_account(&self, name: &str) -> bool {
        self.info.device.is_some() && fold(&self.info.name) == fold(name)
    }

    /// Begins a session that is to take the place of this one.
    fn replace(&mut self, request: &Request, login: Login) {
        let context = self.context.clone();
        self.replacement.start(request, async move { context.connect(login).await });
    }
}

impl Context {
    /// Connects once, as another user.
    pub(super) async fn connect(&self, login: Login) -> Result<(Connected, Login), CliError> {
        let connected = attempt::connect(&self.settings, &self.server, &login, &self.output).await?;
        Ok((connected, login))
    }
}

/// Why a message is refused before it has a place in the session.
const TOO_MANY: &str = "too many earlier ones are unanswered: try again later.";

async fn join_all<T: 'static>(tasks: &mut JoinSet<T>) {
    while tasks.join_next().await.is_some() {}
}

/// Measures the round trip again and again, until the session ends.
async fn measure_round_trips(session: Session, output: Output) {
    let mut link = session.link();
    let mut due = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = due.tick() => {}
            // An error is the end of the session, too.
            _ = link.wait_for(|state| *state == LinkState::Ended) => return,
        }
        if measure_round_trip(&session, &output).await.is_err() {
            return;
        }
    }
}

/// Measures the round trip, if the session is connected. Fails if it has ended.
async fn measure_round_trip(session: &Session, output: &Output) -> Result<(), Error> {
    let mut link = session.link();
    if *link.borrow_and_update() != LinkState::Connected {
        return Ok(());
    }
    tokio::select! {
        round_trip = session.ping() => {
            // The App shows only the newest one. So it gets none while it is busy.
            let _ = output.events.try_send(NetworkEvent::RoundTrip(round_trip?));
        }
        // The answer would say how long the loss has lasted.
        _ = link.changed() => {}
    }
    Ok(())
}

//! The connection of one account or guest.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use switchboard_protocol::Text;
use switchboard_protocol::limits::TEXT_MAX_BYTES;
use switchboard_protocol::version2::{Command, Reply, Target};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::control::{Answer, Control, Purpose};
use super::conversation::{Conversation, Wake};
use super::driver::{Driver, REQUESTS_MAX, Request};
use super::handshake::{self, unexpected};
use super::identity::Identity;
use super::item::Start;
use super::news::{self, NewsReceiver, NewsSender};
use super::outbox_file::{OutboxFile, StoredMessage};
use super::outgoing::{NewMessage, Outgoing};
use super::views::{EndReason, ITEMS_MAX, View};
use crate::client::CONNECT_TIMEOUT;
use crate::connection_error::ConnectionError;
use crate::error::Error;
use crate::liveness::Liveness;

/// The longest word for a conversation in bytes, and the longest SSH key. Names and rooms have at most 128 bytes.
const WORD_MAX_BYTES: usize = 128;

/// The options of [`Session::connect`].
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// The time limit for the TCP connection, and again for each answer until the session is logged in.
    pub limit: Duration,
    /// When the session notices that the server is gone.
    pub liveness: Liveness,
    /// The file in which unanswered messages of an account survive a restart. Each pair of an account's device and a
    /// server needs a file of its own. A guest needs none.
    pub outbox: Option<PathBuf>,
    /// Whether the session connects again after a lost connection. True by default.
    pub reconnect: bool,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self { limit: CONNECT_TIMEOUT, liveness: Liveness::default(), outbox: None, reconnect: true }
    }
}

/// What happens to a message if something fails before the server has answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Delivery {
    /// A guest's message is sent once. If the connection is lost before the answer, nobody knows whether it was
    /// stored: [`Error::OutcomeUnknown`].
    AtMostOnce,
    /// The message is stored once, even if connections are lost or the server restarts. It is lost if this process
    /// ends before.
    OnceUntilExit,
    /// The message is stored once, even if this process is killed: the next session with the same outbox file sends it.
    OnceAcrossRestarts,
}

/// A message that the server has refused while nobody waited for its answer, because the program has restarted or has
/// dropped the future. It is not stored.
#[derive(Debug)]
#[non_exhaustive]
pub struct RefusedMessage {
    /// The conversation, as the program wrote it.
    pub target: String,
    /// The message.
    pub text: String,
    /// Why the server refused it.
    pub error: Error,
}

/// A message that the server has not answered yet, and whose answer nobody waits for, because the program has restarted
/// or has dropped the future. The session sends it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnansweredMessage {
    /// The conversation, as the program wrote it.
    pub target: String,
    /// The message.
    pub text: String,
}

/// The state of the connection to the server.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum LinkState {
    /// Connected and logged in.
    Connected,
    /// Not connected. The session tries again.
    Reconnecting {
        /// Why the connection was lost, or the last attempt failed.
        reason: String,
        /// The time until the next attempt.
        delay: Duration,
    },
    /// An attempt to connect again has begun.
    Connecting,
    /// The session has ended.
    Ended,
}

/// The connection of one account or guest. Clones share it. It closes when the last clone and the last
/// [`Conversation`] are dropped.
///
/// Every method is cancel-safe: if its future is dropped, only the answer is lost. Methods have no time limit, and wait
/// while the connection is lost: wrap them in [`tokio::time::timeout`].
#[derive(Clone, Debug)]
pub struct Session {
    requests: mpsc::Sender<Request>,
    wake: Arc<Notify>,
    connect_now: Arc<Notify>,
    link: watch::Receiver<LinkState>,
    end_reason: Arc<OnceLock<Arc<Error>>>,
    is_account: watch::Receiver<bool>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    name: String,
    capabilities: Vec<String>,
    has_outbox_file: bool,
}

impl Session {
    /// Connects to `addr` (`HOST:PORT`), and registers or logs in. Opens the outbox file of an account, and sends its
    /// unanswered messages. Spawns the task that owns the connection on the current tokio runtime.
    ///
    /// If this first attempt fails, the session does not try again.
    pub async fn connect(addr: impl fmt::Display, identity: Identity, options: SessionOptions) -> Result<Self, Error> {
        Self::connect_and_spawn(addr, identity, options, None).await
    }

    /// Like [`Session::connect`]. The receiver gets the lines of the server that answer no request, from the first one
    /// on.
    pub async fn connect_with_news(
        addr: impl fmt::Display,
        identity: Identity,
        options: SessionOptions,
    ) -> Result<(Self, NewsReceiver), Error> {
        let (sender, receiver) = news::queue();
        Ok((Self::connect_and_spawn(addr, identity, options, Some(sender)).await?, receiver))
    }

    async fn connect_and_spawn(
        addr: impl fmt::Display,
        identity: Identity,
        options: SessionOptions,
        news: Option<NewsSender>,
    ) -> Result<Self, Error> {
        let addr = addr.to_string();
        let is_account = identity.device().is_some();
        // Before the login: a second process with the same outbox must not displace the first one.
        let file = match options.outbox.clone().filter(|_| is_account) {
            Some(path) => Some(open_outbox(path).await?),
            None => None,
        };
        let has_outbox_file = file.is_some();
        let connection = handshake::connect(&addr, &identity, options.limit, options.liveness).await?;
        let shared =
            Shared { name: connection.name.clone(), capabilities: connection.capabilities.clone(), has_outbox_file };
        let (requests, requests_rx) = mpsc::channel(REQUESTS_MAX);
        let (link_tx, link) = watch::channel(LinkState::Connected);
        let (is_account_tx, is_account) = watch::channel(is_account);
        let (wake, connect_now) = (Arc::<Notify>::default(), Arc::<Notify>::default());
        let end_reason = Arc::<OnceLock<Arc<Error>>>::default();
        let driver = Driver::new(
            addr,
            identity,
            options,
            Outgoing::new(file),
            requests_rx,
            Arc::clone(&wake),
            Arc::clone(&connect_now),
            link_tx,
            Arc::clone(&end_reason),
            is_account_tx,
            news,
        );
        tokio::spawn(driver.run(connection));
        Ok(Self { requests, wake, connect_now, link, end_reason, is_account, shared: Arc::new(shared) })
    }

    /// The name in its owner's spelling.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Whether the session has a name and no account.
    #[must_use]
    pub fn is_guest(&self) -> bool {
        !*self.is_account.borrow()
    }

    /// Whether the server keeps records on disk. Otherwise they last until it stops.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.has_capability("durable")
    }

    /// Whether the server offers something, such as `search` (`protocol.md` §14.4).
    #[must_use]
    pub fn has_capability(&self, capability: &str) -> bool {
        self.shared.capabilities.iter().any(|offered| offered == capability)
    }

    /// What happens to a message if something fails before the server has answered.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        match (*self.is_account.borrow(), self.shared.has_outbox_file) {
            (false, _) => Delivery::AtMostOnce,
            (true, false) => Delivery::OnceUntilExit,
            (true, true) => Delivery::OnceAcrossRestarts,
        }
    }

    /// The state of the connection, as it changes.
    #[must_use]
    pub fn link(&self) -> watch::Receiver<LinkState> {
        self.link.clone()
    }

    /// Why the session has ended. `None` while it goes on.
    #[must_use]
    pub fn end_reason(&self) -> Option<Arc<Error>> {
        self.end_reason.get().cloned()
    }

    /// If the session waits until its next attempt to connect, it tries now.
    pub fn connect_now(&self) {
        self.connect_now.notify_waiters();
    }

    /// Opens a conversation: `#room`, the name of an account, or `@` and its id. The session can have it open once.
    pub async fn open(&self, target: &str, start: Start) -> Result<Conversation, Error> {
        let word = check_word(target)?;
        let (items_tx, items) = mpsc::channel(ITEMS_MAX);
        let (opened_tx, opened_rx) = oneshot::channel();
        let end_reason = EndReason::default();
        // Dropping the queue and this value, in this order, tells the driver to close the conversation.
        let wake = Wake(Arc::clone(&self.wake));
        let mut conversation = Conversation::new(
            self.clone(),
            word.clone(),
            super::Position { epoch: String::new(), number: 0 },
            items,
            Arc::clone(&end_reason),
            wake,
        );
        self.send(Request::Open(View::new(word, start, items_tx, end_reason, opened_tx))).await?;
        let opened = opened_rx.await.unwrap_or_else(|_| Err(self.ended()))?;
        conversation.set_opened(opened);
        Ok(conversation)
    }

    /// Says `text` in a conversation that need not be open. Returns the number of its record. The server trims white
    /// space at the end of `text`. [`Session::delivery`] says what happens if something fails.
    ///
    /// If the server cannot store the message now, the session tries again. If the future is dropped, the message
    /// may still be sent. At most 1,024 messages of a conversation may be unanswered.
    pub async fn say(&self, target: &str, text: &str) -> Result<u64, Error> {
        self.queue(target, text).await?.said().await
    }

    /// Like [`Session::say`], and returns once the message has its place before later ones.
    /// [`QueuedMessage::said`] waits for the answer.
    pub async fn queue(&self, target: &str, text: &str) -> Result<QueuedMessage, Error> {
        if text.trim().is_empty() {
            return Err(Error::Blank);
        }
        let target = check_word(target)?;
        // A line that is too long would be refused without the number of its message.
        let text = Text::new(text, TEXT_MAX_BYTES)?;
        let answer = if *self.is_account.borrow() {
            let message = StoredMessage { target, text: text.as_str().to_owned() };
            let (said_tx, said_rx) = oneshot::channel();
            self.send(Request::Say(NewMessage { message, said_tx })).await?;
            SayAnswer::Numbered(said_rx)
        } else {
            let command = Command::Say { target: Target::new(&target), text }.into_owned();
            let (answer_tx, answer_rx) = oneshot::channel();
            self.send(Request::Control(Control::new(command, Purpose::Answer(answer_tx), false))).await?;
            SayAnswer::OfGuest(answer_rx)
        };
        Ok(QueuedMessage { session: self.clone(), answer })
    }

    /// The messages that the server has not answered yet and whose answers nobody waits for, in their order. After a
    /// restart of the program, these are the messages of the outbox file. [`Session::flush`] waits until they are
    /// answered.
    pub async fn unanswered(&self) -> Result<Vec<UnansweredMessage>, Error> {
        let (list_tx, list_rx) = oneshot::channel();
        self.send(Request::Unanswered(list_tx)).await?;
        list_rx.await.map_err(|_| self.ended())
    }

    /// Waits until the server has answered all messages, also those of an earlier session. Returns the messages that
    /// the server has refused since the last call, while nobody waited for their answers: at most 1,024.
    pub async fn flush(&self) -> Result<Vec<RefusedMessage>, Error> {
        let (flushed_tx, flushed_rx) = oneshot::channel();
        self.send(Request::Flush(flushed_tx)).await?;
        flushed_rx.await.unwrap_or_else(|_| Err(self.ended()))
    }

    /// Closes the connection of all clones, and waits until it is closed. Unanswered messages stay in the outbox file.
    pub async fn close(self) {
        // This fails if the session has ended.
        let _ = self.requests.send(Request::Close).await;
        self.requests.closed().await;
    }

    pub(super) async fn send(&self, request: Request) -> Result<(), Error> {
        self.requests.send(request).await.map_err(|_| self.ended())
    }

    /// The error after the end of the session.
    pub(crate) fn ended(&self) -> Error {
        self.end_reason
            .get()
            .map_or(Error::Closed(ConnectionError::ClosedLocally), |reason| Error::Ended(Arc::clone(reason)))
    }
}

/// A message that has its place among the messages of its conversation. From [`Session::queue`].
///
/// If it is dropped, the message may still be sent.
#[derive(Debug)]
pub struct QueuedMessage {
    session: Session,
    answer: SayAnswer,
}

#[derive(Debug)]
enum SayAnswer {
    Numbered(oneshot::Receiver<Result<u64, Error>>),
    OfGuest(oneshot::Receiver<Result<Answer, Error>>),
}

impl QueuedMessage {
    /// Waits until the server has stored the message. Returns the number of its record.
    pub async fn said(self) -> Result<u64, Error> {
        let ended = |_| Err(self.session.ended());
        match self.answer {
            SayAnswer::Numbered(said_rx) => said_rx.await.unwrap_or_else(ended),
            SayAnswer::OfGuest(answer_rx) => {
                match answer_rx.await.unwrap_or_else(|_| Err(self.session.ended()))?.last {
                    Reply::Said { seq, .. } => Ok(seq),
                    other => Err(unexpected("SAY", &other)),
                }
            }
        }
    }
}

async fn open_outbox(path: PathBuf) -> Result<OutboxFile, Error> {
    let opening = tokio::task::spawn_blocking(move || OutboxFile::open(&path)).await;
    opening.map_err(std::io::Error::other).flatten().map_err(|source| Error::Outbox { source })
}

/// Checks that a target stays one word of a line.
pub(super) fn check_word(word: &str) -> Result<String, Error> {
    let text = Text::new(word, WORD_MAX_BYTES)?;
    if text.as_str().is_empty() || text.as_str().contains(' ') {
        return Err(Error::NotAWord { word: crate::sanitize(word).into_owned() });
    }
    Ok(text.as_str().to_owned())
}

//! The open conversations: passes on the records of each.

use std::future::ready;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use switchboard_client::conversations::{Conversation, Item, LinkState, Position, Session, Start};
use switchboard_client::{ConnectionError, Error, ErrorCode};
use switchboard_protocol::version2::NUMBER_MAX;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::super::super::conversation_id::ConversationId;
use super::super::super::event::{NetworkEvent, OpenedConversation, Request};
use super::super::Output;
use super::super::failure::sentence;
use super::Context;

/// The number of records before the opening of a conversation: some screens.
const HISTORY_RECORDS: u64 = 100;

/// The maximum number of items in one event. With at most eight events in the queue, this bounds the records that wait
/// for the App.
const BATCH_MAX: usize = 256;

/// The bytes of text in one event above which it takes no further item.
const BATCH_BYTES: usize = 256 * 1024;

/// All open conversations.
#[derive(Debug)]
pub(super) struct Feeds {
    session: Session,
    context: Context,
    list: Vec<Feed>,
}

#[derive(Debug)]
struct Feed {
    asked: ConversationId,
    /// The conversation, once it is open.
    name: Arc<OnceLock<ConversationId>>,
    task: JoinHandle<Option<Unfinished>>,
}

/// A conversation that was open when its session ended. The next session goes on with it.
#[derive(Debug)]
pub(in super::super) struct Unfinished {
    pub(in super::super) target: String,
    beginning: Beginning,
}

/// How a conversation begins.
#[derive(Clone, Debug)]
enum Beginning {
    /// With its last records. `joins`: the user becomes a member first.
    Open { joins: bool },
    /// After the last record that the App has.
    After(Position),
}

impl Feeds {
    pub(super) fn new(session: Session, context: Context) -> Self {
        Self { session, context, list: Vec::new() }
    }

    pub(super) fn open(&mut self, target: String, joins: bool) {
        self.go_on(Unfinished { target, beginning: Beginning::Open { joins } });
    }

    /// Opens a conversation, if necessary in the place of the same one.
    pub(super) fn go_on(&mut self, unfinished: Unfinished) {
        let earlier = self.close(&unfinished.target);
        self.list.retain(|feed| !feed.task.is_finished());
        let (asked, name) = (ConversationId::of_target(&unfinished.target), Arc::<OnceLock<_>>::default());
        let feeding = Feeding {
            session: self.session.clone(),
            output: self.context.output.clone(),
            limit: self.context.settings.limit,
            name: Arc::clone(&name),
        };
        let task = tokio::spawn(async move {
            if let Some(earlier) = earlier {
                // The session can have a conversation open once.
                let _ = earlier.await;
            }
            feeding.run(unfinished).await
        });
        self.list.push(Feed { asked, name, task });
    }

    /// Closes a conversation. Returns its task, which is ending, if the conversation was open.
    pub(super) fn close(&mut self, target: &str) -> Option<JoinHandle<Option<Unfinished>>> {
        let id = ConversationId::of_target(target);
        let is_named = |feed: &Feed| feed.asked == id || feed.name.get() == Some(&id);
        let index = self.list.iter().position(|feed| is_named(feed) && !feed.task.is_finished())?;
        let task = self.list.swap_remove(index).task;
        task.abort();
        Some(task)
    }

    /// The session has ended. Waits until the App has all records so far, and returns the conversations that were open.
    pub(super) async fn finish(mut self) -> Vec<Unfinished> {
        let mut unfinished = Vec::new();
        for feed in self.list.drain(..) {
            unfinished.extend(feed.task.await.ok().flatten());
        }
        unfinished
    }
}

impl Drop for Feeds {
    fn drop(&mut self) {
        for feed in &self.list {
            feed.task.abort();
        }
    }
}

/// The task of one conversation.
struct Feeding {
    session: Session,
    output: Output,
    limit: Duration,
    name: Arc<OnceLock<ConversationId>>,
}

impl Feeding {
    /// Passes on records until the conversation is over. Returns the position if the session has ended.
    async fn run(&self, Unfinished { target: asked, beginning }: Unfinished) -> Option<Unfinished> {
        let opened = match &beginning {
            Beginning::Open { joins } => self.open(&asked, *joins).await,
            Beginning::After(position) => self.session.open(&asked, Start::After(position.clone())).await,
        };
        let mut conversation = match opened {
            Ok(conversation) => conversation,
            Err(_) if self.has_ended() => return Some(Unfinished { target: asked, beginning }),
            Err(error) => {
                self.tell_closed(asked, &error).await;
                return None;
            }
        };
        let target = conversation.target().to_owned();
        let _ = self.name.set(ConversationId::of_target(&target));
        if let Beginning::Open { .. } = beginning {
            self.show_opened(asked, &conversation).await?;
        }
        loop {
            let error = self.pass_on(&target, &mut conversation).await?;
            let position = conversation.position().clone();
            if self.has_ended() {
                return Some(Unfinished { target, beginning: Beginning::After(position) });
            }
            let Some(entered) = self.enter_again(&target, position, &error).await else {
                self.tell_closed(target, &error).await;
                return None;
            };
            conversation = entered;
        }
    }

    fn has_ended(&self) -> bool {
        *self.session.link().borrow() == LinkState::Ended
    }

    /// Opens a conversation, after the user has become a member if this is wanted.
    async fn open(&self, target: &str, joins: bool) -> Result<Conversation, Error> {
        if !joins {
            return self.session.open(target, Start::Now).await;
        }
        self.enter(target, Start::Now).await
    }

    /// Joins a room, and opens it.
    async fn enter(&self, room: &str, start: Start) -> Result<Conversation, Error> {
        let joined = self.session.join(room).await;
        match joined {
            // A room that only its members may join can still be readable.
            Ok(_) | Err(Error::Refused { code: ErrorCode::NotAllowed | ErrorCode::NotLoggedIn, .. }) => {}
            Err(error) => return Err(error),
        }
        self.session.open(room, start).await.map_err(|error| joined.err().unwrap_or(error))
    }

    /// Passes on the last records before the opening. Returns `None` if the App has ended.
    async fn show_opened(&self, asked: String, conversation: &Conversation) -> Option<()> {
        let (target, position) = (conversation.target().to_owned(), conversation.position().clone());
        let before = (position.number + 1).min(NUMBER_MAX);
        let history = match position.number {
            0 => Ok(Vec::new()),
            _ => self.session.history(&target, before, HISTORY_RECORDS).await,
        };
        let items = match history {
            Ok(items) => items,
            Err(error) => {
                let request = Request::Older { target: target.clone(), before, count: HISTORY_RECORDS };
                self.output.refuse(request, sentence(&error)).await;
                Vec::new()
            }
        };
        let opened = OpenedConversation { asked, target, epoch: position.epoch, last: position.number, items };
        self.output.send_record(NetworkEvent::Opened(opened)).await.ok()
    }

    /// Passes on records in batches until the conversation ends. Returns the reason, or `None` if the App has ended.
    async fn pass_on(&self, target: &str, conversation: &mut Conversation) -> Option<Error> {
        loop {
            let (items, error) = next_batch(conversation).await;
            if !items.is_empty() {
                let items = NetworkEvent::Items { target: target.to_owned(), items };
                self.output.send_record(items).await.ok()?;
            }
            if error.is_some() {
                return error;
            }
        }
    }

    /// Enters the room again if the server has forgotten it, as a server without a disk does when it restarts. Only for
    /// a guest: an account would become a member again, perhaps after a moderator has removed it.
    async fn enter_again(&self, target: &str, position: Position, error: &Error) -> Option<Conversation> {
        let is_forgotten = |error: &Error| {
            matches!(error, Error::Refused { code: ErrorCode::NotAMember | ErrorCode::RoomNotFound, .. })
        };
        let is_room = target.starts_with('#');
        if !is_room || !self.session.is_guest() || !matches!(error, Error::Ended(reason) if is_forgotten(reason)) {
            return None;
        }
        timeout(self.limit, self.enter(target, Start::After(position))).await.ok()?.ok()
    }

    async fn tell_closed(&self, target: String, error: &Error) {
        let reason = sentence(error);
        let event = match error {
            Error::Refused { code: ErrorCode::UserNotFound, .. } => NetworkEvent::NoAccount { target, reason },
            _ => NetworkEvent::Closed { target, reason },
        };
        // It fails if the App has ended.
        let _ = self.output.send_record(event).await;
    }
}

/// Waits for items, and takes all that are there. The error, if any, is the end of the conversation.
async fn next_batch(conversation: &mut Conversation) -> (Vec<Item>, Option<Error>) {
    let mut items = Vec::new();
    let mut n_bytes = 0;
    let mut next = conversation.next().await;
    loop {
        match next {
            Some(Ok(item)) => {
                if let Item::Record(record) = &item {
                    n_bytes += record.text.len();
                }
                items.push(item);
            }
            Some(Err(error)) => return (items, Some(error)),
            None => return (items, Some(ConnectionError::ClosedLocally.into())),
        }
        if items.len() >= BATCH_MAX || n_bytes >= BATCH_BYTES {
            return (items, None);
        }
        next = tokio::select! {
            biased;
            next = conversation.next() => next,
            () = ready(()) => return (items, None),
        };
    }
}

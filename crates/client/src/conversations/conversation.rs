//! One open conversation.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::sync::{Notify, mpsc};

use super::item::{Item, Position};
use super::session::Session;
use super::views::{EndReason, ITEMS_MAX, Opened, QueuedItem, REOPEN_FREE};
use crate::error::Error;

/// One open conversation: yields its records and gaps in order, and sends messages.
///
/// After a lost connection it continues after the last item that it has received: it yields no record twice, and
/// leaves none out without a [`Gap`](super::Gap). Only after a gap with the numbers 0 it may yield records again.
/// Dropping it closes the conversation on the server.
#[derive(Debug)]
pub struct Conversation {
    session: Session,
    target: String,
    items: mpsc::Receiver<QueuedItem>,
    position: Position,
    end_reason: EndReason,
    wake: Wake,
    has_ended: bool,
}

/// Tells the driver when a queue has room, or when its reader is gone.
#[derive(Debug)]
pub(crate) struct Wake(pub(crate) Arc<Notify>);

impl Drop for Wake {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Conversation {
    pub(crate) fn new(
        session: Session,
        target: String,
        position: Position,
        items: mpsc::Receiver<QueuedItem>,
        end_reason: EndReason,
        wake: Wake,
    ) -> Self {
        Self { session, target, items, position, end_reason, wake, has_ended: false }
    }

    pub(crate) fn set_opened(&mut self, opened: Opened) {
        self.target = opened.target;
        self.position = opened.position;
    }

    /// The name of the room, or of the other account, in its owner's spelling.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The position after the last item that [`Conversation::next`] has returned. A program that keeps it can continue
    /// there with [`Start::After`](super::Start::After).
    #[must_use]
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Waits for the next item. Returns an error as the last item: the session has ended, or the server has closed the
    /// conversation, because this account may not read it any more.
    ///
    /// Cancel-safe: dropping the future loses no item.
    pub async fn next(&mut self) -> Option<Result<Item, Error>> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    /// Says `text` in this conversation. See [`Session::say`].
    pub async fn say(&self, text: &str) -> Result<u64, Error> {
        self.session.say(&self.target, text).await
    }

    /// The session of this conversation.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Item, Error>>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        self.items.poll_recv(context).map(|queued| {
            let Some((item, position)) = queued else {
                self.has_ended = true;
                let reason = self.end_reason.get().map(Arc::clone);
                return Some(Err(reason.map_or_else(|| self.session.ended(), Error::Ended)));
            };
            self.position = position;
            if self.items.len() == ITEMS_MAX - REOPEN_FREE {
                self.wake.0.notify_one();
            }
            Some(Ok(item))
        })
    }
}

impl Stream for Conversation {
    type Item = Result<Item, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll(context)
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        // The queue is closed before `wake` tells the driver to look at it.
        self.items.close();
    }
}

//! The news of a session: lines of the server that answer no request.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::item::{ConversationInfo, Record};

/// The maximum number of news in the queue, besides the mark for further ones.
pub(crate) const NEWS_MAX: usize = 1024;

/// A line of the server that answers no request. Names and texts are unchecked: pass them to
/// [`sanitize`](crate::sanitize()) before you print them on a terminal.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum News {
    /// A conversation that is not open in this session has new records, or a new epoch.
    Conversation(ConversationInfo),
    /// Another device of the account has moved the read marker.
    ReadMoved {
        /// The conversation.
        target: String,
        /// Where the marker is now.
        seq: u64,
    },
    /// A name is in use from now on. Comes after [`Session::watch`](super::Session::watch).
    Came {
        /// The name.
        name: String,
    },
    /// A name is not in use any more. Comes after [`Session::watch`](super::Session::watch).
    Gone {
        /// The name.
        name: String,
    },
    /// The server tells the person something: a word of its operator, or why an earlier session was ended.
    Notice {
        /// The text.
        text: String,
    },
    /// This account was invited into a room that is not open in this session. The author of the record has invited it.
    Invited(Record),
    /// A chat of version 1 has begun.
    ChatBegan {
        /// The peer's name.
        name: String,
        /// Whether the peer has opened it.
        is_incoming: bool,
    },
    /// A message of a chat of version 1, or of a user of the line dialect. It is stored nowhere.
    ChatMessage {
        /// The sender's name.
        name: String,
        /// The text.
        text: String,
    },
    /// The chat of version 1 is over.
    ChatEnded {
        /// Whether the peer has left or is gone. Otherwise this session has ended the chat, or has lost its connection.
        by_peer: bool,
    },
    /// The program did not take the news in time: so many of them are missing here. The lists of the session
    /// ([`Session::conversations`](super::Session::conversations), [`Session::who`](super::Session::who)) tell the
    /// present state. Messages of a chat are lost.
    Missed {
        /// The number of missing news.
        count: u64,
    },
}

impl News {
    /// Whether `self`, which waits in the queue, says nothing more than the later `other`.
    fn is_replaced_by(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Conversation(earlier), Self::Conversation(later)) => earlier.target == later.target,
            (Self::ReadMoved { target: earlier, .. }, Self::ReadMoved { target: later, .. }) => earlier == later,
            _ => false,
        }
    }
}

/// The news of one session, in the order of the lines. From
/// [`Session::connect_with_news`](super::Session::connect_with_news).
///
/// The queue holds at most 1,024 news. Of a conversation, it holds only the newest [`News::Conversation`] and the newest
/// [`News::ReadMoved`]. If it is full, [`News::Missed`] takes the place of further ones. News from before a lost
/// connection and from after it are in one stream: [`Session::link`](super::Session::link) tells of the loss.
#[derive(Debug)]
pub struct NewsReceiver(Arc<Queue>);

/// The end of the queue that the driver holds.
#[derive(Debug)]
pub(crate) struct NewsSender(Arc<Queue>);

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    /// The queue has news, or the session has ended.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    news: VecDeque<News>,
    has_ended: bool,
    /// Whether the receiver was dropped.
    is_unwanted: bool,
}

/// Creates an empty queue.
pub(crate) fn queue() -> (NewsSender, NewsReceiver) {
    let queue = Arc::<Queue>::default();
    (NewsSender(Arc::clone(&queue)), NewsReceiver(queue))
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NewsReceiver {
    /// Waits for the next news. Returns `None` after the end of the session.
    ///
    /// Cancel-safe: dropping the future loses no news.
    pub async fn next(&mut self) -> Option<News> {
        loop {
            {
                let mut state = self.0.lock();
                if let Some(news) = state.news.pop_front() {
                    return Some(news);
                }
                if state.has_ended {
                    return None;
                }
            }
            self.0.changed.notified().await;
        }
    }
}

impl Drop for NewsReceiver {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_unwanted = true;
        state.news = VecDeque::new();
    }
}

impl NewsSender {
    /// Adds news, or counts them as missed.
    pub(crate) fn push(&self, news: News) {
        let mut state = self.0.lock();
        if state.is_unwanted {
            return;
        }
        let is_state = matches!(news, News::Conversation(_) | News::ReadMoved { .. });
        if is_state && let Some(earlier) = state.news.iter_mut().find(|earlier| earlier.is_replaced_by(&news)) {
            *earlier = news;
            return;
        }
        if state.news.len() < NEWS_MAX {
            state.news.push_back(news);
        } else if let Some(News::Missed { count }) = state.news.back_mut() {
            *count += 1;
        } else {
            state.news.push_back(News::Missed { count: 1 });
        }
        drop(state);
        self.0.changed.notify_one();
    }
}

impl Drop for NewsSender {
    fn drop(&mut self) {
        self.0.lock().has_ended = true;
        self.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conversation(target: &str, last: u64) -> News {
        let (target, epoch) = (target.to_owned(), "e1".to_owned());
        News::Conversation(ConversationInfo { target, epoch, first: 1, last, read: 0 })
    }

    fn message(number: usize) -> News {
        News::ChatMessage { name: "Elias".to_owned(), text: number.to_string() }
    }

    #[tokio::test]
    async fn a_slow_program_gets_the_newest_state_and_the_number_of_missed_news() {
        let (sender, mut receiver) = queue();
        let moved = |seq| News::ReadMoved { target: "#lab".to_owned(), seq };
        sender.push(conversation("#lab", 1));
        sender.push(moved(1));
        for number in 2..NEWS_MAX + 3 {
            sender.push(message(number));
        }
        // State that waits in the queue is brought up to date even if the queue is full.
        sender.push(conversation("#lab", 9));
        sender.push(conversation("#old", 1));
        sender.push(moved(9));
        assert_eq!(receiver.next().await, Some(conversation("#lab", 9)));
        assert_eq!(receiver.next().await, Some(moved(9)));
        for number in 2..NEWS_MAX {
            assert_eq!(receiver.next().await, Some(message(number)));
        }
        // News that come when there is room again follow the mark.
        sender.push(message(7));
        drop(sender);
        for expected in [Some(News::Missed { count: 4 }), Some(message(7)), None, None] {
            assert_eq!(receiver.next().await, expected);
        }
    }

    #[test]
    fn a_dropped_receiver_costs_no_memory() {
        let (sender, receiver) = queue();
        sender.push(message(1));
        drop(receiver);
        sender.push(message(2));
        assert_eq!(sender.0.lock().news.capacity(), 0);
    }
}

//! Messages on their way to the server.
//!
//! A message of an account has a number `n`, which rises. The server stores a number at most once, so the session sends
//! a message again, with the same number, until the server has answered. The numbers are microseconds since 1970 where
//! possible: a device whose outbox file is lost then begins above all its earlier numbers.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime};

use switchboard_protocol::version2::{Command, Request, Target};
use switchboard_protocol::{ErrorCode, Text};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::outbox_file::{OutboxFile, StoredMessage};
use super::session::{RefusedMessage, UnansweredMessage};
use crate::backoff::Backoff;
use crate::error::Error;

/// The maximum number of unanswered messages in a conversation. The server finds no older number.
pub(crate) const UNANSWERED_MAX: usize = 1024;

/// The ceiling of the first delay after the server could not store a message.
const FIRST_DELAY_MAX: Duration = Duration::from_millis(200);

/// The ceiling of all delays after the server could not store a message.
const DELAY_MAX: Duration = Duration::from_secs(10);

/// Gets the refused messages once no message is unanswered.
pub(crate) type FlushedSender = oneshot::Sender<Result<Vec<RefusedMessage>, Error>>;

pub(crate) type SaidSender = oneshot::Sender<Result<u64, Error>>;

/// A new message.
#[derive(Debug)]
pub(crate) struct NewMessage {
    pub(crate) message: StoredMessage,
    pub(crate) said_tx: SaidSender,
}

/// All unanswered messages.
#[derive(Debug)]
pub(crate) struct Outgoing {
    file: Option<OutboxFile>,
    last_n: u64,
    /// By the word for the conversation. Two words for one conversation are two lanes: the numbers rise in both.
    lanes: BTreeMap<String, Lane>,
    /// The lane of each number.
    lane_of: BTreeMap<u64, String>,
    /// The program waits until no message is left.
    flushed: Vec<FlushedSender>,
    /// The refused messages whose answers nobody took.
    refused: Vec<RefusedMessage>,
}

#[derive(Debug)]
struct Lane {
    /// In the order of their numbers. The first one is not answered.
    messages: VecDeque<Message>,
    backoff: Backoff,
    /// The server could not store a message. The lane waits until then.
    paused_until: Option<Instant>,
}

#[derive(Debug)]
struct Message {
    n: u64,
    text: String,
    /// `None` if the program does not wait for the answer: it has restarted.
    said_tx: Option<SaidSender>,
    state: State,
    /// Whether this is its second number, after `STALE`.
    is_renumbered: bool,
    /// Whether another message has taken its place.
    is_replaced: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    ToSend,
    Sent,
    Answered,
}

impl Outgoing {
    /// Begins with the unanswered messages of the file.
    pub(crate) fn new(file: Option<OutboxFile>) -> Self {
        let mut outgoing = Self {
            file: None,
            last_n: 0,
            lanes: BTreeMap::new(),
            lane_of: BTreeMap::new(),
            flushed: Vec::new(),
            refused: Vec::new(),
        };
        for (n, message) in file.iter().flat_map(OutboxFile::unanswered) {
            outgoing.push(n, message.clone(), None, false);
            outgoing.last_n = n;
        }
        outgoing.file = file;
        outgoing
    }

    /// Adds messages. They are on the disk before this returns, if there is an outbox file.
    pub(crate) async fn add(&mut self, new: Vec<NewMessage>) {
        let mut accepted: Vec<(u64, NewMessage)> = Vec::new();
        for new in new {
            let target = &new.message.target;
            let waiting = accepted.iter().filter(|(_, other)| other.message.target == *target).count();
            let in_lane = self.lanes.get(target).map_or(0, |lane| lane.messages.len());
            if waiting + in_lane >= UNANSWERED_MAX {
                let _ = new.said_tx.send(Err(Error::TooManyUnanswered { max: UNANSWERED_MAX }));
                continue;
            }
            accepted.push((self.next_n(), new));
        }
        let stored = accepted.iter().map(|(n, new)| (*n, new.message.clone())).collect();
        let result = if accepted.is_empty() { Ok(()) } else { self.write_file(|file| file.append(stored)).await };
        match result {
            Ok(()) => {
                for (n, new) in accepted {
                    self.push(n, new.message, Some(new.said_tx), false);
                }
            }
            Err(error) => {
                let reason = error.to_string();
                for (_, new) in accepted {
                    let source = std::io::Error::new(error.kind(), reason.clone());
                    let _ = new.said_tx.send(Err(Error::Outbox { source }));
                }
            }
        }
    }

    /// Runs `write` on the file, if there is one, in a thread for blocking calls.
    async fn write_file(
        &mut self,
        write: impl FnOnce(&mut OutboxFile) -> std::io::Result<()> + Send + 'static,
    ) -> std::io::Result<()> {
        let Some(mut file) = self.file.take() else { return Ok(()) };
        let writing = tokio::task::spawn_blocking(move || {
            let result = write(&mut file);
            (file, result)
        });
        match writing.await {
            Ok((file, result)) => {
                self.file = Some(file);
                result
            }
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(std::io::Error::other("the program is ending")),
            },
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a number must be above those of all earlier processes")]
    fn next_n(&mut self) -> u64 {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.last_n = (self.last_n + 1).max(u64::try_from(now.as_micros()).unwrap_or(0));
        self.last_n
    }

    fn push(&mut self, n: u64, message: StoredMessage, said_tx: Option<SaidSender>, is_renumbered: bool) {
        let StoredMessage { target, text } = message;
        self.lane_of.insert(n, target.clone());
        let lane = self.lanes.entry(target).or_insert_with(|| Lane {
            messages: VecDeque::new(),
            backoff: Backoff::new(FIRST_DELAY_MAX, DELAY_MAX, fastrand::u64(..)),
            paused_until: None,
        });
        lane.messages.push_back(Message { n, text, said_tx, state: State::ToSend, is_renumbered, is_replaced: false });
    }

    /// Appends the lines of messages that are due, until `out` has `max_bytes`.
    pub(crate) fn write_due(&mut self, out: &mut Vec<u8>, max_bytes: usize, now: Instant) {
        for (target, lane) in &mut self.lanes {
            if lane.paused_until.is_some_and(|until| now < until) {
                continue;
            }
            lane.paused_until = None;
            for message in lane.messages.iter_mut().filter(|message| message.state == State::ToSend) {
                if out.len() >= max_bytes {
                    return;
                }
                // The text was checked when the program gave it, and in the file nobody else writes.
                if let Ok(text) = Text::new(&message.text, usize::MAX) {
                    let command = Command::Say { target: Target::new(target), text };
                    let _ = Request { n: Some(message.n), command }.encode(out);
                }
                message.state = State::Sent;
            }
        }
    }

    /// When the next paused lane goes on.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.lanes.values().filter_map(|lane| lane.paused_until).min()
    }

    /// The server has stored a message.
    pub(crate) fn said(&mut self, n: u64, seq: u64) {
        self.answer(n, Ok(seq));
    }

    /// The server has refused a message, or could not store it.
    pub(crate) async fn refused(&mut self, n: u64, error: Error) {
        let code = match &error {
            Error::Refused { code, .. } => Some(*code),
            _ => None,
        };
        match code {
            // The outcome is unknown. The same number finds out.
            Some(ErrorCode::Unavailable) => self.pause_lane(n),
            // A later message was stored, and this one was not: the server has looked through more numbers than are
            // ever unanswered.
            Some(ErrorCode::Stale) => self.renumber(n, error).await,
            _ => self.answer(n, Err(error)),
        }
    }

    fn pause_lane(&mut self, n: u64) {
        let Some(lane) = self.lane_of.get(&n).and_then(|target| self.lanes.get_mut(target)) else { return };
        if let Some(message) = lane.messages.iter_mut().find(|message| message.n == n && message.state == State::Sent) {
            message.state = State::ToSend;
            if lane.paused_until.is_none() {
                lane.paused_until = Some(Instant::now() + lane.backoff.next_delay());
            }
        }
    }

    /// Gives a message a new number, at most once.
    async fn renumber(&mut self, n: u64, error: Error) {
        let Some(target) = self.lane_of.get(&n).cloned() else { return };
        let Some(lane) = self.lanes.get_mut(&target) else { return };
        let Some(message) = lane.messages.iter_mut().find(|message| message.n == n) else { return };
        if message.is_renumbered || message.state == State::Answered {
            self.answer(n, Err(error));
            return;
        }
        let stored = StoredMessage { target, text: message.text.clone() };
        let said_tx = message.said_tx.take();
        message.is_replaced = true;
        let new_n = self.next_n();
        match (self.write_file(move |file| file.renumber(n, new_n)).await, said_tx) {
            (Ok(()), said_tx) => self.push(new_n, stored, said_tx, true),
            (Err(source), Some(said_tx)) => {
                let _ = said_tx.send(Err(Error::Outbox { source }));
            }
            (Err(source), None) => {
                let StoredMessage { target, text } = stored;
                self.refused.push(RefusedMessage { target, text, error: Error::Outbox { source } });
            }
        }
        self.answer(n, Err(error));
    }

    fn answer(&mut self, n: u64, result: Result<u64, Error>) {
        let Some(target) = self.lane_of.remove(&n) else { return };
        if let Some(file) = &mut self.file {
            file.remove(n);
        }
        if let Some(lane) = self.lanes.get_mut(&target) {
            if result.is_ok() {
                lane.backoff.reset();
            }
            if let Some(message) = lane.messages.iter_mut().find(|message| message.n == n) {
                message.state = State::Answered;
                let not_taken = match message.said_tx.take() {
                    // This fails if the future of the program was dropped.
                    Some(said_tx) => said_tx.send(result).err(),
                    // The text is in the message of the new number.
                    None if message.is_replaced => None,
                    None => Some(result),
                };
                if let Some(Err(error)) = not_taken
                    && self.refused.len() < UNANSWERED_MAX
                {
                    let (target, text) = (target.clone(), std::mem::take(&mut message.text));
                    self.refused.push(RefusedMessage { target, text, error });
                }
            }
            while lane.messages.front().is_some_and(|message| message.state == State::Answered) {
                lane.messages.pop_front();
            }
            if lane.messages.is_empty() {
                self.lanes.remove(&target);
            }
        }
        self.complete_flush();
    }

    /// After a lost connection, all messages in flight are sent again.
    pub(crate) fn connection_lost(&mut self) {
        for lane in self.lanes.values_mut() {
            lane.paused_until = None;
            for message in lane.messages.iter_mut().filter(|message| message.state == State::Sent) {
                message.state = State::ToSend;
            }
        }
    }

    /// The messages whose answers nobody waits for, in the order of their numbers: those of an earlier session, and
    /// those whose future was dropped.
    pub(crate) fn unanswered(&self) -> Vec<UnansweredMessage> {
        let lanes = self.lanes.iter();
        let messages = lanes.flat_map(|(target, lane)| lane.messages.iter().map(move |message| (target, message)));
        let mut unanswered: Vec<_> = messages
            .filter(|(_, message)| message.state != State::Answered && !message.is_replaced)
            .filter(|(_, message)| message.said_tx.as_ref().is_none_or(oneshot::Sender::is_closed))
            .collect();
        unanswered.sort_by_key(|(_, message)| message.n);
        let to_owned = |(target, message): (&String, &Message)| UnansweredMessage {
            target: target.clone(),
            text: message.text.clone(),
        };
        unanswered.into_iter().map(to_owned).collect()
    }

    /// Answers `flushed` once no message is left.
    pub(crate) fn flush(&mut self, flushed: FlushedSender) {
        self.flushed.push(flushed);
        self.complete_flush();
    }

    fn complete_flush(&mut self) {
        if self.lanes.is_empty() {
            for flushed in self.flushed.drain(..) {
                let _ = flushed.send(Ok(std::mem::take(&mut self.refused)));
            }
        }
    }

    /// The number of unanswered messages.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.lane_of.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(target: &str, text: &str) -> (NewMessage, oneshot::Receiver<Result<u64, Error>>) {
        let (said_tx, said_rx) = oneshot::channel();
        (NewMessage { message: StoredMessage { target: target.to_owned(), text: text.to_owned() }, said_tx }, said_rx)
    }

    fn due(outgoing: &mut Outgoing, now: Instant) -> Vec<String> {
        let mut out = Vec::new();
        outgoing.write_due(&mut out, usize::MAX, now);
        String::from_utf8(out).expect("lines are UTF-8").lines().map(str::to_owned).collect()
    }

    fn n_of(line: &str) -> u64 {
        line.strip_prefix("@n=").and_then(|rest| rest.split(' ').next()).expect("a number").parse().expect("a number")
    }

    fn refused(code: ErrorCode) -> Error {
        Error::Refused { code, detail: None }
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_keeps_its_number_until_it_is_answered() {
        let mut outgoing = Outgoing::new(None);
        let (new, mut said) = message("#lab", "hello");
        outgoing.add(vec![new]).await;
        let first = due(&mut outgoing, Instant::now());
        assert!(first[0].ends_with(" SAY #lab hello"), "{first:?}");
        assert!(due(&mut outgoing, Instant::now()).is_empty(), "it is in flight");
        outgoing.connection_lost();
        assert_eq!(due(&mut outgoing, Instant::now()), first);
        outgoing.refused(n_of(&first[0]), refused(ErrorCode::Unavailable)).await;
        assert!(due(&mut outgoing, Instant::now()).is_empty(), "the lane pauses");
        let later = outgoing.next_due().expect("the lane goes on");
        assert_eq!(due(&mut outgoing, later), first);
        outgoing.said(n_of(&first[0]), 7);
        assert!(matches!(said.try_recv(), Ok(Ok(7))));
        assert_eq!(outgoing.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_skipped_number_is_replaced_once() {
        let mut outgoing = Outgoing::new(None);
        let (new, mut said) = message("#lab", "hello");
        outgoing.add(vec![new]).await;
        let first = due(&mut outgoing, Instant::now());
        outgoing.refused(n_of(&first[0]), refused(ErrorCode::Stale)).await;
        let second = due(&mut outgoing, Instant::now());
        assert!(n_of(&second[0]) > n_of(&first[0]));
        outgoing.refused(n_of(&second[0]), refused(ErrorCode::Stale)).await;
        assert!(matches!(said.try_recv(), Ok(Err(Error::Refused { code: ErrorCode::Stale, .. }))));
        assert_eq!(outgoing.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_conversation_has_at_most_1024_unanswered_messages() {
        let mut outgoing = Outgoing::new(None);
        let (messages, mut said): (Vec<_>, Vec<_>) = (0..=UNANSWERED_MAX).map(|_| message("#lab", "hi")).unzip();
        outgoing.add(messages).await;
        let lines = due(&mut outgoing, Instant::now());
        assert_eq!(lines.len(), UNANSWERED_MAX);
        let last = said[UNANSWERED_MAX].try_recv();
        assert!(matches!(last, Ok(Err(Error::TooManyUnanswered { .. }))), "{last:?}");
        // An answer to a later message makes no room: the server must still find the first number.
        outgoing.said(n_of(&lines[5]), 1);
        let (new, mut refused) = message("#lab", "hi");
        outgoing.add(vec![new]).await;
        assert!(matches!(refused.try_recv(), Ok(Err(Error::TooManyUnanswered { .. }))));
        outgoing.said(n_of(&lines[0]), 1);
        let (new, _) = message("#lab", "hi");
        outgoing.add(vec![new]).await;
        assert_eq!(due(&mut outgoing, Instant::now()).len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn messages_of_the_file_come_first() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("outbox");
        let mut outgoing = Outgoing::new(Some(OutboxFile::open(&path).expect("a new file")));
        let (new, _) = message("#lab", "first");
        outgoing.add(vec![new]).await;
        let sent = due(&mut outgoing, Instant::now());
        drop(outgoing);
        let mut outgoing = Outgoing::new(Some(OutboxFile::open(&path).expect("the file exists")));
        let (new, _) = message("#lab", "second");
        outgoing.add(vec![new]).await;
        let lines = due(&mut outgoing, Instant::now());
        assert_eq!(lines[0], sent[0]);
        assert!(lines[1].ends_with("second") && n_of(&lines[1]) > n_of(&lines[0]), "{lines:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_that_nobody_waits_for_is_kept() {
        let mut outgoing = Outgoing::new(None);
        let (new, said) = message("#lab", "hello");
        drop(said);
        outgoing.add(vec![new]).await;
        let lines = due(&mut outgoing, Instant::now());
        outgoing.refused(n_of(&lines[0]), refused(ErrorCode::NotAMember)).await;
        let (flushed_tx, mut flushed) = oneshot::channel();
        outgoing.flush(flushed_tx);
        let refused = flushed.try_recv().expect("nothing is unanswered").expect("no error");
        assert_eq!(refused.len(), 1);
        assert_eq!((&*refused[0].target, &*refused[0].text), ("#lab", "hello"));
    }
}

//! The open conversations of a session: the position of each reader, and its queue.
//!
//! ```text
//!            OPEN_OK      queue is full, or records were lost       CLOSE_OK
//! Opening ───────────▶ Open ───────────────────▶ Closing ───────────▶ Full
//!    ▲                                                                  │
//!    └──────────────── there is room, or a pause has ended ◀────────────┘
//! ```
//!
//! A reader whose position is not valid any more gets the gap, and then the last [`REPLAY_MAX`] records of the present
//! epoch: the view opens again before them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use switchboard_protocol::version2::{self, Command, GapReason, RecordVerb, Target};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::control::{Control, Purpose};
use super::item::{Gap, Item, Live, Position, Record, Start};
use crate::error::Error;

/// The maximum number of items in the queue of one conversation.
pub(crate) const ITEMS_MAX: usize = 1024;

/// The free places in the queue at which a session opens a conversation again.
pub(crate) const REOPEN_FREE: usize = ITEMS_MAX / 2;

/// The maximum number of records that a reader gets again after its position has become invalid.
const REPLAY_MAX: u64 = 1024;

/// The pause after the server could not read records.
const RETRY_AFTER: Duration = Duration::from_millis(500);

pub(crate) type ViewId = u64;

/// An item, and the position of a reader that has taken it.
pub(crate) type QueuedItem = (Item, Position);

/// What the server says of a conversation when it opens it.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) target: String,
    pub(crate) position: Position,
}

pub(crate) type OpenedSender = oneshot::Sender<Result<Opened, Error>>;

/// Why a conversation ended. Unset while it is open.
pub(crate) type EndReason = Arc<OnceLock<Arc<Error>>>;

/// One open conversation.
#[derive(Debug)]
pub(crate) struct View {
    /// The word for the conversation, as the program wrote it.
    pub(crate) word: String,
    pub(crate) start: Start,
    pub(crate) items: mpsc::Sender<QueuedItem>,
    pub(crate) end_reason: EndReason,
    /// Present until the first `OPEN_OK`.
    pub(crate) opened_tx: Option<OpenedSender>,
    name: Option<String>,
    /// The reader's position after all queued items.
    position: Option<Position>,
    /// The position that is not valid any more, until the gap that says so is queued.
    invalid: Option<Position>,
    state: ViewState,
    /// The server could not read records. The view stays closed until then.
    retry_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum ViewState {
    Opening,
    Open,
    Closing,
    Full,
}

/// All open conversations.
#[derive(Debug, Default)]
pub(crate) struct Views {
    by_id: BTreeMap<ViewId, View>,
    by_name: HashMap<String, ViewId>,
    next_id: ViewId,
    /// The name of this session's user, by which records name it.
    own_name: String,
}

/// The first and the last record of a conversation when it was opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Numbers {
    /// The position before the last [`REPLAY_MAX`] records.
    fn replay_start(self, epoch: &str) -> Position {
        let number = self.first.saturating_sub(1).max(self.last.saturating_sub(REPLAY_MAX)).min(self.last);
        Position { epoch: epoch.to_owned(), number }
    }
}

impl View {
    pub(crate) fn new(
        word: String,
        start: Start,
        items: mpsc::Sender<QueuedItem>,
        end_reason: EndReason,
        opened_tx: OpenedSender,
    ) -> Self {
        Self {
            word,
            start,
            items,
            end_reason,
            opened_tx: Some(opened_tx),
            name: None,
            position: None,
            invalid: None,
            state: ViewState::Opening,
            retry_at: None,
        }
    }

    /// The position for the next `OPEN`. An invalid one gets its gap again.
    fn requested(&self) -> Option<&Position> {
        let start = match &self.start {
            Start::After(position) => Some(position),
            Start::Now | Start::Beginning => None,
        };
        self.invalid.as_ref().or(self.position.as_ref()).or(start)
    }

    fn open_command(&self) -> Command<'static> {
        let position = self
            .requested()
            .map(|Position { epoch, number }| version2::Position { epoch: epoch.clone().into(), after: *number });
        Command::Open { target: Target::new(&self.word).into_owned(), position }
    }

    fn close_command(&self) -> Command<'static> {
        Command::Close { target: Target::new(&self.word).into_owned() }
    }
}

impl Views {
    /// Adds a view. The caller sends the request.
    pub(crate) fn add(&mut self, view: View) -> Control {
        self.next_id += 1;
        let id = self.next_id;
        let command = view.open_command();
        self.by_id.insert(id, view);
        open_control(id, command)
    }

    pub(crate) fn set_own_name(&mut self, name: &str) {
        name.clone_into(&mut self.own_name);
    }

    /// Whether `name` is the name of this session's user.
    pub(crate) fn is_own_name(&self, name: &str) -> bool {
        self.own_name == name
    }

    /// After a new connection: the requests that open all views again.
    pub(crate) fn reopen_all(&mut self) -> Vec<Control> {
        let mut controls = Vec::new();
        for (&id, view) in &mut self.by_id {
            match view.state {
                ViewState::Opening | ViewState::Open => {
                    view.state = ViewState::Opening;
                    controls.push(open_control(id, view.open_command()));
                }
                ViewState::Closing | ViewState::Full => view.state = ViewState::Full,
            }
        }
        controls
    }

    /// The requests for views that have room again, and for views that the program has dropped.
    pub(crate) fn check_queues(&mut self, now: Instant) -> Vec<Control> {
        let mut controls = Vec::new();
        let dropped: Vec<_> = self.by_id.iter().filter(|(_, view)| view.items.is_closed()).map(|(&id, _)| id).collect();
        for id in dropped {
            if let Some(view) = self.remove(id)
                && view.state != ViewState::Full
            {
                controls.push(Control::new(view.close_command(), Purpose::Close(None), true));
            }
        }
        for (&id, view) in &mut self.by_id {
            let is_due = view.retry_at.is_none_or(|at| at <= now);
            if view.state == ViewState::Full && is_due && view.items.capacity() >= REOPEN_FREE {
                view.state = ViewState::Opening;
                view.retry_at = None;
                controls.push(open_control(id, view.open_command()));
            }
        }
        controls
    }

    /// When the next view that waits for the server tries again.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        let waiting = self.by_id.values().filter(|view| view.state == ViewState::Full);
        waiting.filter_map(|view| view.retry_at).min()
    }

    /// Whether an `OPEN_OK` has another epoch than the open view of its conversation: the epoch has changed.
    pub(crate) fn is_new_epoch(&self, target: &str, epoch: &str) -> bool {
        let view = self.by_name.get(target).and_then(|id| self.by_id.get(id));
        let is_open = view.filter(|view| view.state == ViewState::Open);
        is_open.and_then(|view| view.position.as_ref()).is_some_and(|position| position.epoch != epoch)
    }

    /// The server has answered the `OPEN` of a view. Returns the next request, if any.
    pub(crate) fn opened(&mut self, id: ViewId, target: &str, epoch: &str, numbers: Numbers) -> Option<Control> {
        if self.by_name.get(target).is_some_and(|other| *other != id) {
            self.end(id, Error::AlreadyOpen { target: target.to_owned() });
            return None;
        }
        let view = self.by_id.get_mut(&id)?;
        view.name = Some(target.to_owned());
        self.by_name.insert(target.to_owned(), id);
        let is_first = view.position.is_none();
        view.state = ViewState::Open;
        let begins_early = is_first && view.start == Start::Beginning && numbers.last > 0;
        let (position, invalid) = match view.requested().cloned() {
            Some(position) if position.epoch == epoch && position.number <= numbers.last => (position, None),
            // The server sends a `GAP`.
            Some(position) => (numbers.replay_start(epoch), Some(position)),
            None => {
                let number = if begins_early { 0 } else { numbers.last };
                (Position { epoch: epoch.to_owned(), number }, None)
            }
        };
        view.position = Some(position.clone());
        view.invalid = invalid;
        if let Some(opened_tx) = view.opened_tx.take() {
            // This fails if the program has dropped the future. Then it has dropped the queue, too.
            let _ = opened_tx.send(Ok(Opened { target: target.to_owned(), position }));
        }
        // Only now the epoch is known, without which there is no position.
        begins_early.then(|| Self::close(view, id))
    }

    /// Whether a conversation is open, and not being closed.
    pub(crate) fn is_open(&self, target: &str) -> bool {
        let view = self.by_name.get(target).and_then(|id| self.by_id.get(id));
        view.is_some_and(|view| view.state == ViewState::Open)
    }

    /// The epoch of an open conversation has changed. A `GAP` follows.
    pub(crate) fn epoch_changed(&mut self, target: &str, epoch: &str, numbers: Numbers) {
        if let Some(view) = self.by_name.get(target).and_then(|id| self.by_id.get_mut(id)) {
            let before = view.position.replace(numbers.replay_start(epoch));
            view.invalid = view.invalid.take().or(before);
        }
    }

    /// A view is closed on the server. Returns the request that opens it again, if it has room.
    pub(crate) fn closed(&mut self, id: ViewId) -> Vec<Control> {
        if let Some(view) = self.by_id.get_mut(&id) {
            view.state = ViewState::Full;
        }
        self.check_queues(Instant::now())
    }

    /// The server has refused to open a view.
    pub(crate) fn refused(&mut self, id: ViewId, error: Error) {
        let is_first = self.by_id.get(&id).is_some_and(|view| view.opened_tx.is_some());
        let is_temporary = matches!(&error, Error::Refused { code: switchboard_protocol::ErrorCode::Unavailable, .. });
        if is_temporary && !is_first {
            self.pause(id);
        } else {
            self.end(id, error);
        }
    }

    /// The server could not read the records of an open conversation, and has closed it. Returns whether it was open.
    pub(crate) fn unavailable(&mut self, target: &str) -> bool {
        match self.by_name.get(target) {
            Some(&id) if self.by_id[&id].state == ViewState::Open => {
                self.pause(id);
                true
            }
            _ => false,
        }
    }

    fn pause(&mut self, id: ViewId) {
        if let Some(view) = self.by_id.get_mut(&id) {
            view.state = ViewState::Full;
            view.retry_at = Some(Instant::now() + RETRY_AFTER);
        }
    }

    /// The server has closed a conversation, because its reader may not read it any more. The answer to another `OPEN`
    /// says why.
    pub(crate) fn probe(&mut self, target: &str) -> Option<Control> {
        let id = *self.by_name.get(target)?;
        let view = self.by_id.get(&id).filter(|view| view.state == ViewState::Open)?;
        Some(open_control(id, view.open_command()))
    }

    /// A record arrived. Returns the next requests.
    pub(crate) fn record(&mut self, record: Record) -> Vec<Control> {
        let Some((id, view)) = self.open_view(&record.target) else { return Vec::new() };
        let Some(position) = &view.position else { return Vec::new() };
        if record.seq <= position.number {
            return Vec::new();
        }
        let (seq, target) = (record.seq, record.target.clone());
        // The record that removes a client from a room is the last one that the client gets.
        let ends = match record.verb {
            RecordVerb::Left => record.author == self.own_name,
            RecordVerb::Kicked | RecordVerb::Banned => record.text == self.own_name,
            RecordVerb::Set => true,
            _ => false,
        };
        let mut controls = Vec::new();
        controls.extend(self.fill_hole(id, seq));
        controls.extend(self.push(id, Item::Record(record), seq));
        if ends && controls.is_empty() {
            controls.extend(self.probe(&target));
        }
        controls
    }

    /// A gap arrived. Returns the next requests.
    pub(crate) fn gap(&mut self, gap: Gap) -> Vec<Control> {
        let Some((id, view)) = self.open_view(&gap.target) else { return Vec::new() };
        let number = view.position.as_ref().map_or(0, |position| position.number);
        if gap.to == 0 {
            let close = self.push(id, Item::Gap(gap), number);
            return close.or_else(|| self.replay(id)).into_iter().collect();
        }
        if gap.to <= number {
            return Vec::new();
        }
        let mut controls: Vec<_> = self.fill_hole(id, gap.from).into_iter().collect();
        let to = gap.to;
        controls.extend(self.push(id, Item::Gap(gap), to));
        controls
    }

    /// The reader has the gap for its invalid position. Returns the request that closes the view, which then opens again
    /// before the records that are there.
    fn replay(&mut self, id: ViewId) -> Option<Control> {
        let view = self.by_id.get_mut(&id)?;
        view.invalid.take()?;
        Some(Self::close(view, id))
    }

    /// Whether a gap comes next in an open conversation. Otherwise it may be a line of an answer.
    pub(crate) fn expects_gap(&self, gap: &Gap) -> bool {
        let view = self.by_name.get(&gap.target).and_then(|id| self.by_id.get(id));
        view.is_some_and(|view| {
            let number = view.position.as_ref().map_or(0, |position| position.number);
            view.state == ViewState::Open && (gap.to == 0 || (gap.from <= number + 1 && gap.to > number))
        })
    }

    /// The reader has all records. Returns the next requests.
    pub(crate) fn live(&mut self, target: &str, last: u64) -> Vec<Control> {
        let Some((id, _)) = self.open_view(target) else { return Vec::new() };
        let mut controls: Vec<_> = self.fill_hole(id, last + 1).into_iter().collect();
        let number = self.by_id[&id].position.as_ref().map_or(last, |position| position.number);
        controls.extend(self.push(id, Item::Live(Live { target: target.to_owned(), last }), number));
        controls
    }

    fn open_view(&mut self, target: &str) -> Option<(ViewId, &mut View)> {
        let id = *self.by_name.get(target)?;
        let view = self.by_id.get_mut(&id).filter(|view| view.state == ViewState::Open)?;
        Some((id, view))
    }

    /// If the server has left out records before `next` without a word, the reader hears of it.
    fn fill_hole(&mut self, id: ViewId, next: u64) -> Option<Control> {
        let view = self.by_id.get(&id)?;
        let expected = view.position.as_ref()?.number + 1;
        if expected >= next {
            return None;
        }
        let target = view.name.clone().unwrap_or_default();
        self.push(id, Item::Gap(Gap { target, from: expected, to: next - 1, reason: GapReason::Lost }), next - 1)
    }

    /// Queues an item. `number` is the reader's position after it. If there is no room, returns the request that closes
    /// the view.
    fn push(&mut self, id: ViewId, item: Item, number: u64) -> Option<Control> {
        let view = self.by_id.get_mut(&id).filter(|view| view.state == ViewState::Open)?;
        let position = Position { number, ..view.position.clone()? };
        match view.items.try_send((item, position.clone())) {
            Ok(()) => {
                view.position = Some(position);
                None
            }
            Err(mpsc::error::TrySendError::Full(_)) => Some(Self::close(view, id)),
            // `check_queues` removes the view.
            Err(mpsc::error::TrySendError::Closed(_)) => None,
        }
    }

    fn close(view: &mut View, id: ViewId) -> Control {
        view.state = ViewState::Closing;
        Control::new(view.close_command(), Purpose::Close(Some(id)), false)
    }

    fn end(&mut self, id: ViewId, error: Error) {
        let Some(mut view) = self.remove(id) else { return };
        match view.opened_tx.take() {
            Some(opened_tx) => drop(opened_tx.send(Err(error))),
            None => drop(view.end_reason.set(Arc::new(error))),
        }
    }

    fn remove(&mut self, id: ViewId) -> Option<View> {
        let view = self.by_id.remove(&id)?;
        if let Some(name) = &view.name
            && self.by_name.get(name) == Some(&id)
        {
            self.by_name.remove(name);
        }
        Some(view)
    }

    /// Ends all views for one reason.
    pub(crate) fn end_all(&mut self, reason: &Arc<Error>) {
        for (_, mut view) in std::mem::take(&mut self.by_id) {
            let _ = view.end_reason.set(Arc::clone(reason));
            if let Some(opened_tx) = view.opened_tx.take() {
                let _ = opened_tx.send(Err(Error::Ended(Arc::clone(reason))));
            }
        }
        self.by_name.clear();
    }
}

fn open_control(id: ViewId, command: Command<'static>) -> Control {
    // After a lost connection, the session opens all views by itself.
    Control::new(command, Purpose::Open(id), false)
}

//! A device of an account: writes numbered messages, hears its conversations, and resumes after each kill.

use std::collections::VecDeque;
use std::sync::Arc;

use fastrand::Rng;
use switchboard_protocol::version2::{Reply, TaggedReply, parse_reply};
use tokio::time::{Duration, Instant, sleep, sleep_until, timeout};

use crate::connection::Connection;
use crate::ledger::{ConversationIndex, text};
use crate::team::{self, Login};
use crate::world::{Stage, World};

/// Maximum unanswered messages of a device.
const WINDOW: usize = 64;

/// Longest wait for an answer of a running server.
const PATIENCE: Duration = Duration::from_secs(30);

/// Pause before a device connects again while no server is there.
const RETRY_PAUSE: Duration = Duration::from_millis(5);

/// A device. It outlives all its sessions.
pub(crate) struct Device {
    world: Arc<World>,
    index: usize,
    login: Login,
    views: Vec<View>,
    /// Messages without an answer, in the order in which they were sent.
    unanswered: VecDeque<Message>,
    rng: Rng,
}

/// A conversation that the device has open.
struct View {
    id: ConversationIndex,
    target: String,
    /// The last record that the device has heard. It has heard all before it, too.
    heard: u64,
    /// The `n` of the next message.
    next_n: u64,
    /// The last record at the `OPEN_OK` of the session, if that has arrived.
    last_at_open: Option<u64>,
    /// The acknowledged read marker of the account when the session began.
    marker: u64,
}

struct Message {
    view: usize,
    n: u64,
    text: String,
    is_resent: bool,
}

/// Why a session has ended.
enum End {
    /// The server was killed.
    Lost,
    /// The device connects anew, and leaves its old connection open for a while.
    Abandoned(Connection),
    /// The run is over.
    Over,
}

impl Device {
    pub(crate) fn new(world: &Arc<World>, index: usize, login: Login, rng: Rng) -> Self {
        let views = team::conversations_of(login.account)
            .map(|(id, target)| View { id, target, heard: 0, next_n: 1, last_at_open: None, marker: 0 })
            .collect();
        Self { world: Arc::clone(world), index, login, views, unanswered: VecDeque::new(), rng }
    }

    /// Lives until the run is over.
    pub(crate) async fn live(mut self) {
        let mut abandoned = None;
        loop {
            let ending = match Connection::open(self.world.address()).await {
                Some(connection) => self.session(connection).await,
                None => End::Lost,
            };
            drop(abandoned.take());
            match ending {
                End::Over => return,
                End::Abandoned(connection) => abandoned = Some(connection),
                End::Lost => sleep(RETRY_PAUSE).await,
            }
        }
    }

    async fn session(&mut self, mut connection: Connection) -> End {
        connection.queue("HELLO 2");
        connection.queue(&self.login.line());
        for expected in ["WELCOME", "HELLO_OK 2 ", "LOGIN_OK "] {
            let Ok(line) = timeout(PATIENCE, connection.receive()).await else {
                self.violation("the login has no answer");
                return End::Lost;
            };
            let Some(line) = line else { return End::Lost };
            if !line.starts_with(expected) {
                self.violation(&format!("the login is answered {line:?}"));
                return End::Lost;
            }
        }
        self.world.ledger().counts.logins += 1;
        self.resume(&mut connection);

        let mut next_act = Instant::now();
        let mut patience_end = Instant::now() + PATIENCE;
        loop {
            if self.world.is_over() {
                return End::Over;
            }
            tokio::select! {
                line = connection.receive() => {
                    let Some(line) = line else { return End::Lost };
                    patience_end = Instant::now() + PATIENCE;
                    if let Err(violation) = self.take(&line) {
                        self.violation(&format!("{violation}: {line:?}"));
                        return End::Lost;
                    }
                }
                () = sleep_until(next_act) => {
                    if self.unanswered.is_empty() {
                        patience_end = Instant::now() + PATIENCE;
                    } else if Instant::now() > patience_end {
                        self.violation(&format!("{} messages have no answer", self.unanswered.len()));
                        return End::Over;
                    }
                    if self.rng.u8(..) == 0 {
                        self.world.ledger().counts.displaced += 1;
                        return End::Abandoned(connection);
                    }
                    self.act(&mut connection).await;
                    next_act = Instant::now() + Duration::from_millis(self.rng.u64(1..40));
                }
            }
            self.settle();
        }
    }

    /// Opens all conversations where the device has stopped to hear them, and sends all unanswered messages again.
    fn resume(&mut self, connection: &mut Connection) {
        connection.queue("CONVERSATIONS");
        for view in &mut self.views {
            view.last_at_open = None;
            view.marker = self.world.ledger().marker(view.id, self.login.account);
            let epoch = self.world.ledger().epoch(view.id).to_owned();
            connection.queue(&format!("OPEN {} {epoch} {}", view.target, view.heard));
        }
        for message in &mut self.unanswered {
            message.is_resent = true;
            connection.queue(&format!("@n={} SAY {} {}", message.n, self.views[message.view].target, message.text));
        }
        self.world.ledger().counts.resent += self.unanswered.len() as u64;
    }

    /// Writes some messages, or does something else at random.
    async fn act(&mut self, connection: &mut Connection) {
        let view = self.rng.usize(..self.views.len());
        match self.rng.u8(..32) {
            // It reads nothing for a while, so that the server feeds it from the store.
            0 => sleep(Duration::from_millis(self.rng.u64(..300))).await,
            1 => connection.queue("PING"),
            2 if self.views[view].heard > 0 => {
                connection.queue(&format!("READ {} {}", self.views[view].target, self.views[view].heard));
            }
            _ if self.login.writes && self.world.stage() == Stage::Load => self.write(connection),
            _ => {}
        }
    }

    fn write(&mut self, connection: &mut Connection) {
        let burst = if self.rng.u8(..16) == 0 { WINDOW } else { self.rng.usize(1..8) };
        for _ in 0..burst.min(WINDOW - self.unanswered.len()) {
            let view_index = self.rng.usize(..self.views.len());
            let view = &mut self.views[view_index];
            let n = view.next_n;
            // The numbers may have holes.
            view.next_n += 1 + u64::from(self.rng.u8(..8) == 0);
            let filling_len = if self.rng.u8(..50) == 0 { 3000 } else { self.rng.usize(..120) };
            let text = text((self.index, n), filling_len);
            connection.queue(&format!("@n={n} SAY {} {text}", view.target));
            self.unanswered.push_back(Message { view: view_index, n, text, is_resent: false });
        }
    }

    /// Takes a line of the server.
    fn take(&mut self, line: &str) -> Result<(), String> {
        let TaggedReply { n, reply } = parse_reply(line).map_err(|_| "a line that nobody knows")?;
        let account = self.login.account;
        let world = Arc::clone(&self.world);
        let mut ledger = world.ledger();
        match reply {
            Reply::OpenOk { target, epoch, first, last } => {
                let view = self.view(&target)?;
                view.last_at_open = Some(last);
                ledger.check_epoch(view.id, &epoch);
                if view.heard > last {
                    return Err(format!("{} was heard", view.heard));
                }
                if first != 1 {
                    return Err("the first record is gone".to_owned());
                }
            }
            Reply::Record(record) => {
                let view = self.view(&record.target)?;
                if view.last_at_open.is_none() || record.is_past || record.seq != view.heard + 1 {
                    return Err(format!("{} was the last record", view.heard));
                }
                view.heard = record.seq;
                ledger.hear(view.id, &record);
            }
            Reply::Live { target, last } => {
                let view = self.view(&target)?;
                if view.heard < last {
                    return Err(format!("{} was the last record", view.heard));
                }
            }
            Reply::Said { target, seq } => {
                let message = self.unanswered.pop_front().ok_or("no message is unanswered")?;
                let view = &self.views[message.view];
                if n != Some(message.n) || target != view.target {
                    return Err(format!("message {} to {} is the first without an answer", message.n, view.target));
                }
                if view.heard < seq {
                    return Err(format!("{} was the last record", view.heard));
                }
                ledger.acknowledge(view.id, (self.index, message.n), seq);
                let was_stored = message.is_resent && view.last_at_open.is_some_and(|last| seq <= last);
                ledger.counts.resent_and_stored += u64::from(was_stored);
            }
            Reply::Conversation { target, epoch, read, .. } => {
                let view = self.view(&target)?;
                ledger.check_epoch(view.id, &epoch);
                if read < view.marker {
                    return Err(format!("{} was acknowledged as read", view.marker));
                }
            }
            Reply::ReadOk { target, seq } => ledger.acknowledge_marker(self.view(&target)?.id, account, seq),
            Reply::ConversationsOk { .. } | Reply::Read { .. } | Reply::Version1(switchboard_protocol::Reply::Pong) => {
            }
            _ => return Err("no answer to any request".to_owned()),
        }
        Ok(())
    }

    fn view(&mut self, target: &str) -> Result<&mut View, String> {
        let view = self.views.iter_mut().find(|view| view.target == target);
        view.ok_or_else(|| format!("{target} is no conversation of this account"))
    }

    /// Notes how much is left to do.
    fn settle(&mut self) {
        let mut ledger = self.world.ledger();
        ledger.unanswered[self.index] = self.unanswered.len();
        let has_opened_all = self.views.iter().all(|view| view.last_at_open.is_some());
        ledger.unheard[self.index] = (self.world.stage() == Stage::Settling && has_opened_all)
            .then(|| self.views.iter().map(|view| ledger.last(view.id).saturating_sub(view.heard)).sum());
    }

    fn violation(&self, violation: &str) {
        self.world.ledger().violation(format!("{} {}: {violation}", team::name(self.login.account), self.login.device));
    }
}

//! The effects of one turn, which the switchboard decides while the hub's lock is held: lines join outboxes and changes join
//! their batch at once, and all else is deferred until the lock is released.

use std::sync::Arc;
use std::time::SystemTime;

use slotmap::SecondaryMap;
use switchboard_core::change::{Change, UnixMillis};
use switchboard_core::{
    CloseReason, Effects, Fact, Full, IdentityRequest, OperatorTicket, Position, Query, SessionId, StoreEffects, Ticket,
};
use switchboard_protocol::{AfterReply, Dialect, ErrorCode, IpPrefix, ParseError, Reply};

use super::{Changes, Closings, Counts, Deferred, DeferredCall, Hub};
use crate::identity::random::random_bytes;
use crate::outbox::{Ending, Outbox, OutboxWriter};
use crate::telemetry;

/// The parts of the hub's state that the effects change.
pub(super) struct SharedState<'a> {
    pub(super) outboxes: &'a mut SecondaryMap<SessionId, Arc<Outbox>>,
    pub(super) changes: &'a mut Changes,
    pub(super) counts: &'a mut Counts,
    pub(super) closings: &'a mut Closings,
    pub(super) is_stopping: &'a mut bool,
}

/// Performs the switchboard's effects while the lock is held.
pub(super) struct TurnEffects<'a> {
    pub(super) outboxes: &'a mut SecondaryMap<SessionId, Arc<Outbox>>,
    pub(super) changes: &'a mut Changes,
    /// Questions that could not be asked, because too many wait.
    pub(super) unanswerable: Vec<Ticket>,
    pub(super) counts: &'a mut Counts,
    closings: &'a mut Closings,
    /// The server is stopping. No more replies are sent, not even `PEER_DISCONNECTED`, because all sessions end.
    pub(super) is_stopping: &'a mut bool,
    hub: &'a Hub,
    pub(super) deferred: &'a mut Deferred,
    /// The open writers. The first writer of the turn stays open. Each later writer replaces the second entry. Most
    /// turns need only two writers: for the outboxes of the session and of its peer.
    writers: [Option<(SessionId, OutboxWriter)>; 2],
    /// The session whose lines the turn handles. Only replies to this session may be delayed.
    pub(super) turn_session: Option<SessionId>,
    /// The session whose outbox has the most unsent bytes, among the outboxes that were above their soft mark after the
    /// turn appended to them.
    pub(super) congested: Option<SessionId>,
    /// Unsent bytes of the outbox of `congested`.
    congested_bytes: usize,
    /// The session to close, because its last reply had the result [`AfterReply::Close`].
    pub(super) closing: Option<SessionId>,
    /// The code of the refusal after which the session of this turn is closed.
    pub(super) closing_code: Option<ErrorCode>,
    /// A `WIRE` waits for the figures of its connection.
    pub(super) describes_connection: bool,
    logs_messages: bool,
}

impl<'a> TurnEffects<'a> {
    pub(super) fn new(shared: SharedState<'a>, hub: &'a Hub, deferred: &'a mut Deferred) -> Self {
        let SharedState { outboxes, changes, counts, closings, is_stopping } = shared;
        Self {
            outboxes,
            changes,
            unanswerable: Vec::new(),
            counts,
            closings,
            is_stopping,
            hub,
            deferred,
            writers: [None, None],
            turn_session: None,
            congested: None,
            congested_bytes: 0,
            closing: None,
            closing_code: None,
            describes_connection: false,
            logs_messages: tracing::enabled!(target: telemetry::MESSAGES, tracing::Level::DEBUG),
        }
    }

    /// The writer of a session's outbox, opened if needed. Opening a third writer closes the second.
    #[inline]
    fn writer(&mut self, session: SessionId) -> Option<&mut OutboxWriter> {
        let is_writer_of_session =
            |writer: &Option<(SessionId, OutboxWriter)>| writer.as_ref().is_some_and(|(owner, _)| *owner == session);
        let index = if is_writer_of_session(&self.writers[0]) {
            0
        } else if is_writer_of_session(&self.writers[1]) {
            1
        } else {
            self.open_writer(session)?
        };
        self.writers[index].as_mut().map(|(_, writer)| writer)
    }

    /// Opens a writer and returns its index, or `None` if the session accepts no more replies.
    fn open_writer(&mut self, session: SessionId) -> Option<usize> {
        let is_urgent = self.turn_session != Some(session);
        let writer = self.outboxes.get(session)?.open(is_urgent)?;
        let index = usize::from(self.writers[0].is_some());
        if let Some((_, replaced)) = self.writers[index].replace((session, writer)) {
            self.deferred.unwritten.extend(replaced.close());
        }
        Some(index)
    }

    fn close_writers(&mut self) {
        for (_, writer) in self.writers.iter_mut().filter_map(Option::take) {
            self.deferred.unwritten.extend(writer.close());
        }
    }

    /// Sends the reply to an invalid line.
    pub(super) fn send_error(&mut self, to: SessionId, error: &ParseError, is_registered: bool) -> Result<(), Full> {
        self.append(to, |dialect, queue| dialect.encode_error(error, is_registered, queue))?;
        self.count_refusal(error.code());
        if self.closing == Some(to) {
            self.closing_code = Some(error.code());
        }
        Ok(())
    }

    fn count_refusal(&mut self, code: ErrorCode) {
        self.counts.refusals[code as usize] += 1;
    }

    /// Ends a connection. If the reason has a code, the client receives it first, with these words.
    fn end(&mut self, session: SessionId, reason: CloseReason, words: Option<&str>) {
        let ending = match reason.code() {
            Some(code) => {
                // If the outbox has no room for the `ERROR`, the client sees only the end of the connection.
                let _ = self.send(session, &Reply::Error { code, detail: words.map(Into::into) });
                Ending::Drain(reason)
            }
            None => Ending::Now(reason),
        };
        self.close_writers();
        if let Some(outbox) = self.outboxes.get(session) {
            outbox.end(ending, &mut self.deferred.wakers);
        }
    }

    /// Lets the client hear why its last session was ended, after the lock is released and its answer is sent.
    fn tell_closing(&mut self, session: SessionId, name: &str, device: Option<&str>) {
        let now = self.wall_clock();
        let peer = self.outboxes.get(session).and_then(|outbox| outbox.peer());
        if let Some(closing) = self.closings.take_untold(name, device, peer, now) {
            self.deferred.calls.push(DeferredCall::TellClosing(session, closing.clone()));
        }
    }

    #[inline]
    fn append(&mut self, to: SessionId, encode: impl FnOnce(Dialect, &mut Vec<u8>) -> AfterReply) -> Result<(), Full> {
        if *self.is_stopping {
            return Ok(());
        }
        let watermarks = self.hub.watermarks;
        let appended = self.writer(to).ok_or(Full)?.append(watermarks, encode)?;
        if appended.unsent_bytes > watermarks.soft_bytes.max(self.congested_bytes) {
            (self.congested, self.congested_bytes) = (Some(to), appended.unsent_bytes);
        }
        self.counts.lines += 1;
        if appended.after_reply == AfterReply::Close {
            self.closing = Some(to);
        }
        Ok(())
    }
}

impl Drop for TurnEffects<'_> {
    fn drop(&mut self) {
        self.close_writers();
    }
}

impl Effects for TurnEffects<'_> {
    #[inline]
    fn send(&mut self, to: SessionId, reply: &Reply<'_>) -> Result<(), Full> {
        self.append(to, |dialect, queue| dialect.encode(reply, queue))?;
        if let Reply::Error { code, .. } = reply {
            self.count_refusal(*code);
            if self.closing == Some(to) {
                self.closing_code = Some(*code);
            }
        }
        if let Reply::Pong = reply
            && let Some(writer) = self.writer(to)
        {
            // Clients measure the round-trip time with `PONG`, so it must not be delayed.
            writer.set_urgent();
        }
        Ok(())
    }

    fn send_line(&mut self, to: SessionId, line: &[u8]) -> Result<(), Full> {
        let before = (self.congested, self.congested_bytes);
        self.append(to, |_, queue| {
            queue.extend_from_slice(line);
            AfterReply::KeepOpen
        })?;
        if self.turn_session != Some(to) {
            self.counts.fan_out_lines += 1;
            // Nobody waits for a slow reader of these lines, such as one that hears who comes and goes.
            (self.congested, self.congested_bytes) = before;
        }
        Ok(())
    }

    fn close(&mut self, session: SessionId, reason: CloseReason) {
        self.end(session, reason, None);
    }

    fn close_with_words(&mut self, session: SessionId, reason: CloseReason, words: &str) {
        self.end(session, reason, Some(words).filter(|words| !words.is_empty()));
    }

    fn logs_messages(&self) -> bool {
        self.logs_messages
    }

    fn log(&mut self, fact: Fact<'_>) {
        match fact {
            Fact::Left { session, name, device, reason } => {
                self.counts.slow_consumers += u64::from(reason == CloseReason::SlowConsumer);
                let outbox = self.outboxes.get(session).map(|outbox| &**outbox);
                self.closings.add(self.wall_clock(), name, device, reason, outbox);
            }
            Fact::Registered { session, name } => self.tell_closing(session, name, None),
            Fact::LoggedIn { session, name, device } => self.tell_closing(session, name, Some(device)),
            Fact::Refused { code } => self.count_refusal(code),
            Fact::Delivered { .. } => {}
        }
        telemetry::log(fact, self.hub.settings.log_messages);
    }
}

impl StoreEffects for TurnEffects<'_> {
    fn has_room(&self, session: SessionId) -> bool {
        let watermarks = self.hub.watermarks;
        let writer = self.writers.iter().flatten().find(|(owner, _)| *owner == session);
        match writer {
            Some((_, writer)) => writer.unsent_bytes() <= watermarks.soft_bytes,
            None => self.outboxes.get(session).is_some_and(|outbox| outbox.is_below_soft_mark(watermarks)),
        }
    }

    fn notify_of_room(&mut self, session: SessionId) {
        if let Some(outbox) = self.outboxes.get(session) {
            outbox.report_room_to_hub(&mut self.deferred.wakers);
        }
    }

    fn resume(&mut self, session: SessionId) {
        if let Some(outbox) = self.outboxes.get(session) {
            outbox.notify(&mut self.deferred.wakers);
        }
    }

    fn append(&mut self, change: Change) -> Position {
        self.changes.position.0 += 1;
        self.changes.queued.push(change);
        self.changes.position
    }

    fn read(&mut self, ticket: Ticket, query: Query) {
        if !self.hub.store.get().is_some_and(|store| store.ask(ticket, query)) {
            self.unanswerable.push(ticket);
        }
    }

    fn identify(&mut self, session: SessionId, request: IdentityRequest) {
        if let Some(outbox) = self.outboxes.get(session) {
            self.deferred.calls.push(DeferredCall::Identify(session, Arc::clone(outbox), request));
        }
    }

    fn describe_connection(&mut self, session: SessionId) {
        if let Some(outbox) = self.outboxes.get(session) {
            self.describes_connection = true;
            self.deferred.calls.push(DeferredCall::Describe(session, Arc::clone(outbox)));
        }
    }

    fn end_addresses(&mut self, addresses: IpPrefix, reason: CloseReason, detail: &str) {
        self.deferred.calls.push(DeferredCall::EndAddresses(addresses, reason, detail.to_owned()));
    }

    fn operated(&mut self, ticket: OperatorTicket, result: Result<(), ErrorCode>) {
        self.deferred.calls.push(DeferredCall::Operated(ticket, result));
    }

    #[expect(clippy::disallowed_methods, reason = "the shell passes the time of day on to the core")]
    fn wall_clock(&self) -> UnixMillis {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        UnixMillis(since_epoch.as_millis().try_into().unwrap_or(u64::MAX))
    }

    fn random(&mut self) -> u64 {
        u64::from_ne_bytes(random_bytes())
    }
}

//! Streams of messages between sessions. Each stream sends at its pace, and its messages are checked and timed.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::clock;
use crate::error::Error;
use crate::faults::Faults;
use crate::latency_recorder::LatencyRecorder;
use crate::payload::{PayloadChecker, PayloadSequence};
use crate::protocol::Protocol;
use crate::room::{Room, RoomCounts};
use crate::schedule::Schedule;
use crate::session::{SessionEvent, event_error};
use crate::session_pool::SessionPool;
use crate::stall_timer::StallTimer;

/// Messages that a flood sends in one poll. They are few, so that measured messages do not wait for them in the load
/// generator.
const FLOOD_BATCH: u64 = 64;

/// Maximum messages of a schedule in flight. Further messages are sent late, so that a slow server does not exhaust the
/// memory of the load generator.
const IN_FLIGHT_MAX: u64 = 1_000_000;

/// All message streams of a run.
#[derive(Debug)]
pub(crate) struct Traffic {
    streams: Vec<MessageStream>,
    /// For each session, the index of the stream that it sends.
    sent_by: Vec<Option<usize>>,
    /// For each session, the index of the stream that it receives.
    received_by: Vec<Option<usize>>,
    /// Indexes of the streams with arrivals in this poll. At the start: of all closed-loop streams.
    progressed: Vec<usize>,
    schedule: Option<Schedule>,
    /// Indexes of the open-loop streams. They send in this order, in turn.
    scheduled: Vec<usize>,
    /// Number of messages outside floods that have arrived or are given up.
    resolved: u64,
    /// Indexes of the flood streams.
    floods: Vec<usize>,
    is_flooding: bool,
    /// False when the run drains.
    is_sending: bool,
    latency: LatencyRecorder,
    /// A room beside the streams.
    pub(crate) room: Option<Room>,
    /// The first error of a session.
    error: Option<Error>,
}

/// The numbered messages from one session to another.
#[derive(Debug)]
struct MessageStream {
    /// Number of the sending session.
    from: usize,
    payloads: PayloadSequence,
    checker: PayloadChecker,
    /// Number of acknowledgements that have arrived.
    acknowledged: u64,
    /// Number of acknowledgements that did not arrive in time.
    unacknowledged: u64,
    pace: Pace,
    /// Messages in flight, in order of their numbers.
    batches: VecDeque<Batch>,
    /// Number of the first message whose latency is not recorded yet.
    recorded: u64,
    /// Whether the stream is in [`Traffic::progressed`].
    has_progressed: bool,
    /// Whether the server closed a session of the stream, which it may do during a flood.
    is_cut: bool,
}

/// Consecutive messages of a stream whose latency counts from the same time.
#[derive(Clone, Copy, Debug)]
struct Batch {
    /// The send time in a closed loop, the due time in an open loop.
    due_at: Instant,
    /// Number after the last message of the batch.
    end: u64,
}

/// The rule by which a stream sends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pace {
    /// A message is sent whenever fewer than `window` are in flight.
    ClosedLoop { window: u64 },
    /// The streams send in turn, each message at its due time.
    OpenLoop,
    /// While the flood is on, the stream sends as much as the socket accepts. Its messages are checked, but they are
    /// neither timed nor part of [`MessageCounts`].
    Flood,
}

/// Totals of all streams that are not floods.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MessageCounts {
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
    pub(crate) acknowledged: u64,
}

impl Traffic {
    /// Traffic between `sessions` sessions, without streams yet.
    pub(crate) fn new(sessions: usize) -> Self {
        Self {
            streams: Vec::new(),
            sent_by: vec![None; sessions],
            received_by: vec![None; sessions],
            progressed: Vec::new(),
            schedule: None,
            scheduled: Vec::new(),
            resolved: 0,
            floods: Vec::new(),
            is_flooding: false,
            is_sending: true,
            latency: LatencyRecorder::new(clock::now()),
            room: None,
            error: None,
        }
    }

    /// Adds a stream of messages from one session to another.
    pub(crate) fn add_stream(&mut self, from: usize, to: usize, sizes: &Rc<[usize]>, pace: Pace) {
        let number = self.streams.len();
        let payloads = PayloadSequence::new(number, sizes);
        self.sent_by[from] = Some(number);
        self.received_by[to] = Some(number);
        match pace {
            Pace::ClosedLoop { .. } => self.progressed.push(number),
            Pace::OpenLoop => self.scheduled.push(number),
            Pace::Flood => self.floods.push(number),
        }
        self.streams.push(MessageStream {
            from,
            checker: PayloadChecker::new(payloads.clone()),
            payloads,
            acknowledged: 0,
            unacknowledged: 0,
            pace,
            batches: VecDeque::new(),
            recorded: 0,
            has_progressed: matches!(pace, Pace::ClosedLoop { .. }),
            is_cut: false,
        });
    }

    /// Number of streams so far.
    pub(crate) fn stream_count(&self) -> usize {
        self.streams.len()
    }

    /// Starts the schedule of all open-loop streams: `per_second` messages in total.
    pub(crate) fn start_schedule(&mut self, per_second: u64) {
        self.schedule = Some(Schedule::from_now(per_second));
    }

    /// Starts the schedule of the room: `per_second` messages in total.
    pub(crate) fn start_room(&mut self, per_second: u64) {
        if let Some(room) = &mut self.room {
            room.start_schedule(per_second);
        }
    }

    /// The totals of the room since the start of the run.
    pub(crate) fn room_counts(&self) -> RoomCounts {
        self.room.as_ref().map_or(RoomCounts::default(), Room::counts)
    }

    /// Starts or stops the flood.
    pub(crate) fn set_flooding(&mut self, is_flooding: bool) {
        self.is_flooding = is_flooding;
    }

    /// The totals since the start of the run.
    pub(crate) fn counts(&self) -> MessageCounts {
        let counted = self.streams.iter().filter(|stream| stream.pace != Pace::Flood);
        counted.fold(MessageCounts::default(), |sum, stream| MessageCounts {
            sent: sum.sent + stream.payloads.number(),
            delivered: sum.delivered + stream.checker.delivered(),
            acknowledged: sum.acknowledged + stream.acknowledged,
        })
    }

    /// Number of messages sent in floods.
    pub(crate) fn flood_count(&self) -> u64 {
        self.floods.iter().map(|&number| self.streams[number].payloads.number()).sum()
    }

    /// Number of streams with a session that the server has closed.
    pub(crate) fn cut_streams(&self) -> usize {
        self.streams.iter().filter(|stream| stream.is_cut).count()
    }

    pub(crate) fn latency(&self) -> &LatencyRecorder {
        &self.latency
    }

    /// Drops all recorded latencies, and begins to time the messages that are due within `time` from now.
    pub(crate) fn begin_span(&mut self, time: Duration) {
        let begin = clock::now();
        self.latency.begin(begin..begin + time);
        if let Some(room) = &mut self.room {
            room.begin_span(begin..begin + time);
        }
    }

    /// Number of messages of the timed span that are in flight, or due and not yet sent. Those of a room do not count.
    pub(crate) fn unresolved(&self) -> u64 {
        let unsent = self.schedule.map_or(0, |schedule| schedule.unsent_before(self.latency.span_end()));
        self.latency.in_flight() + unsent
    }

    /// Number of deliveries to come in the room.
    pub(crate) fn in_flight_in_room(&self) -> u64 {
        self.room.as_ref().map_or(0, Room::in_flight)
    }

    /// Polls once: waits at most `wait` for events, handles arrivals and sends the messages that are due.
    pub(crate) fn poll<P: Protocol>(&mut self, pool: &mut SessionPool<'_, P>, wait: Duration) -> Result<(), Error> {
        // The first window of a closed loop does not wait for an arrival.
        let wait = if self.progressed.is_empty() { wait } else { Duration::ZERO };
        let schedule = self.schedule.filter(|_| self.is_sending);
        let wait = schedule.map_or(wait, |schedule| schedule.sleep_time(pool.now()).min(wait));
        let room = self.room.as_ref().filter(|_| self.is_sending);
        let wait = room.map_or(wait, |room| room.sleep_time(pool.now()).min(wait));
        pool.poll(wait, |session, event| self.handle_event(session, event))?;
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        self.record_and_refill(pool);
        if let Some(room) = &mut self.room {
            room.record(pool.now());
            if self.is_sending {
                room.send_due(pool);
            }
        }
        if self.is_sending {
            self.send_due(pool);
            self.send_flood(pool);
        }
        Ok(())
    }

    /// Handles an event of a session. An event that the run does not expect sets `error`, or cuts the flood stream.
    #[inline]
    fn handle_event(&mut self, session: usize, event: SessionEvent<'_>) {
        if let Some(room) = self.room.as_mut().filter(|room| room.has_session(session)) {
            let error = room.handle_event(session, event, self.received_by.len());
            self.error = self.error.take().or(error);
            return;
        }
        let stream_of = |streams: &[Option<usize>]| streams.get(session).copied().flatten();
        match event {
            SessionEvent::Message(payload) => {
                let Some(number) = stream_of(&self.received_by) else {
                    self.error = event_error(SessionEvent::Refused(payload), session, self.received_by.len());
                    return;
                };
                let stream = &mut self.streams[number];
                stream.checker.check(payload);
                if !stream.has_progressed {
                    stream.has_progressed = true;
                    self.progressed.push(number);
                }
            }
            SessionEvent::Acknowledged => {
                if let Some(number) = stream_of(&self.sent_by) {
                    self.streams[number].acknowledged += 1;
                }
            }
            event => match stream_of(&self.received_by).or_else(|| stream_of(&self.sent_by)) {
                Some(number) if self.streams[number].pace == Pace::Flood => self.streams[number].is_cut = true,
                _ => self.error = self.error.take().or_else(|| event_error(event, session, self.received_by.len())),
            },
        }
    }

    /// Records the latencies of arrivals, and sends messages where a window has room.
    fn record_and_refill<P: Protocol>(&mut self, pool: &mut SessionPool<'_, P>) {
        let Self { streams, progressed, latency, is_sending, resolved, .. } = self;
        let now = pool.now();
        for number in progressed.drain(..) {
            let stream = &mut streams[number];
            stream.has_progressed = false;
            *resolved += stream.record_latencies(now, latency);
            if let Pace::ClosedLoop { window } = stream.pace
                && *is_sending
            {
                let messages = window.saturating_sub(stream.in_flight());
                if messages > 0 {
                    stream.batches.push_back(Batch { due_at: now, end: stream.payloads.number() + messages });
                    latency.record_sent(now, messages);
                    stream.send(pool, messages);
                }
            }
        }
    }

    /// Sends the messages that are due by the schedule. The messages of one stream leave in one write.
    fn send_due<P: Protocol>(&mut self, pool: &mut SessionPool<'_, P>) {
        let Self { streams, scheduled, schedule, latency, resolved, .. } = self;
        let Some(schedule) = schedule else { return };
        let now = pool.now();
        let due = schedule.due(now);
        if due.is_empty() {
            return;
        }
        let in_flight = due.start.saturating_sub(*resolved);
        let count = (due.end - due.start).min(IN_FLIGHT_MAX.saturating_sub(in_flight));
        // The streams take turns, so the messages of one stream are `stream_count` numbers apart.
        let stream_count = scheduled.len() as u64;
        for first in due.start..due.start + count.min(stream_count) {
            let stream = &mut streams[scheduled[usize::try_from(first % stream_count).unwrap_or(0)]];
            let mut messages = 0;
            let mut number = first;
            while number < due.start + count {
                let due_at = schedule.due_time(number);
                latency.record_sent_late(due_at, now.saturating_duration_since(due_at), 1);
                messages += 1;
                stream.batches.push_back(Batch { due_at, end: stream.payloads.number() + messages });
                number += stream_count;
            }
            stream.send(pool, messages);
        }
        schedule.mark_sent(count);
    }

    /// Sends a batch of each flood whose socket has accepted the batch before it.
    fn send_flood<P: Protocol>(&mut self, pool: &mut SessionPool<'_, P>) {
        if !self.is_flooding {
            return;
        }
        for &number in &self.floods {
            let stream = &mut self.streams[number];
            if !stream.is_cut && !pool.has_backlog(stream.from) {
                stream.send(pool, FLOOD_BATCH);
            }
        }
    }

    /// Stops sending and waits for the messages in flight. Gives up the messages that do not arrive in time.
    pub(crate) fn drain<P: Protocol>(&mut self, pool: &mut SessionPool<'_, P>, timeout: Duration) -> Result<(), Error> {
        self.is_sending = false;
        let acknowledges = pool.protocol().acknowledges();
        let is_in_flight = |stream: &&MessageStream| {
            let sent = stream.payloads.number();
            !stream.is_cut && (stream.checker.next_number() < sent || (acknowledges && stream.acknowledged < sent))
        };
        let mut stall_timer = StallTimer::new(timeout, "for messages");
        let mut arrivals_before = 0;
        loop {
            let streams_in_flight = self.streams.iter().filter(is_in_flight).count();
            let in_flight =
                streams_in_flight + self.room.as_ref().map_or(0, |room| room.sessions_in_flight(acknowledges));
            let arrivals: u64 =
                self.streams.iter().map(|stream| stream.checker.next_number() + stream.acknowledged).sum();
            let arrivals = arrivals + self.room.as_ref().map_or(0, Room::arrivals);
            let has_progress = arrivals > arrivals_before;
            if in_flight == 0 || stall_timer.check(pool.now(), has_progress, in_flight).is_err() {
                break;
            }
            arrivals_before = arrivals;
            self.poll(pool, stall_timer.poll_timeout())?;
        }
        self.streams.iter_mut().for_each(|stream| stream.give_up(acknowledges));
        if let Some(room) = &mut self.room {
            room.give_up();
        }
        Ok(())
    }

    /// Closes the sessions and checks the last arrivals. Returns the number of sessions that the server did not
    /// close, and all faults of the run.
    pub(crate) fn close<P: Protocol>(
        mut self,
        pool: SessionPool<'_, P>,
        limit: Duration,
    ) -> Result<(usize, Faults), Error> {
        let acknowledges = pool.protocol().acknowledges();
        let open_sessions = pool.close_all(limit, |session, event| self.handle_event(session, event))?;
        let room_faults = self.room.as_ref().map_or(Faults::default(), |room| room.faults(acknowledges));
        let faults = self.streams.iter().fold(room_faults, |mut sum, stream| {
            sum += stream.faults(acknowledges);
            sum
        });
        self.error.map_or(Ok((open_sessions, faults)), Err)
    }
}

impl MessageStream {
    /// Number of messages in flight.
    fn in_flight(&self) -> u64 {
        self.payloads.number().saturating_sub(self.checker.next_number())
    }

    /// Records the latencies of new arrivals. Returns the number of messages that have arrived or been given up since
    /// the last call.
    fn record_latencies(&mut self, now: Instant, latency: &mut LatencyRecorder) -> u64 {
        let recorded_before = self.recorded;
        let resolved = self.checker.next_number();
        while let Some(batch) = self.batches.front()
            && self.recorded < resolved
        {
            let end = batch.end.min(resolved);
            latency.resolve(batch.due_at, now, end - self.recorded, self.checker.skipped_in(self.recorded..end));
            self.recorded = end;
            if end == batch.end {
                self.batches.pop_front();
            }
        }
        self.checker.clear_skipped();
        self.recorded - recorded_before
    }

    fn send<P: Protocol>(&mut self, pool: &mut SessionPool<'_, P>, count: u64) {
        if count == 0 {
            return;
        }
        let payloads = &mut self.payloads;
        pool.send(self.from, |protocol, client, out| {
            for _ in 0..count {
                protocol.encode(client, payloads.current(), out);
                payloads.advance();
            }
        });
    }

    /// Counts missing messages and acknowledgements as faults, unless the server closed the stream.
    fn give_up(&mut self, acknowledges: bool) {
        if self.is_cut {
            return;
        }
        let sent = self.payloads.number();
        self.checker.finish(sent);
        if acknowledges {
            self.unacknowledged = sent.saturating_sub(self.acknowledged);
        }
    }

    /// Faults of the stream, after the last arrival.
    fn faults(&self, acknowledges: bool) -> Faults {
        let mut faults = self.checker.faults();
        if acknowledges && !self.is_cut {
            // Missing acknowledgements, and acknowledgements without a message.
            faults.unacknowledged += self.unacknowledged + self.acknowledged.saturating_sub(self.payloads.number());
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream with two messages due at the start of each millisecond, and their payloads.
    fn stream(begin: Instant, milliseconds: u64, latency: &mut LatencyRecorder) -> (MessageStream, Vec<Vec<u8>>) {
        let mut traffic = Traffic::new(2);
        traffic.add_stream(0, 1, &Rc::from([64]), Pace::OpenLoop);
        let mut stream = traffic.streams.remove(0);
        let mut payloads = Vec::new();
        for millisecond in 0..milliseconds {
            for _ in 0..2 {
                payloads.push(stream.payloads.current().to_vec());
                stream.payloads.advance();
            }
            let due_at = begin + Duration::from_millis(millisecond);
            latency.record_sent(due_at, 2);
            stream.batches.push_back(Batch { due_at, end: stream.payloads.number() });
        }
        (stream, payloads)
    }

    #[test]
    fn messages_due_in_the_span_are_timed_even_if_they_arrive_late() {
        let begin = clock::now();
        let time_at = |millisecond| begin + Duration::from_millis(millisecond);
        let mut latency = LatencyRecorder::new(begin);
        latency.begin(time_at(2)..time_at(5));
        let (mut stream, payloads) = stream(begin, 8, &mut latency);
        assert_eq!(latency.in_flight(), 6);
        // By 3 ms, the four messages due before the span and the first message of the span have arrived. The other
        // messages arrive at 1000 ms. Some of these are due after the span.
        payloads[..5].iter().for_each(|payload| stream.checker.check(payload));
        assert_eq!(stream.record_latencies(time_at(3), &mut latency), 5);
        assert_eq!((latency.in_flight(), latency.latencies().len()), (5, 1));
        payloads[5..].iter().for_each(|payload| stream.checker.check(payload));
        assert_eq!(stream.record_latencies(time_at(1000), &mut latency), 11);
        assert_eq!((latency.in_flight(), latency.latencies().len()), (0, 6));
        assert!(latency.latencies().max() > 990_000_000, "{:?}", latency.latencies().max());
    }

    #[test]
    fn lost_messages_have_no_latency() {
        let begin = clock::now();
        let time_at = |millisecond| begin + Duration::from_millis(millisecond);
        let mut latency = LatencyRecorder::new(begin);
        latency.begin(time_at(0)..time_at(8));
        let (mut stream, payloads) = stream(begin, 8, &mut latency);
        // Messages 0, 1 and 12 are lost. Message 2 arrives late, after message 13.
        for number in [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 2] {
            stream.checker.check(&payloads[number]);
        }
        assert_eq!(stream.record_latencies(time_at(7), &mut latency), 14);
        assert_eq!((latency.in_flight(), latency.latencies().len()), (2, 10));
        assert!(latency.latencies().max() < 6_100_000, "{}", latency.latencies().max());
        payloads[14..].iter().for_each(|payload| stream.checker.check(payload));
        assert_eq!(stream.record_latencies(time_at(8), &mut latency), 2);
        stream.give_up(false);
        assert_eq!(stream.faults(false), Faults { lost: 3, reordered: 1, ..Faults::default() });
    }
}

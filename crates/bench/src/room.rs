//! One room with many readers: each message of its writers goes to every reader, and is checked and timed there.

use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::clock;
use crate::error::Error;
use crate::faults::Faults;
use crate::latency_recorder::LatencyRecorder;
use crate::payload::{PayloadChecker, PayloadSequence, stream_of};
use crate::protocol::Protocol;
use crate::schedule::Schedule;
use crate::session::{SessionEvent, event_error};
use crate::session_pool::SessionPool;

/// The writers and readers of a room. Their sessions have consecutive numbers: first the writers, then the readers.
#[derive(Debug)]
pub(crate) struct Room {
    first_session: usize,
    writers: Vec<Writer>,
    readers: Vec<Reader>,
    /// Stream number of the first writer. That of each further writer is one higher.
    first_stream: usize,
    /// `None` before the first message is due.
    schedule: Option<Schedule>,
    /// False in the pauses of the schedule.
    is_saying: bool,
    /// Number of messages said.
    said: u64,
    /// Number of deliveries to come, at readers that are not frozen.
    in_flight: u64,
    /// Indexes of the readers with arrivals in this poll.
    progressed: Vec<usize>,
    latency: LatencyRecorder,
}

#[derive(Debug)]
struct Writer {
    payloads: PayloadSequence,
    acknowledged: u64,
}

#[derive(Debug)]
struct Reader {
    /// What the reader hears of each writer.
    arrivals: Vec<Arrivals>,
    /// Whether the reader is in [`Room::progressed`].
    has_progressed: bool,
    /// The reader stops reading for most of the run. Its messages are checked, but they are neither counted nor timed,
    /// and it may miss some.
    is_frozen: bool,
    /// Whether the server closed the session of a frozen reader.
    is_cut: bool,
}

/// Messages of one writer that have arrived at one reader.
#[derive(Debug)]
struct Arrivals {
    checker: PayloadChecker,
    /// Number of the first message whose latency is not recorded yet.
    recorded: u64,
}

/// Totals of a room.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RoomCounts {
    /// Messages said.
    pub(crate) said: u64,
    /// Arrivals at readers that are not frozen.
    pub(crate) delivered: u64,
}

impl RoomCounts {
    /// The increase from `earlier` to these counts.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self { said: self.said - earlier.said, delivered: self.delivered - earlier.delivered }
    }
}

impl Room {
    /// A room whose writers use the streams from `first_stream` on. The last `frozen` readers freeze.
    pub(crate) fn new(
        first_session: usize,
        writers: usize,
        readers: usize,
        frozen: usize,
        first_stream: usize,
        sizes: &Rc<[usize]>,
    ) -> Self {
        let payloads: Vec<_> = (0..writers).map(|writer| PayloadSequence::new(first_stream + writer, sizes)).collect();
        let arrivals =
            |payloads: &PayloadSequence| Arrivals { checker: PayloadChecker::new(payloads.clone()), recorded: 0 };
        let readers = (0..readers).map(|reader| Reader {
            arrivals: payloads.iter().map(arrivals).collect(),
            has_progressed: false,
            is_frozen: reader >= readers - frozen,
            is_cut: false,
        });
        Self {
            first_session,
            readers: readers.collect(),
            writers: payloads.into_iter().map(|payloads| Writer { payloads, acknowledged: 0 }).collect(),
            first_stream,
            schedule: None,
            is_saying: false,
            said: 0,
            in_flight: 0,
            progressed: Vec::new(),
            latency: LatencyRecorder::new(clock::now()),
        }
    }

    /// Starts the schedule: `per_second` messages in total, from the writers in turn.
    pub(crate) fn start_schedule(&mut self, per_second: u64) {
        self.schedule = Some(Schedule::from_now(per_second));
        self.is_saying = true;
    }

    /// Says no message until the next span.
    pub(crate) fn pause(&mut self) {
        self.is_saying = false;
    }

    pub(crate) fn has_session(&self, session: usize) -> bool {
        (self.first_session..self.first_session + self.writers.len() + self.readers.len()).contains(&session)
    }

    /// Session numbers of the readers that freeze.
    pub(crate) fn frozen_sessions(&self) -> Range<usize> {
        let end = self.first_session + self.writers.len() + self.readers.len();
        end - self.readers.iter().filter(|reader| reader.is_frozen).count()..end
    }

    pub(crate) fn counts(&self) -> RoomCounts {
        let readers = self.readers.iter().filter(|reader| !reader.is_frozen);
        RoomCounts {
            said: self.said,
            delivered: readers.flat_map(|reader| &reader.arrivals).map(|arrivals| arrivals.checker.delivered()).sum(),
        }
    }

    /// Number of readers that are not frozen.
    pub(crate) fn counted_readers(&self) -> u64 {
        self.readers.iter().filter(|reader| !reader.is_frozen).count() as u64
    }

    /// Number of frozen readers that the server closed, and of those that received every message in the end.
    pub(crate) fn frozen_outcome(&self) -> (usize, usize) {
        let frozen = || self.readers.iter().filter(|reader| reader.is_frozen);
        let has_all = |reader: &&Reader| self.is_complete(reader) && reader.faults().lost == 0;
        (frozen().filter(|reader| reader.is_cut).count(), frozen().filter(has_all).count())
    }

    pub(crate) fn latency(&self) -> &LatencyRecorder {
        &self.latency
    }

    /// Drops all recorded latencies, and begins to time the messages that are due in `span`. Ends a pause.
    pub(crate) fn begin_span(&mut self, span: Range<Instant>) {
        if let Some(schedule) = &mut self.schedule {
            schedule.restart(span.start);
            self.is_saying = true;
        }
        self.latency.begin(span);
    }

    /// Number of deliveries to come.
    pub(crate) fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// The longest sleep after which the next message can still be said in time.
    pub(crate) fn sleep_time(&self, now: Instant) -> Duration {
        self.schedule.filter(|_| self.is_saying).map_or(Duration::MAX, |schedule| schedule.sleep_time(now))
    }

    /// Handles an event of one of the room's sessions. Returns an error if the run does not expect the event.
    #[inline]
    pub(crate) fn handle_event(&mut self, session: usize, event: SessionEvent<'_>, sessions: usize) -> Option<Error> {
        let number = session - self.first_session;
        let Some(index) = number.checked_sub(self.writers.len()) else {
            return match event {
                SessionEvent::Acknowledged => {
                    self.writers[number].acknowledged += 1;
                    None
                }
                SessionEvent::Message(payload) => event_error(SessionEvent::Refused(payload), session, sessions),
                event => event_error(event, session, sessions),
            };
        };
        let reader = &mut self.readers[index];
        match event {
            SessionEvent::Message(payload) => {
                // A payload of no writer is corrupt, whichever checker counts it.
                let writer = stream_of(payload).and_then(|stream| stream.checked_sub(self.first_stream)).unwrap_or(0);
                reader.arrivals[writer.min(self.writers.len() - 1)].checker.check(payload);
                if !reader.has_progressed {
                    reader.has_progressed = true;
                    self.progressed.push(index);
                }
                None
            }
            SessionEvent::Closed(_) if reader.is_frozen => {
                reader.is_cut = true;
                None
            }
            event => event_error(event, session, sessions),
        }
    }

    /// Records the latencies of the arrivals of this poll.
    pub(crate) fn record(&mut self, now: Instant) {
        let Self { readers, writers, progressed, schedule, latency, in_flight, .. } = self;
        let Some(schedule) = schedule else { return };
        let writer_count = writers.len() as u64;
        for index in progressed.drain(..) {
            let reader = &mut readers[index];
            reader.has_progressed = false;
            for (writer, arrivals) in (0_u64..).zip(&mut reader.arrivals) {
                let next = arrivals.checker.next_number();
                if !reader.is_frozen {
                    *in_flight = in_flight.saturating_sub(next - arrivals.recorded);
                    for number in arrivals.recorded..next {
                        let due_at = schedule.due_time(number * writer_count + writer);
                        latency.resolve(due_at, now, 1, arrivals.checker.skipped_in(number..number + 1));
                    }
                }
                arrivals.recorded = next;
                arrivals.checker.clear_skipped();
            }
        }
    }

    /// Says the messages that are due.
    pub(crate) fn send_due<P: Protocol>(&mut self, pool: &mut SessionPool<'_, P>) {
        let readers = self.counted_readers();
        let Self { first_session, writers, schedule, said, in_flight, latency, .. } = self;
        let Some(schedule) = schedule.as_mut().filter(|_| self.is_saying) else { return };
        let now = pool.now();
        let due = schedule.due(now);
        for number in due.clone() {
            let due_at = schedule.due_time(number);
            latency.record_sent_late(due_at, now.saturating_duration_since(due_at), readers);
            let index = usize::try_from(number % writers.len() as u64).unwrap_or(0);
            let payloads = &mut writers[index].payloads;
            pool.send(*first_session + index, |protocol, client, out| protocol.encode(client, payloads.current(), out));
            payloads.advance();
        }
        schedule.mark_sent(due.end - due.start);
        *said += due.end - due.start;
        *in_flight += readers * (due.end - due.start);
    }

    /// Number of sessions that wait for messages or acknowledgements.
    pub(crate) fn sessions_in_flight(&self, acknowledges: bool) -> usize {
        let readers = self.readers.iter().filter(|reader| !reader.is_cut && !self.is_complete(reader)).count();
        readers + self.writers.iter().filter(|writer| acknowledges && writer.unacknowledged() > 0).count()
    }

    /// A number that grows with each arrival and each acknowledgement.
    pub(crate) fn arrivals(&self) -> u64 {
        let arrivals = self.readers.iter().flat_map(|reader| &reader.arrivals);
        let acknowledged: u64 = self.writers.iter().map(|writer| writer.acknowledged).sum();
        acknowledged + arrivals.map(|arrivals| arrivals.checker.next_number()).sum::<u64>()
    }

    /// Whether nothing more can arrive at a reader.
    fn is_complete(&self, reader: &Reader) -> bool {
        let pairs = reader.arrivals.iter().zip(&self.writers);
        pairs.into_iter().all(|(arrivals, writer)| arrivals.checker.next_number() >= writer.payloads.number())
    }

    /// Counts messages that did not arrive as lost, except at frozen readers.
    pub(crate) fn give_up(&mut self) {
        for reader in self.readers.iter_mut().filter(|reader| !reader.is_frozen) {
            for (arrivals, writer) in reader.arrivals.iter_mut().zip(&self.writers) {
                arrivals.checker.finish(writer.payloads.number());
            }
        }
    }

    /// All faults, after the last arrival.
    pub(crate) fn faults(&self, acknowledges: bool) -> Faults {
        let mut sum = Faults::default();
        for reader in &self.readers {
            let faults = reader.faults();
            // A server may drop the messages of a reader that does not read.
            sum += if reader.is_frozen { Faults { lost: 0, ..faults } } else { faults };
        }
        if acknowledges {
            sum.unacknowledged += self.writers.iter().map(Writer::unacknowledged).sum::<u64>();
        }
        sum
    }
}

impl Writer {
    /// Number of missing acknowledgements, or of acknowledgements without a message.
    fn unacknowledged(&self) -> u64 {
        self.payloads.number().abs_diff(self.acknowledged)
    }
}

impl Reader {
    fn faults(&self) -> Faults {
        self.arrivals.iter().fold(Faults::default(), |mut sum, arrivals| {
            sum += arrivals.checker.faults();
            sum
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A room with two writers and three readers. The last reader is frozen. Each writer has said three messages.
    fn room() -> (Room, Vec<Vec<u8>>) {
        let mut room = Room::new(10, 2, 3, 1, 7, &Rc::from([64]));
        room.start_schedule(1000);
        let mut payloads = Vec::new();
        for _ in 0..3 {
            for writer in &mut room.writers {
                payloads.push(writer.payloads.current().to_vec());
                writer.payloads.advance();
                writer.acknowledged += 1;
            }
        }
        (room, payloads)
    }

    #[test]
    fn each_reader_counts_its_own_faults() {
        let (mut room, payloads) = room();
        let orders: [&[usize]; 3] = [&[0, 1, 2, 3, 5, 4], &[1, 0, 4, 5, 5], &[0, 1, 4]];
        for (reader, order) in orders.into_iter().enumerate() {
            for &number in order {
                assert!(room.handle_event(12 + reader, SessionEvent::Message(&payloads[number]), 15).is_none());
            }
        }
        let closed = room.handle_event(14, SessionEvent::Closed(None), 15);
        assert!(closed.is_none() && room.handle_event(13, SessionEvent::Closed(None), 15).is_some());
        room.give_up();
        // The second reader misses number 2 of the first writer and number 3 of the second, and hears number 5 twice.
        assert_eq!(room.faults(true), Faults { lost: 2, duplicated: 1, ..Faults::default() });
        assert_eq!((room.counts().delivered, room.frozen_outcome(), room.frozen_sessions()), (10, (1, 0), 14..15));
    }

    #[test]
    fn latency_counts_from_the_due_time_of_each_message() {
        let (mut room, payloads) = room();
        let begin = room.schedule.expect("the schedule has begun").due_time(0);
        let time_at = |millisecond| begin + Duration::from_millis(millisecond);
        room.begin_span(time_at(1)..time_at(100));
        for payload in &payloads {
            for reader in 12..15 {
                assert!(room.handle_event(reader, SessionEvent::Message(payload), 15).is_none());
            }
        }
        room.record(time_at(10));
        // The schedule has paused until 1 ms, when the first message is due. Two readers are timed.
        assert_eq!(room.latency().latencies().len(), 12);
        let longest = room.latency().latencies().max();
        assert!((8_900_000..9_100_000).contains(&longest), "{longest}");
    }
}

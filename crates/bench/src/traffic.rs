//! Streams of messages from one session to another: sent at their pace, checked, and timed.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::clock;
use crate::error::Error;
use crate::faults::Faults;
use crate::latency_recorder::Times;
use crate::payload::{Check, Payloads};
use crate::protocol::Wire;
use crate::schedule::Schedule;
use crate::session_pool::{Crowd, Event, Patience, failure};

/// How many messages of a flood are said at once: so few that what is timed does not wait for them here.
const FLOOD_BATCH: u64 = 64;

/// How many messages of a schedule may be under way: beyond it, what is due is sent later, so that a server that does
/// not keep up does not cost this side all of its memory.
const UNDER_WAY_MAX: u64 = 1_000_000;

/// All streams of a run.
#[derive(Debug)]
pub(crate) struct Talk {
    streams: Vec<Stream>,
    /// Which stream a session sends, and which it hears.
    spoken: Vec<Option<usize>>,
    heard: Vec<Option<usize>>,
    /// Streams that something came of, in this turn.
    moved: Vec<usize>,
    schedule: Option<Schedule>,
    scheduled: Vec<usize>,
    /// How many messages have come of those that are timed.
    timed: u64,
    floods: Vec<usize>,
    is_flooding: bool,
    is_sending: bool,
    times: Times,
    /// What may not happen, and did.
    failed: Option<Error>,
}

#[derive(Debug)]
struct Stream {
    from: usize,
    payloads: Payloads,
    check: Check,
    acknowledged: u64,
    /// How many acknowledgements did not come in time.
    unacknowledged: u64,
    pace: Pace,
    /// Those that are under way, in the order of their numbers.
    batches: VecDeque<Batch>,
    /// Up to which message latencies are known.
    timed: u64,
    has_moved: bool,
    /// The server ended one of its sessions, as it may do with one that floods or does not read.
    is_cut: bool,
}

/// Messages that were sent at the same time, or were due then.
#[derive(Clone, Copy, Debug)]
struct Batch {
    at: Instant,
    /// The number after its last message.
    end: u64,
}

/// When a stream sends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pace {
    /// As soon as fewer than this are under way.
    Window(u64),
    /// In its turn, when the next message of all is due.
    Scheduled,
    /// All that its socket takes, while there is a flood. Its messages are checked, and neither counted nor timed.
    Flood,
}

/// How far all streams together are, without those that flood.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
    pub(crate) acknowledged: u64,
}

impl Talk {
    /// Nobody talks yet, of `sessions`.
    pub(crate) fn new(sessions: usize) -> Self {
        Self {
            streams: Vec::new(),
            spoken: vec![None; sessions],
            heard: vec![None; sessions],
            moved: Vec::new(),
            schedule: None,
            scheduled: Vec::new(),
            timed: 0,
            floods: Vec::new(),
            is_flooding: false,
            is_sending: true,
            times: Times::new(clock::now()),
            failed: None,
        }
    }

    /// Adds a stream of messages from one session to another.
    pub(crate) fn add(&mut self, from: usize, to: usize, sizes: &Rc<[usize]>, pace: Pace) {
        let number = self.streams.len();
        let payloads = Payloads::new(number, sizes);
        self.spoken[from] = Some(number);
        self.heard[to] = Some(number);
        match pace {
            Pace::Window(_) => self.moved.push(number),
            Pace::Scheduled => self.scheduled.push(number),
            Pace::Flood => self.floods.push(number),
        }
        self.streams.push(Stream {
            from,
            check: Check::new(payloads.clone()),
            payloads,
            acknowledged: 0,
            unacknowledged: 0,
            pace,
            batches: VecDeque::new(),
            timed: 0,
            has_moved: matches!(pace, Pace::Window(_)),
            is_cut: false,
        });
    }

    /// From now on so many messages are due each second, from all scheduled streams together.
    pub(crate) fn schedule(&mut self, per_second: u64) {
        self.schedule = Some(Schedule::from_now(per_second));
    }

    /// Begins the flood, or ends it.
    pub(crate) fn set_flooding(&mut self, is_flooding: bool) {
        self.is_flooding = is_flooding;
    }

    pub(crate) fn counts(&self) -> Counts {
        let counted = self.streams.iter().filter(|stream| stream.pace != Pace::Flood);
        counted.fold(Counts::default(), |sum, stream| Counts {
            sent: sum.sent + stream.payloads.number(),
            delivered: sum.delivered + stream.check.delivered(),
            acknowledged: sum.acknowledged + stream.acknowledged,
        })
    }

    /// How many messages those said that flood.
    pub(crate) fn flooded(&self) -> u64 {
        self.floods.iter().map(|&number| self.streams[number].payloads.number()).sum()
    }

    /// How many streams the server has cut.
    pub(crate) fn cut(&self) -> usize {
        self.streams.iter().filter(|stream| stream.is_cut).count()
    }

    /// How long messages took.
    pub(crate) fn times(&self) -> &Times {
        &self.times
    }

    /// From now on times what is due within `time`, and forgets all times so far.
    pub(crate) fn begin_to_time(&mut self, time: Duration) {
        let begin = clock::now();
        self.times.begin(begin..begin + time);
    }

    /// How many of the messages that are timed have not come: those under way, and those that were due and not sent.
    pub(crate) fn awaited(&self) -> u64 {
        let unsent = self.schedule.map_or(0, |schedule| schedule.unsent_before(self.times.end()));
        self.times.under_way() + unsent
    }

    /// One turn: waits for `wait` at most, takes what came, and sends what is due.
    pub(crate) fn turn<W: Wire>(&mut self, crowd: &mut Crowd<'_, W>, wait: Duration) -> Result<(), Error> {
        // The first window is sent before anything can come.
        let wait = if self.moved.is_empty() { wait } else { Duration::ZERO };
        let due = self.schedule.filter(|_| self.is_sending);
        let wait = due.map_or(wait, |schedule| schedule.sleep(crowd.now()).min(wait));
        crowd.turn(wait, |session, event| self.hear(session, event))?;
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.time_and_refill(crowd);
        if self.is_sending {
            self.send_due(crowd);
            self.flood(crowd);
        }
        Ok(())
    }

    #[inline]
    fn hear(&mut self, session: usize, event: Event<'_>) {
        let stream_of = |which: &[Option<usize>]| which.get(session).copied().flatten();
        match event {
            Event::Message(payload) => {
                let Some(number) = stream_of(&self.heard) else {
                    self.failed = failure(Event::Refused(payload), session, self.heard.len());
                    return;
                };
                let stream = &mut self.streams[number];
                stream.check.take(payload);
                if !stream.has_moved {
                    stream.has_moved = true;
                    self.moved.push(number);
                }
            }
            Event::Acknowledged => {
                if let Some(number) = stream_of(&self.spoken) {
                    self.streams[number].acknowledged += 1;
                }
            }
            event => match stream_of(&self.heard).or_else(|| stream_of(&self.spoken)) {
                Some(number) if self.streams[number].pace == Pace::Flood => self.streams[number].is_cut = true,
                _ => self.failed = self.failed.take().or_else(|| failure(event, session, self.heard.len())),
            },
        }
    }

    /// Times what came, and sends on where a window has room again.
    fn time_and_refill<W: Wire>(&mut self, crowd: &mut Crowd<'_, W>) {
        let Self { streams, moved, times, is_sending, timed, .. } = self;
        let now = crowd.now();
        for number in moved.drain(..) {
            let stream = &mut streams[number];
            stream.has_moved = false;
            *timed += stream.time(now, times);
            if let Pace::Window(window) = stream.pace
                && *is_sending
            {
                let messages = window.saturating_sub(stream.under_way());
                if messages > 0 {
                    stream.batches.push_back(Batch { at: now, end: stream.payloads.number() + messages });
                    times.sent(now, messages);
                    stream.send(crowd, messages);
                }
            }
        }
    }

    /// Sends what is due by the schedule: what is due of one stream in one piece.
    fn send_due<W: Wire>(&mut self, crowd: &mut Crowd<'_, W>) {
        let Self { streams, scheduled, schedule, times, timed, .. } = self;
        let Some(schedule) = schedule else { return };
        let now = crowd.now();
        let due = schedule.due(now);
        if due.is_empty() {
            return;
        }
        let under_way = due.start.saturating_sub(*timed);
        let count = (due.end - due.start).min(UNDER_WAY_MAX.saturating_sub(under_way));
        let turns = scheduled.len() as u64;
        for first in due.start..due.start + count.min(turns) {
            let stream = &mut streams[scheduled[usize::try_from(first % turns).unwrap_or(0)]];
            let mut messages = 0;
            let mut number = first;
            while number < due.start + count {
                let at = schedule.time_of(number);
                times.sent_late(at, now.saturating_duration_since(at));
                messages += 1;
                stream.batches.push_back(Batch { at, end: stream.payloads.number() + messages });
                number += turns;
            }
            stream.send(crowd, messages);
        }
        schedule.sent(count);
    }

    fn flood<W: Wire>(&mut self, crowd: &mut Crowd<'_, W>) {
        if !self.is_flooding {
            return;
        }
        for &number in &self.floods {
            let stream = &mut self.streams[number];
            if !stream.is_cut && !crowd.is_behind(stream.from) {
                stream.send(crowd, FLOOD_BATCH);
            }
        }
    }

    /// Sends no more, and waits for all that is under way. What does not come in time is given up.
    pub(crate) fn end<W: Wire>(&mut self, crowd: &mut Crowd<'_, W>, timeout: Duration) -> Result<(), Error> {
        self.is_sending = false;
        let acknowledges = crowd.wire().acknowledges();
        let is_under_way = |stream: &&Stream| {
            let sent = stream.payloads.number();
            !stream.is_cut && (stream.check.next_number() < sent || (acknowledges && stream.acknowledged < sent))
        };
        let mut patience = Patience::new(timeout, "for messages");
        let mut arrived = 0;
        loop {
            let left = self.streams.iter().filter(is_under_way).count();
            let now_arrived = self.streams.iter().map(|stream| stream.check.next_number() + stream.acknowledged).sum();
            if left == 0 || patience.look(crowd.now(), now_arrived > arrived, left).is_err() {
                break;
            }
            arrived = now_arrived;
            self.turn(crowd, patience.tick())?;
        }
        self.streams.iter_mut().for_each(|stream| stream.end(acknowledges));
        Ok(())
    }

    /// Takes what still comes while everybody leaves, and says what went wrong in the whole run.
    pub(crate) fn leave<W: Wire>(mut self, crowd: Crowd<'_, W>, limit: Duration) -> Result<(usize, Faults), Error> {
        let acknowledges = crowd.wire().acknowledges();
        let left = crowd.leave_all(limit, |session, event| self.hear(session, event))?;
        let faults = self.streams.iter().fold(Faults::default(), |mut sum, stream| {
            sum += stream.faults(acknowledges);
            sum
        });
        self.failed.map_or(Ok((left, faults)), Err)
    }
}

impl Stream {
    fn under_way(&self) -> u64 {
        self.payloads.number() - self.check.next_number().min(self.payloads.number())
    }

    /// Takes down how long those took that have come since, and says how many they are.
    fn time(&mut self, now: Instant, times: &mut Times) -> u64 {
        let before = self.timed;
        let come = self.check.next_number();
        while let Some(batch) = self.batches.front()
            && self.timed < come
        {
            let end = batch.end.min(come);
            times.came(batch.at, now, end - self.timed, self.check.skipped_of(self.timed..end));
            self.timed = end;
            if end == batch.end {
                self.batches.pop_front();
            }
        }
        self.check.forget_skipped();
        self.timed - before
    }

    fn send<W: Wire>(&mut self, crowd: &mut Crowd<'_, W>, count: u64) {
        if count == 0 {
            return;
        }
        let payloads = &mut self.payloads;
        crowd.say(self.from, |wire, seat, out| {
            for _ in 0..count {
                wire.encode(seat, payloads.current(), out);
                payloads.advance();
            }
        });
    }

    /// Gives up what has not come. What was under way when the server cut it has gone with it.
    fn end(&mut self, acknowledges: bool) {
        if self.is_cut {
            return;
        }
        let sent = self.payloads.number();
        self.check.end(sent);
        if acknowledges {
            self.unacknowledged = sent.saturating_sub(self.acknowledged);
        }
    }

    /// What went wrong with it, once nothing more comes.
    fn faults(&self, acknowledges: bool) -> Faults {
        let mut faults = self.check.faults();
        if acknowledges && !self.is_cut {
            // Those that did not come in time, and those of no message.
            faults.unacknowledged += self.unacknowledged + self.acknowledged.saturating_sub(self.payloads.number());
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream of which two messages were due at the beginning of each millisecond, and the payloads that came of it.
    fn stream(begin: Instant, milliseconds: u64, times: &mut Times) -> (Stream, Vec<Vec<u8>>) {
        let mut talk = Talk::new(2);
        talk.add(0, 1, &Rc::from([64]), Pace::Scheduled);
        let mut stream = talk.streams.remove(0);
        let mut said = Vec::new();
        for millisecond in 0..milliseconds {
            for _ in 0..2 {
                said.push(stream.payloads.current().to_vec());
                stream.payloads.advance();
            }
            let at = begin + Duration::from_millis(millisecond);
            times.sent(at, 2);
            stream.batches.push_back(Batch { at, end: stream.payloads.number() });
        }
        (stream, said)
    }

    #[test]
    fn what_is_due_in_the_span_is_timed_whenever_it_comes() {
        let begin = clock::now();
        let at = |millisecond| begin + Duration::from_millis(millisecond);
        let mut times = Times::new(begin);
        times.begin(at(2)..at(5));
        let (mut stream, said) = stream(begin, 8, &mut times);
        assert_eq!(times.under_way(), 6);
        // Four from before it and one of it come in it; the rest comes late, with some from after it.
        said[..5].iter().for_each(|payload| stream.check.take(payload));
        assert_eq!(stream.time(at(3), &mut times), 5);
        assert_eq!((times.under_way(), times.latencies().len()), (5, 1));
        said[5..].iter().for_each(|payload| stream.check.take(payload));
        assert_eq!(stream.time(at(1000), &mut times), 11);
        assert_eq!((times.under_way(), times.latencies().len()), (0, 6));
        assert!(times.latencies().max() > 990_000_000, "{:?}", times.latencies().max());
    }

    #[test]
    fn what_never_came_took_no_time() {
        let begin = clock::now();
        let at = |millisecond| begin + Duration::from_millis(millisecond);
        let mut times = Times::new(begin);
        times.begin(at(0)..at(8));
        let (mut stream, said) = stream(begin, 8, &mut times);
        // Both of the first millisecond, and one each of the second and the last but one, are missing; one comes late.
        for number in [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 2] {
            stream.check.take(&said[number]);
        }
        assert_eq!(stream.time(at(7), &mut times), 14);
        assert_eq!((times.under_way(), times.latencies().len()), (2, 10));
        assert!(times.latencies().max() < 6_100_000, "{}", times.latencies().max());
        said[14..].iter().for_each(|payload| stream.check.take(payload));
        assert_eq!(stream.time(at(8), &mut times), 2);
        stream.end(false);
        assert_eq!(stream.faults(false), Faults { lost: 3, reordered: 1, ..Faults::default() });
    }
}

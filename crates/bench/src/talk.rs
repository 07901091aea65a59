//! Streams of messages from one session to another: sent at their pace, checked, and timed.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::crowd::{Crowd, Event, Patience, failure};
use crate::error::Error;
use crate::faults::Faults;
use crate::payload::{Check, Payloads};
use crate::wire::Wire;

/// All streams of a run.
#[derive(Debug)]
pub(crate) struct Talk {
    streams: Vec<Stream>,
    /// Which stream a session sends, and which it hears.
    spoken: Vec<Option<usize>>,
    heard: Vec<Option<usize>>,
    /// Streams that something came of, in this turn.
    moved: Vec<usize>,
    /// Latencies, in nanoseconds.
    latencies: Histogram<u64>,
    is_sending: bool,
    /// What may not happen, and did.
    failed: Option<Error>,
}

#[derive(Debug)]
struct Stream {
    from: usize,
    payloads: Payloads,
    check: Check,
    acknowledged: u64,
    pace: Pace,
    /// Those that are under way, in the order of their numbers.
    batches: VecDeque<Batch>,
    /// Up to which message latencies are known.
    timed: u64,
    has_moved: bool,
}

/// Messages that were sent, or ought to have been sent, at the same time.
#[derive(Clone, Copy, Debug)]
struct Batch {
    at: Instant,
    /// The number after its last message.
    end: u64,
}

/// When a stream sends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// As soon as fewer than this are under way.
    Window(u64),
}

/// How far all streams together are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
    pub(crate) acknowledged: u64,
}

impl Talk {
    pub(crate) fn new(sessions: usize) -> Self {
        Self {
            streams: Vec::new(),
            spoken: vec![None; sessions],
            heard: vec![None; sessions],
            moved: Vec::new(),
            latencies: Histogram::new_with_bounds(1, 3_600_000_000_000, 3)
                .unwrap_or_else(|_| unreachable!("an hour has room")),
            is_sending: true,
            failed: None,
        }
    }

    /// Adds a stream of messages from one session to another.
    pub(crate) fn add(&mut self, from: usize, to: usize, sizes: &Rc<[usize]>, pace: Pace) {
        let number = self.streams.len();
        let payloads = Payloads::new(number, sizes);
        self.spoken[from] = Some(number);
        self.heard[to] = Some(number);
        self.moved.push(number);
        self.streams.push(Stream {
            from,
            check: Check::new(payloads.clone()),
            payloads,
            acknowledged: 0,
            pace,
            batches: VecDeque::new(),
            timed: 0,
            has_moved: true,
        });
    }

    pub(crate) fn counts(&self) -> Counts {
        self.streams.iter().fold(Counts::default(), |sum, stream| Counts {
            sent: sum.sent + stream.payloads.number(),
            delivered: sum.delivered + stream.check.next_number() - stream.check.faults().lost,
            acknowledged: sum.acknowledged + stream.acknowledged,
        })
    }

    /// Begins to measure: forgets the latencies so far.
    pub(crate) fn forget_latencies(&mut self) {
        self.latencies.reset();
    }

    pub(crate) fn take_latencies(&mut self) -> Histogram<u64> {
        let empty = Histogram::new_from(&self.latencies);
        std::mem::replace(&mut self.latencies, empty)
    }

    /// One turn: waits for `wait` at most, takes what came, and sends what is due.
    pub(crate) fn turn<W: Wire>(&mut self, crowd: &mut Crowd<'_, W>, wait: Duration) -> Result<(), Error> {
        let of = crowd.len();
        crowd.turn(wait, |session, event| self.hear(session, of, event))?;
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.move_on(crowd);
        Ok(())
    }

    fn hear(&mut self, session: usize, of: usize, event: Event<'_>) {
        let stream = |which: &[Option<usize>]| which.get(session).copied().flatten();
        match event {
            Event::Message(payload) => {
                let Some(number) = stream(&self.heard) else {
                    self.failed = failure(Event::Refused(payload), session, of);
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
                if let Some(number) = stream(&self.spoken) {
                    self.streams[number].acknowledged += 1;
                }
            }
            event => self.failed = self.failed.take().or_else(|| failure(event, session, of)),
        }
    }

    /// Times what came, and sends on.
    fn move_on<W: Wire>(&mut self, crowd: &mut Crowd<'_, W>) {
        let Self { streams, moved, latencies, is_sending, .. } = self;
        for number in moved.drain(..) {
            let stream = &mut streams[number];
            stream.has_moved = false;
            stream.time(crowd.now(), latencies);
            if *is_sending {
                stream.send(crowd);
            }
        }
    }

    /// Sends no more, and waits for all that is under way; then says what went wrong in the whole run.
    pub(crate) fn end<W: Wire>(&mut self, crowd: &mut Crowd<'_, W>, timeout: Duration) -> Result<Faults, Error> {
        self.is_sending = false;
        let acknowledges = crowd.wire().acknowledges();
        let is_under_way = |stream: &Stream| {
            let sent = stream.payloads.number();
            stream.check.next_number() < sent || (acknowledges && stream.acknowledged < sent)
        };
        let mut patience = Patience::new(timeout, "for messages");
        let mut arrived = 0;
        loop {
            let left = self.streams.iter().filter(|stream| is_under_way(stream)).count();
            let counts = self.counts();
            let now_arrived = counts.delivered + counts.acknowledged;
            // What does not come in time is lost.
            if left == 0 || patience.look(crowd.now(), now_arrived > arrived, left).is_err() {
                break;
            }
            arrived = now_arrived;
            self.turn(crowd, patience.tick())?;
        }
        let mut faults = Faults::default();
        for stream in &mut self.streams {
            let sent = stream.payloads.number();
            faults += stream.check.end(sent);
            if acknowledges {
                faults.unacknowledged += sent.abs_diff(stream.acknowledged);
            }
        }
        Ok(faults)
    }
}

impl Stream {
    /// Takes down how long those took that have come since.
    fn time(&mut self, now: Instant, latencies: &mut Histogram<u64>) {
        let come = self.check.next_number();
        while let Some(batch) = self.batches.front()
            && self.timed < come
        {
            let end = batch.end.min(come);
            let took = now.saturating_duration_since(batch.at);
            latencies.saturating_record_n(nanoseconds(took), end - self.timed);
            self.timed = end;
            if end == batch.end {
                self.batches.pop_front();
            }
        }
    }

    fn send<W: Wire>(&mut self, crowd: &mut Crowd<'_, W>) {
        let Pace::Window(window) = self.pace;
        let under_way = self.payloads.number() - self.check.next_number();
        let count = window.saturating_sub(under_way);
        if count > 0 {
            self.send_batch(crowd, count, crowd.now());
        }
    }

    fn send_batch<W: Wire>(&mut self, crowd: &mut Crowd<'_, W>, count: u64, at: Instant) {
        let payloads = &mut self.payloads;
        crowd.say(self.from, |wire, seat, out| {
            for _ in 0..count {
                wire.encode(seat, payloads.current(), out);
                payloads.advance();
            }
        });
        self.batches.push_back(Batch { at, end: self.payloads.number() });
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

//! The workload `pairs`: everybody talks, as fast as what was said arrives.

use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::crowd::Crowd;
use crate::error::Error;
use crate::meter::{Reading, Used};
use crate::payload::PAYLOAD_MIN_BYTES;
use crate::process::Process;
use crate::progress::{Phase, Progress};
use crate::report::{Latency, Measured, Report};
use crate::seats;
use crate::talk::{Counts, Pace, Talk};
use crate::target::Target;
use crate::wire::Wire;

/// A closed loop: each speaker keeps a number of messages under way, and sends another when one has arrived.
#[derive(Clone, Debug)]
pub struct Pairs {
    /// How many pairs of sessions talk.
    pub pairs: usize,
    /// How many messages each speaker keeps under way.
    pub window: u64,
    /// How long payloads are, in bytes; more than one take turns.
    pub sizes: Vec<usize>,
    /// Whether both of a pair speak.
    pub both_ways: bool,
    /// How long the server is given to get warm, before anything is measured.
    pub warm_up: Duration,
    /// How long is measured.
    pub time: Duration,
}

impl Pairs {
    /// Runs it, and tells `progress` now and then how far it is.
    pub fn run<W: Wire>(&self, wire: &W, target: &Target, progress: &mut dyn FnMut(Progress)) -> Result<Report, Error> {
        check(self.pairs, "pairs")?;
        check(usize::try_from(self.window).unwrap_or(usize::MAX), "window")?;
        check_sizes(&self.sizes)?;
        let process = target.pid.map(Process::new).transpose()?;
        let sessions = 2 * self.pairs;
        let mut crowd = Crowd::new(wire, target, sessions)?;
        progress(Progress { phase: Phase::Opening, done: 0.0, delivered: 0 });
        seats::open_pairs(&mut crowd, self.pairs, self.both_ways)?;

        let mut talk = Talk::new(sessions);
        let sizes: Rc<[usize]> = Rc::from(&*self.sizes);
        for pair in 0..self.pairs {
            talk.add(2 * pair, 2 * pair + 1, &sizes, Pace::Window(self.window));
            if self.both_ways {
                talk.add(2 * pair + 1, 2 * pair, &sizes, Pace::Window(self.window));
            }
        }
        go_on(&mut talk, &mut crowd, Phase::WarmUp, self.warm_up, progress)?;
        let measured = measure(&mut talk, &mut crowd, process, self.time, progress)?;
        progress(Progress { phase: Phase::Ending, done: 0.0, delivered: talk.counts().delivered });
        let faults = talk.end(&mut crowd, target.timeout)?;
        crowd.leave_all()?;
        let notes = measured.notes();
        Ok(Report { workload: "pairs", wire: wire.name().to_owned(), sessions, measured, faults, notes })
    }
}

fn check(value: usize, what: &str) -> Result<(), Error> {
    if value == 0 { Err(Error::Usage(format!("0 {what} make no load: give at least 1"))) } else { Ok(()) }
}

fn check_sizes(sizes: &[usize]) -> Result<(), Error> {
    let Some(shortest) = sizes.iter().min() else {
        return Err(Error::Usage("no size was given".to_owned()));
    };
    if *shortest < PAYLOAD_MIN_BYTES {
        return Err(Error::Usage(format!(
            "a message of {shortest} bytes has no room for its stream and its number: give at least {PAYLOAD_MIN_BYTES}"
        )));
    }
    Ok(())
}

/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// Lets everybody talk for `time`.
fn go_on<W: Wire>(
    talk: &mut Talk,
    crowd: &mut Crowd<'_, W>,
    phase: Phase,
    time: Duration,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Error> {
    let begin = crate::clock::now();
    let end = begin + time;
    let mut told: Option<Instant> = None;
    loop {
        talk.turn(crowd, PROGRESS_EVERY.min(end.saturating_duration_since(crowd.now())))?;
        let now = crowd.now();
        if now >= end {
            return Ok(());
        }
        if told.is_none_or(|told| now >= told + PROGRESS_EVERY) {
            told = Some(now);
            let done = now.saturating_duration_since(begin).as_secs_f64() / time.as_secs_f64();
            progress(Progress { phase, done, delivered: talk.counts().delivered });
        }
    }
}

/// Lets everybody talk for `time`, and measures.
#[expect(clippy::cast_precision_loss, reason = "rates for people, to a few digits")]
fn measure<W: Wire>(
    talk: &mut Talk,
    crowd: &mut Crowd<'_, W>,
    process: Option<Process>,
    time: Duration,
    progress: &mut dyn FnMut(Progress),
) -> Result<Measured, Error> {
    talk.forget_latencies();
    let (before, counts_before) = (Reading::take(process)?, talk.counts());
    go_on(talk, crowd, Phase::Measuring, time, progress)?;
    let (after, counts_after) = (Reading::take(process)?, talk.counts());
    let Used { time, generator, server } = before.until(&after);
    let since = |of: fn(&Counts) -> u64| of(&counts_after) - of(&counts_before);
    let delivered = since(|counts| counts.delivered);
    Ok(Measured {
        seconds: time.as_secs_f64(),
        sent: since(|counts| counts.sent),
        delivered,
        acknowledged: crowd.wire().acknowledges().then(|| since(|counts| counts.acknowledged)),
        delivered_per_second: delivered as f64 / time.as_secs_f64(),
        delivered_per_server_cpu_second: server
            .filter(|server| server.cpu_seconds > 0.0)
            .map(|server| delivered as f64 / server.cpu_seconds),
        latency: Latency::of(&talk.take_latencies()),
        server,
        generator,
    })
}

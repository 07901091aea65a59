//! `resume`: a device that was away comes back.

use std::rc::Rc;
use std::time::Duration;

use super::require_at_least_one;
use crate::client_names::ClientNames;
use crate::clock;
use crate::error::Error;
use crate::faults::Faults;
use crate::latency::{Latency, LatencyHistogram};
use crate::line_client::{Line, LineClient};
use crate::payload::{PayloadChecker, PayloadSequence};
use crate::process::Process;
use crate::progress::{Phase, Progress};
use crate::protocol::PUBLIC_KEY;
use crate::report::{Metrics, Report, ResumeMetrics, per_server_cpu_second};
use crate::target::Target;
use crate::usage::UsageSnapshot;

/// Maximum messages without an acknowledgement while the conversations are prepared. The server reads no more at 1,024.
const WINDOW: usize = 512;

/// Records that one `HISTORY` asks for.
const PAGE: usize = 50;

/// Number of the first room's name. The lower ones are those of the two accounts.
const FIRST_ROOM: usize = 2;

/// An account joins rooms, and is away while another account writes into them. Then its device comes back in each
/// round: it logs in with a token, opens all rooms at its old positions, and receives the missed messages. The old
/// positions stay the same, so all rounds do the same work. At the end, the device reads the last messages of random
/// rooms.
///
/// Only our server has all of this, so the workload has no [`Protocol`](crate::Protocol).
#[derive(Clone, Copy, Debug)]
pub struct Resume {
    /// Number of rooms.
    pub conversations: usize,
    /// Messages that the device has missed, in all rooms together.
    pub missed: usize,
    /// Size of a message in bytes.
    pub size: usize,
    /// Number of times that the device comes back.
    pub rounds: usize,
    /// Number of pages that the device reads at the end.
    pub pages: usize,
}

/// The device and its rooms.
struct Device {
    name: String,
    token: String,
    names: ClientNames,
    rooms: Vec<MissedRoom>,
}

/// A room as the device has last seen it.
struct MissedRoom {
    epoch: String,
    /// The number of the last record that the device has.
    last: String,
    /// The messages that it misses, from the first one.
    payloads: PayloadSequence,
    /// The number of these messages.
    missed: u64,
}

impl Resume {
    /// Runs the workload. Calls `progress` now and then.
    #[expect(clippy::cast_precision_loss, reason = "rates are shown to a few digits")]
    pub fn run(&self, target: &Target, progress: &mut dyn FnMut(Progress)) -> Result<Report, Error> {
        let Self { conversations, missed, rounds, pages, .. } = *self;
        require_at_least_one(conversations as u64, "conversations")?;
        require_at_least_one(missed as u64, "missed messages")?;
        require_at_least_one(rounds as u64, "rounds")?;
        super::check_sizes(&[self.size])?;
        let process = target.pid.map(Process::new).transpose()?;
        let device = self.prepare(target, progress)?;

        let mut faults = Faults::default();
        let mut times = LatencyHistogram::new();
        let before = UsageSnapshot::take(process)?;
        for round in 0..rounds {
            let done = round as f64 / rounds as f64;
            progress(Progress { phase: Phase::Measuring, done, count: (round * missed) as u64 });
            times.record(device.resume(target, &mut faults)?, 1);
        }
        let usage = before.until(&UsageSnapshot::take(process)?);
        let before = UsageSnapshot::take(process)?;
        let history = device.read_pages(target, pages, &mut faults)?;
        let history_usage = before.until(&UsageSnapshot::take(process)?);
        progress(Progress { phase: Phase::Ending, done: 1.0, count: (rounds * missed) as u64 });

        let records = (rounds * missed) as u64;
        let resume_seconds = times.sum_seconds();
        let resume = ResumeMetrics {
            conversations,
            missed,
            rounds,
            seconds: usage.time.as_secs_f64(),
            time: Latency::from_histogram(&times),
            records_per_second: records as f64 / resume_seconds,
            records_per_server_cpu_second: per_server_cpu_second(records, usage.server.as_ref()),
            pages,
            page: Latency::from_histogram(&history),
            pages_per_server_cpu_second: per_server_cpu_second(pages as u64, history_usage.server.as_ref()),
            server: usage.server,
            generator: usage.generator,
        };
        let notes = usage.notes().into_iter().chain(usage.cpu_time_note()).collect();
        let protocol = "conversations".to_owned();
        Ok(Report { workload: "resume", protocol, sessions: 1, metrics: Metrics::Resume { resume }, faults, notes })
    }

    /// Makes the accounts and the rooms, and writes the messages while the device is away.
    #[expect(clippy::cast_precision_loss, reason = "progress is shown to a few digits")]
    fn prepare(&self, target: &Target, progress: &mut dyn FnMut(Progress)) -> Result<Device, Error> {
        progress(Progress { phase: Phase::Opening, done: 0.0, count: 0 });
        let names = ClientNames::new();
        let name = names.name_of(0);
        let mut client = claim(target, &name)?;
        client.send(b"TOKEN\n")?;
        let token = client.wait_for("TOKEN_OK")?.pop().unwrap_or_default();
        let sizes: Rc<[usize]> = Rc::from([self.size]);
        let mut rooms = Vec::new();
        for room in 0..self.conversations {
            let room_name = names.name_of(FIRST_ROOM + room);
            client.send(format!("JOIN #{room_name}\nOPEN #{room_name}\nCLOSE #{room_name}\n").as_bytes())?;
            // The words are the room, the epoch, the first record and the last one.
            let words = client.wait_for("OPEN_OK")?;
            client.wait_for("CLOSE_OK")?;
            let word = |index: usize| words.get(index).cloned().unwrap_or_default();
            let missed =
                (self.missed / self.conversations + usize::from(room < self.missed % self.conversations)) as u64;
            rooms.push(MissedRoom {
                epoch: word(1),
                last: word(3),
                payloads: PayloadSequence::new(room, &sizes),
                missed,
            });
        }
        client.close()?;

        let mut writer = claim(target, &names.name_of(1))?;
        let mut payloads: Vec<_> = rooms.iter().map(|room| room.payloads.clone()).collect();
        let mut lines = Vec::new();
        for first in (0..self.missed).step_by(WINDOW) {
            progress(Progress { phase: Phase::WarmUp, done: first as f64 / self.missed as f64, count: first as u64 });
            let numbers = first..self.missed.min(first + WINDOW);
            lines.clear();
            for number in numbers.clone() {
                let room = number % self.conversations;
                lines.extend_from_slice(format!("SAY #{} ", names.name_of(FIRST_ROOM + room)).as_bytes());
                lines.extend_from_slice(payloads[room].current());
                lines.push(b'\n');
                payloads[room].advance();
            }
            writer.send(&lines)?;
            for _ in numbers {
                writer.wait_for("SAID")?;
            }
        }
        writer.close()?;
        Ok(Device { name, token, names, rooms })
    }
}

/// Opens a session with a new account. Its key has no private part, so a device needs a token to come back.
fn claim(target: &Target, name: &str) -> Result<LineClient, Error> {
    let mut client = LineClient::connect(target)?;
    client.send(format!("REGISTER {name}\nCLAIM key ssh-ed25519 {PUBLIC_KEY}\n").as_bytes())?;
    client.wait_for("CLAIM_OK")?;
    Ok(client)
}

impl Device {
    fn login_line(&self) -> String {
        format!("LOGIN {} main token {}\n", self.name, self.token)
    }

    /// Comes back once. Returns the time from the login to the last `LIVE`.
    fn resume(&self, target: &Target, faults: &mut Faults) -> Result<Duration, Error> {
        let opens = self.rooms.iter().enumerate().map(|(number, MissedRoom { epoch, last, .. })| {
            format!("OPEN #{} {epoch} {last}\n", self.names.name_of(FIRST_ROOM + number))
        });
        let lines: String = std::iter::once(self.login_line()).chain(opens).collect();
        let mut checkers: Vec<_> = self.rooms.iter().map(|room| PayloadChecker::new(room.payloads.clone())).collect();
        let mut client = LineClient::connect(target)?;
        let begin = clock::now();
        client.send(lines.as_bytes())?;
        let mut replayed = 0;
        while replayed < self.rooms.len() {
            match client.next_line()? {
                Line::Message(payload) => check(&mut checkers, payload, faults),
                Line::Other(line) => replayed += usize::from(line.starts_with("LIVE ")),
            }
        }
        let time = clock::now().saturating_duration_since(begin);
        for (checker, room) in checkers.iter_mut().zip(&self.rooms) {
            *faults += checker.finish(room.missed);
        }
        client.close()?;
        Ok(time)
    }

    /// Reads the last messages of `pages` random rooms. Returns the time of each page.
    fn read_pages(&self, target: &Target, pages: usize, faults: &mut Faults) -> Result<LatencyHistogram, Error> {
        let mut times = LatencyHistogram::new();
        let mut client = LineClient::connect(target)?;
        client.send(self.login_line().as_bytes())?;
        client.wait_for("LOGIN_OK")?;
        for _ in 0..pages {
            let number = fastrand::usize(..self.rooms.len());
            let room = &self.rooms[number];
            let mut payloads = room.payloads.clone();
            payloads.seek(room.missed.saturating_sub(PAGE as u64));
            let mut checkers = [PayloadChecker::new(payloads)];
            let request = format!("HISTORY #{} {} {PAGE}\n", self.names.name_of(FIRST_ROOM + number), i64::MAX);
            let begin = clock::now();
            client.send(request.as_bytes())?;
            loop {
                match client.next_line()? {
                    Line::Message(payload) => checkers[0].check(payload),
                    Line::Other(line) if line.starts_with("HISTORY_OK ") => break,
                    Line::Other(_) => {}
                }
            }
            times.record(clock::now().saturating_duration_since(begin), 1);
            *faults += checkers[0].finish(room.missed);
        }
        client.close()?;
        Ok(times)
    }
}

/// Checks a message by the checker of its room.
fn check(checkers: &mut [PayloadChecker], payload: &[u8], faults: &mut Faults) {
    match crate::payload::stream_of(payload).and_then(|room| checkers.get_mut(room)) {
        Some(checker) => checker.check(payload),
        None => faults.corrupt += 1,
    }
}

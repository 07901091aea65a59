//! A person of the team: comes, acts at random, leaves and comes back until dusk.

use std::sync::Arc;

use fastrand::Rng;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep};

use crate::ledger::{Person, is_line};
use crate::session::{Pace, Session};
use crate::{PERSONS, World};

/// A client outside the team that asks `WHO` in the evening, and takes no name.
const OBSERVER: Person = PERSONS + 1;

/// Longest wait for a reply, and for a name that an abandoned session still holds.
const PATIENCE: Duration = Duration::from_secs(30);

/// Pause before a name is requested again.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// Unanswered requests above which a person waits before acting again: the server delays reading from the person.
const UNANSWERED_MAX: usize = 1_000;

/// An action, and how often it is chosen relative to the others.
const ACTIONS: [(&str, usize); 12] = [
    ("talk", 50),
    ("disconnect", 6),
    ("ping", 5),
    ("who", 3),
    ("mistake", 5),
    ("flood", 3),
    ("trickle", 3),
    ("sleep", 3),
    ("leave", 4),
    ("reset", 3),
    ("roam", 3),
    ("hang up in a line", 2),
];

/// Lives a day, and stays until the server stops.
pub(crate) async fn live(world: Arc<World>, person: Person, mut rng: Rng) {
    // The team does not arrive in one moment.
    sleep(Duration::from_millis(rng.u64(..500))).await;
    let mut present: Option<Session> = None;
    let mut abandoned = JoinSet::new();
    while Instant::now() < world.dusk {
        present = match present.take() {
            Some(session) if !session.is_over() => act(&world, session, &mut abandoned, &mut rng).await,
            _ if rng.u8(..20) == 0 => {
                give_up_at_the_door(&world, person, &mut rng).await;
                None
            }
            _ => come(&world, person).await,
        };
    }
    abandoned.join_all().await;
    spend_evening(&world, person, present).await;
}

/// Connects and registers. An abandoned session of this person may still hold the name, so this is tried again.
async fn come(world: &Arc<World>, person: Person) -> Option<Session> {
    let deadline = Instant::now() + PATIENCE;
    let mut session = Session::open(world, person).await;
    loop {
        session.register();
        session.run_until(deadline, Pace::Normal, Session::is_idle).await;
        if session.is_registered() {
            return Some(session);
        }
        if Instant::now() > deadline {
            session.violation("no name in time");
            session.abort();
            return None;
        }
        session.run(RETRY_PAUSE, Pace::Normal).await;
        if session.is_over() {
            sleep(RETRY_PAUSE).await;
            session = Session::open(world, person).await;
        }
    }
}

/// Connects, and resets the connection before the name is complete or before the reply is read.
async fn give_up_at_the_door(world: &Arc<World>, person: Person, rng: &mut Rng) {
    let mut session = Session::open(world, person).await;
    match rng.u8(..3) {
        0 => {}
        1 => session.unfinished(if is_line(person) { "li" } else { "REGISTER us" }),
        _ => session.register(),
    }
    session.run(Duration::from_millis(rng.u64(..10)), Pace::Normal).await;
    session.abort();
}

/// Acts once. Returns the session if the person is still there.
async fn act(world: &Arc<World>, mut session: Session, abandoned: &mut JoinSet<()>, rng: &mut Rng) -> Option<Session> {
    if session.unanswered() > UNANSWERED_MAX {
        session.run(Duration::from_millis(50), Pace::Normal).await;
        return Some(session);
    }
    let (action, person) = (choose(rng), session.person());
    *world.ledger().counts.actions.entry(action).or_default() += 1;
    let mut pause = Duration::from_millis(rng.u64(10..150));
    let mut pace = Pace::Normal;
    match action {
        "talk" => talk(&mut session, rng),
        "disconnect" if !is_line(person) => session.disconnect(),
        "who" if !is_line(person) => session.who(),
        "mistake" => session.mistake(rng.usize(..)),
        "flood" => flood(world, &mut session, rng),
        "trickle" => {
            talk(&mut session, rng);
            (pace, pause) = (Pace::Trickle, Duration::from_millis(rng.u64(100..1_000)));
        }
        "sleep" => {
            talk(&mut session, rng);
            world.fall_asleep(person);
            (pace, pause) = (Pace::Asleep, Duration::from_millis(rng.u64(200..5_000)));
        }
        "leave" => {
            session.leave().await;
            sleep(pause).await;
            return None;
        }
        "hang up in a line" => {
            session.unfinished(if is_line(person) { "line-002: half a" } else { "MSG half a" });
            session.leave().await;
            return None;
        }
        "reset" => {
            session.run(Duration::from_millis(rng.u64(..3)), pace).await;
            session.abort();
            return None;
        }
        "roam" => {
            // The old connection says nothing more and reads nothing more, until its network reports an error.
            world.ledger().is_slow(session.index());
            let silence = Duration::from_millis(rng.u64(50..3_000));
            abandoned.spawn(async move {
                sleep(silence).await;
                session.abort();
            });
            return None;
        }
        _ => session.fence(),
    }
    session.run(pause, pace).await;
    Some(session)
}

fn choose(rng: &mut Rng) -> &'static str {
    let mut ticket = rng.usize(..ACTIONS.iter().map(|(_, weight)| weight).sum::<usize>());
    for (action, weight) in ACTIONS {
        match ticket.checked_sub(weight) {
            Some(rest) => ticket = rest,
            None => return action,
        }
    }
    unreachable!("the ticket is below the sum of the weights")
}

/// Somebody else of the team.
fn other(person: Person, rng: &mut Rng) -> Person {
    (person + rng.usize(1..PERSONS)) % PERSONS
}

/// Writes some messages, or opens a chat.
fn talk(session: &mut Session, rng: &mut Rng) {
    let person = session.person();
    let reader = if is_line(person) { Some(other(person, rng)) } else { session.peer() };
    match reader {
        Some(reader) => (0..rng.usize(1..4)).for_each(|_| session.message(reader, rng.usize(..60))),
        None => session.connect(other(person, rng)),
    }
}

/// Writes many lines at once.
fn flood(world: &World, session: &mut Session, rng: &mut Rng) {
    let person = session.person();
    let sleeper = Some(world.latest_sleeper()).filter(|&sleeper| is_line(person) && sleeper != person && rng.bool());
    let reader = session.peer().or(sleeper).unwrap_or_else(|| other(person, rng));
    if !is_line(person) && session.peer().is_none() {
        // The messages follow without a wait for the reply, so they may find no chat.
        session.connect(reader);
    }
    let filling_len = if rng.bool() { 3_000 } else { 50 };
    for _ in 0..rng.usize(50..300) {
        session.message(reader, filling_len);
        if rng.u8(..8) == 0 {
            session.fence();
        }
    }
}

/// Takes the name once more if need be, reads until all of the team have all their replies and messages, and then waits
/// for the end of the server.
async fn spend_evening(world: &Arc<World>, person: Person, present: Option<Session>) {
    let mut session = present;
    if is_line(person)
        && let Some(session) = session.take()
    {
        // No reply says that the server has carried out the lines that it set aside. Only the end of the session does.
        session.leave().await;
    }
    for stage in 0..2 {
        // After the first stage, all messages of the day are in an outbox. After the second one, all are read.
        loop {
            session = match session.take() {
                Some(session) if !session.is_over() => Some(session),
                _ => come(world, person).await,
            };
            if let Some(session) = &mut session {
                session.fence();
                session.run_until(Instant::now() + 2 * PATIENCE, Pace::Normal, Session::is_idle).await;
                if !session.is_over() {
                    break;
                }
            }
        }
        world.reach(stage);
        while let Some(session) = session.as_mut().filter(|session| !world.is_reached(stage) && !session.is_over()) {
            session.run(Duration::from_millis(20), Pace::Normal).await;
        }
    }
    if let Some(session) = &mut session {
        session.run_until(Instant::now() + 2 * PATIENCE, Pace::Normal, Session::is_over).await;
        if !session.is_over() {
            session.violation("the server did not close the session at its end");
        }
    }
}

/// The names that `WHO` shows to a client without a name.
pub(crate) async fn roster(world: &Arc<World>) -> Vec<String> {
    let mut session = Session::open(world, OBSERVER).await;
    session.who();
    session.run_until(Instant::now() + PATIENCE, Pace::Normal, Session::is_idle).await;
    session.leave().await;
    world.ledger().last_roster()
}

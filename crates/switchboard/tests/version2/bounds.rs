//! The bounds on the work of one event. The shell holds a lock during an event, so a long event delays all sessions.

use std::collections::HashMap;
use std::time::Duration;

use switchboard_core::{SessionId, Switchboard, Version2Settings};
use switchboard_protocol::ErrorCode;

use crate::home::Home;
use crate::shell::{Shell, accept, open, parse};

/// Maximum lines of one event: three kinds of work with 512 lines each, and the replies to one request.
const EVENT_LINES_MAX: usize = 3 * 512 + 100;

#[derive(Debug)]
struct World {
    board: Switchboard,
    shell: Shell,
    /// The lines of each session that the test has not heard yet.
    lines: HashMap<SessionId, Vec<String>>,
}

impl World {
    fn new() -> Self {
        let mut board = Switchboard::new(Duration::from_mins(1));
        board.load(Home::default().snapshot(), Version2Settings::default());
        Self { board, shell: Shell::default(), lines: HashMap::new() }
    }

    /// One event, whose lines are counted.
    fn event(&mut self, event: impl FnOnce(&mut Switchboard, &mut Shell)) {
        event(&mut self.board, &mut self.shell);
        let count = self.shell.lines.len();
        assert!(count <= EVENT_LINES_MAX, "one event sends {count} lines");
        for (to, line) in self.shell.lines.drain(..) {
            self.lines.entry(to).or_default().push(line);
        }
        assert!(self.shell.closed.is_empty(), "the core closes {:?}", self.shell.closed);
    }

    fn send(&mut self, session: SessionId, line: &str) {
        self.event(|board, shell| board.request(session, parse(line), shell));
        while let Some((session, request)) = self.shell.identity_requests.pop_front() {
            self.event(|board, shell| board.identified(session, accept(&request), shell));
        }
    }

    /// Stores all changes, and lets the core do all its work. Returns the number of events that this takes.
    fn commit(&mut self) -> usize {
        let position = self.shell.home.commit();
        self.event(|board, shell| board.durable(position, shell));
        1 + self.work()
    }

    fn work(&mut self) -> usize {
        let mut events = 0;
        while self.board.has_work() {
            self.event(Switchboard::work);
            events += 1;
        }
        events
    }

    fn answer_all(&mut self) {
        while let Some((ticket, query)) = self.shell.questions.pop_front() {
            let answer = self.shell.home.answer(&query);
            self.event(|board, shell| board.answer(ticket, answer, shell));
        }
    }

    fn connect(&mut self, lines: &[&str]) -> SessionId {
        let session = open(&mut self.board, &mut self.shell);
        self.shell.lines.clear();
        for line in lines {
            self.send(session, line);
            self.commit();
        }
        self.lines.remove(&session);
        session
    }

    /// The lines that a session has received since the last call.
    fn hear(&mut self, session: SessionId) -> Vec<String> {
        self.lines.remove(&session).unwrap_or_default()
    }
}

#[test]
fn record_for_5000_viewers_is_sent_in_parts() {
    let mut world = World::new();
    let noy = world.connect(&["REGISTER Noy", "CLAIM password x", "JOIN #lab", "ROOM #lab guests write", "OPEN #lab"]);
    let viewers: Vec<_> =
        (0..5000).map(|number| world.connect(&[&format!("REGISTER reader{number}"), "OPEN #lab"])).collect();
    // A frozen reader leaves the fan-out, and costs nothing until it reads on.
    world.shell.not_reading.insert(viewers[7]);
    for text in ["one", "two", "three"] {
        world.send(noy, &format!("SAY #lab {text}"));
    }
    let events = world.commit();
    assert!(events > 3 * 5000 / 1024, "{events} events");
    let own = world.hear(noy);
    assert_eq!(own.len(), 6, "three records and three SAID: {own:?}");
    assert!(own.iter().position(|line| line.contains("SAID")) >= Some(1), "SAID follows its record");
    for (number, &viewer) in viewers.iter().enumerate() {
        let heard = world.hear(viewer);
        let texts: Vec<_> = heard.iter().map(|line| line.rsplit(' ').next().unwrap_or_default()).collect();
        let expected: &[&str] = if number == 7 { &[] } else { &["one", "two", "three"] };
        assert_eq!(texts, expected, "reader {number}");
    }
    world.shell.not_reading.clear();
    world.event(|board, shell| board.outbox_has_room(viewers[7], shell));
    world.answer_all();
    assert_eq!(world.hear(viewers[7]).len(), 3);
}

#[test]
fn news_for_700_members_are_sent_in_parts() {
    let mut world = World::new();
    let noy = world.connect(&["REGISTER Noy", "CLAIM password x", "JOIN #lab"]);
    let members: Vec<_> = (0..700)
        .map(|number| world.connect(&[&format!("REGISTER member{number}"), "CLAIM password x", "JOIN #lab"]))
        .collect();
    world.lines.clear();
    world.send(noy, "SAY #lab one");
    let position = world.shell.home.commit();
    world.event(|board, shell| board.durable(position, shell));
    assert!(world.board.has_work(), "most members are told later");
    // A record that comes meanwhile does not begin the round again for those who are told of it anyway.
    world.send(noy, "SAY #lab two");
    world.commit();
    for member in members {
        let lines = world.hear(member);
        let last = lines.last().map(String::as_str).unwrap_or_default();
        assert!(last.ends_with(" 1 703 0"), "it hears of the last record: {lines:?}");
        assert!(lines.len() <= 2, "at most once for each record: {lines:?}");
    }
}

#[test]
fn withdrawn_requests_are_answered_in_parts() {
    let mut world = World::new();
    let writers: Vec<_> =
        (0..10).map(|number| world.connect(&[&format!("REGISTER writer{number}"), "JOIN #lab"])).collect();
    for _ in 0..500 {
        for &writer in &writers {
            world.send(writer, "SAY #lab hi");
        }
    }
    world.shell.home.lose();
    world.event(|board, shell| board.store_failed(ErrorCode::StoreFull, shell));
    assert!(world.board.has_work(), "5,000 requests are withdrawn");
    let (snapshot, position) = (world.shell.home.snapshot(), world.shell.home.position());
    world.event(|board, shell| board.store_reloaded(snapshot, shell));
    world.event(|board, shell| board.store_writable(position, shell));
    // What comes after the failure keeps its place behind the withdrawn requests.
    world.send(writers[0], "SAY #lab again");
    world.commit();
    for (number, &writer) in writers.iter().enumerate() {
        let lines = world.hear(writer);
        let (refused, later) = lines.split_at(500);
        assert!(refused.iter().all(|line| line == "ERROR STORE_FULL #lab"), "{refused:?}");
        assert_eq!(later.len(), usize::from(number == 0), "{later:?}");
    }
}

#[test]
fn stored_messages_that_are_still_queued_at_a_failure_are_acknowledged() {
    let mut world = World::new();
    let noy = world.connect(&["REGISTER Noy", "CLAIM password x", "JOIN #lab"]);
    for _ in 0..5000 {
        world.send(noy, "SAY #lab stored");
    }
    let position = world.shell.home.commit();
    world.event(|board, shell| board.durable(position, shell));
    assert!(world.board.has_work(), "most records are still queued");
    for code in [ErrorCode::Unavailable, ErrorCode::StoreFull] {
        // The second failure comes while output of the first one is queued.
        world.send(noy, "SAY #lab lost");
        world.shell.home.lose();
        world.event(|board, shell| board.store_failed(code, shell));
        let (snapshot, position) = (world.shell.home.snapshot(), world.shell.home.position());
        world.event(|board, shell| board.store_reloaded(snapshot, shell));
        world.event(|board, shell| board.store_writable(position, shell));
    }
    world.work();
    let mut lines = world.hear(noy);
    lines.retain(|line| !line.starts_with("CONVERSATION"));
    let (stored, lost) = lines.split_at(5000);
    for (line, seq) in stored.iter().zip(2..) {
        assert_eq!(*line, format!("SAID #lab {seq}"));
    }
    assert_eq!(lost, ["ERROR STORE_FULL #lab"; 2]);
}

#[test]
fn other_devices_hear_of_the_newest_read_marker_only() {
    let mut world = World::new();
    let noy = world.connect(&["REGISTER Noy", "CLAIM password x", "JOIN #lab"]);
    let phone = world.connect(&["LOGIN Noy phone password x"]);
    let frozen = world.connect(&["LOGIN Noy tablet password x"]);
    for _ in 0..300 {
        world.send(noy, "SAY #lab hi");
    }
    world.commit();
    world.lines.clear();
    world.shell.not_reading.insert(frozen);
    for seq in 1..=300 {
        world.send(noy, &format!("READ #lab {seq}"));
    }
    world.commit();
    assert_eq!(world.hear(phone), ["READ #lab 300"]);
    assert_eq!(world.hear(noy).len(), 300);
    assert_eq!(world.hear(frozen), [""; 0], "its outbox has no room");
    world.shell.not_reading.clear();
    world.event(|board, shell| board.outbox_has_room(frozen, shell));
    assert!(world.hear(frozen).contains(&"READ #lab 300".to_owned()));
}

#[test]
fn session_has_two_questions_at_a_time() {
    let mut world = World::new();
    let rooms: Vec<_> = (0..100).map(|number| format!("#room{number}")).collect();
    let noy = world.connect(&["REGISTER Noy", "CLAIM password x"]);
    for room in &rooms {
        for verb in ["JOIN", "SAY"] {
            world.send(noy, format!("{verb} {room} hi").trim_end_matches(if verb == "JOIN" { " hi" } else { "" }));
            world.commit();
        }
    }
    let epochs: Vec<_> = {
        world.hear(noy);
        world.send(noy, "CONVERSATIONS");
        world.hear(noy).iter().filter_map(|line| line.split(' ').nth(2).map(str::to_owned)).collect()
    };
    for (room, epoch) in rooms.iter().zip(&epochs) {
        world.send(noy, &format!("OPEN {room} {epoch} 0"));
    }
    for room in &rooms {
        world.send(noy, &format!("HISTORY {room} 100 10"));
    }
    let mut most = world.shell.questions.len();
    while let Some((ticket, query)) = world.shell.questions.pop_front() {
        let answer = world.shell.home.answer(&query);
        world.event(|board, shell| board.answer(ticket, answer, shell));
        most = most.max(world.shell.questions.len());
    }
    assert_eq!(most, 2);
    let lines = world.hear(noy);
    for verb in ["LIVE", "HISTORY_OK"] {
        assert_eq!(lines.iter().filter(|line| line.starts_with(verb)).count(), 100, "{verb}");
    }
}

/// A room with so many readers that its records go into fan-out. Returns the session of its owner.
fn crowded_room(world: &mut World) -> SessionId {
    let noy = world.connect(&["REGISTER Noy", "CLAIM password x", "JOIN #lab", "OPEN #lab"]);
    for number in 0..=Version2Settings::default().direct_viewers_max {
        world.connect(&[&format!("REGISTER reader{number}"), "OPEN #lab"]);
    }
    noy
}

#[test]
fn removed_reader_hears_nothing_after_the_record_that_says_so() {
    let member: &[_] = &["REGISTER Elias", "CLAIM password x", "JOIN #lab", "OPEN #lab"];
    let guest: &[_] = &["REGISTER Elias", "OPEN #lab"];
    let removals = [
        (member, "KICK #lab Elias", "KICKED"),
        (member, "BAN #lab Elias", "BANNED"),
        (guest, "ROOM #lab guests none", "SET"),
    ];
    for (requests, removal, last) in removals {
        let mut world = World::new();
        let noy = crowded_room(&mut world);
        let elias = world.connect(requests);
        world.shell.not_reading.insert(elias);
        world.send(noy, "SAY #lab before");
        world.commit();
        for request in [removal, "ROOM #lab keep 90d", "SAY #lab after"] {
            world.send(noy, request);
        }
        let position = world.shell.home.commit();
        world.event(|board, shell| board.durable(position, shell));
        assert!(world.board.has_work(), "the removal is in fan-out");
        // The store has the records after the removal already.
        world.shell.not_reading.clear();
        world.event(|board, shell| board.outbox_has_room(elias, shell));
        world.answer_all();
        world.work();
        world.answer_all();
        let lines = world.hear(elias);
        let events: Vec<_> = lines.iter().map(|line| line.split(' ').nth(1).unwrap_or_default()).collect();
        assert_eq!(events, ["FROM", last], "{removal}: {lines:?}");
    }
}

#[test]
fn member_that_left_hears_nothing_after_a_failure_during_the_fan_out() {
    let mut world = World::new();
    let noy = crowded_room(&mut world);
    let elias = world.connect(&["REGISTER Elias", "CLAIM password x", "JOIN #lab", "OPEN #lab"]);
    world.send(elias, "LEAVE #lab");
    let position = world.shell.home.commit();
    world.event(|board, shell| board.durable(position, shell));
    world.event(|board, shell| board.store_failed(ErrorCode::Unavailable, shell));
    let (snapshot, position) = (world.shell.home.snapshot(), world.shell.home.position());
    world.event(|board, shell| board.store_reloaded(snapshot, shell));
    world.event(|board, shell| board.store_writable(position, shell));
    world.answer_all();
    world.work();
    assert!(world.hear(elias).iter().any(|line| line.starts_with("LEAVE_OK #lab")));
    world.send(noy, "SAY #lab after");
    world.commit();
    assert_eq!(world.hear(elias), [""; 0]);
}

#[test]
fn views_of_3000_guests_end_in_parts() {
    let mut world = World::new();
    let noy = world.connect(&["REGISTER Noy", "CLAIM password x", "JOIN #lab", "OPEN #lab"]);
    let guests: Vec<_> =
        (0..3000).map(|number| world.connect(&[&format!("REGISTER guest{number}"), "OPEN #lab"])).collect();
    world.shell.not_reading.extend(&guests[..2000]);
    world.send(noy, "ROOM #lab guests none");
    world.send(noy, "SAY #lab members");
    let events = world.commit();
    assert!(events >= 2 * 3000 / 512, "{events} events: the record is sent, and then the views end");
    for (number, &guest) in guests.iter().enumerate() {
        let lines = world.hear(guest);
        // A guest that is behind hears no record, but that there is no more.
        let last = if number < 2000 { "CLOSE_OK #lab" } else { "SET Noy guests none" };
        assert!(matches!(&lines[..], [line] if line.ends_with(last)), "guest {number}: {lines:?}");
    }
    assert_eq!(world.hear(noy).len(), 4, "two records, and the replies to both requests");
}

#[test]
fn views_of_a_removed_room_end_in_parts() {
    let mut world = World::new();
    let noy = world.connect(&["REGISTER Noy", "CLAIM password x", "JOIN #lab", "ROOM #lab invite on"]);
    let guests: Vec<_> =
        (0..3000).map(|number| world.connect(&[&format!("REGISTER guest{number}"), "OPEN #lab"])).collect();
    world.send(noy, "LEAVE #lab");
    let position = world.shell.home.commit();
    world.event(|board, shell| board.durable(position, shell));
    let mut events = 0;
    while world.shell.home.waiting() == 0 {
        world.event(Switchboard::work);
        events += 1;
    }
    assert!(events >= 3000 / 512, "the last record is sent in {events} parts");
    // A new room has the name before the last guest has heard that the old one is gone.
    world.send(noy, "JOIN #lab");
    let position = world.shell.home.commit();
    world.event(|board, shell| board.durable(position, shell));
    let last = *guests.last().expect("there are guests");
    world.send(last, "OPEN #lab");
    assert!(world.work() >= 3000 / 512);
    for guest in guests {
        let lines = world.hear(guest);
        assert!(lines[0].ends_with(" LEFT Noy") && lines[1] == "CLOSE_OK #lab", "{lines:?}");
        let is_open = matches!(&lines[2..], [open, live] if open.starts_with("OPEN_OK") && live.starts_with("LIVE"));
        assert!(if guest == last { is_open } else { lines.len() == 2 }, "{lines:?}");
    }
    // The new view stays open.
    world.send(noy, "SAY #lab hi");
    world.commit();
    assert!(matches!(&world.hear(last)[..], [line] if line.ends_with(" FROM Noy: hi")));
}

#[test]
fn views_of_many_removed_rooms_need_no_deep_stack() {
    // Far less than a thread of the server has, and enough for any event.
    const STACK_BYTES: usize = 256 * 1024;
    const ROOMS: usize = 500;
    let test = || {
        let mut world = World::new();
        let noy = world.connect(&["REGISTER Noy", "CLAIM password x"]);
        let guest = world.connect(&["REGISTER Guest"]);
        let rooms: Vec<_> = (0..ROOMS).map(|number| format!("#room{number}")).collect();
        for room in &rooms {
            world.send(noy, &format!("JOIN {room}"));
            world.send(noy, &format!("ROOM {room} invite on"));
            world.commit();
            world.send(guest, &format!("OPEN {room}"));
        }
        for room in &rooms {
            world.send(noy, &format!("LEAVE {room}"));
        }
        // The store has the records, but nobody has heard of them. So all rooms are removed in one event.
        world.shell.home.commit();
        world.event(|board, shell| board.store_failed(ErrorCode::Unavailable, shell));
        let (snapshot, position) = (world.shell.home.snapshot(), world.shell.home.position());
        world.event(|board, shell| board.store_reloaded(snapshot, shell));
        world.event(|board, shell| board.store_writable(position, shell));
        world.work();
        world.hear(guest).iter().filter(|line| line.starts_with("CLOSE_OK")).count()
    };
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(test).expect("a thread");
    assert_eq!(thread.join().expect("the test does not panic"), ROOMS);
}

#[test]
fn failure_while_the_views_of_a_removed_room_end_is_handled_in_parts() {
    let mut world = World::new();
    let noy = world.connect(&["REGISTER Noy", "CLAIM password x", "JOIN #lab", "ROOM #lab invite on"]);
    let guests: Vec<_> =
        (0..3000).map(|number| world.connect(&[&format!("REGISTER guest{number}"), "OPEN #lab"])).collect();
    world.send(noy, "LEAVE #lab");
    let position = world.shell.home.commit();
    world.event(|board, shell| board.durable(position, shell));
    while world.shell.home.waiting() == 0 {
        world.event(Switchboard::work);
    }
    world.shell.home.lose();
    world.event(|board, shell| board.store_failed(ErrorCode::Unavailable, shell));
    let (snapshot, position) = (world.shell.home.snapshot(), world.shell.home.position());
    world.event(|board, shell| board.store_reloaded(snapshot, shell));
    // The room is back until the store is writable.
    let last = *guests.last().expect("there are guests");
    world.send(last, "OPEN #lab");
    world.event(|board, shell| board.store_writable(position, shell));
    assert!(world.work() >= 3000 / 512);
    world.commit();
    for guest in guests {
        let lines = world.hear(guest);
        let verbs: Vec<_> = lines[1..].iter().map(|line| line.split(' ').next().unwrap_or_default()).collect();
        let reopened: &[_] = if guest == last { &["OPEN_OK", "LIVE", "CLOSE_OK"] } else { &[] };
        assert!(lines[0].ends_with(" LEFT Noy") && verbs == [&["CLOSE_OK"], reopened].concat(), "{lines:?}");
    }
}

#[test]
fn news_for_members_with_many_devices_are_sent_in_parts() {
    let mut world = World::new();
    let noy = world.connect(&["REGISTER Noy", "CLAIM password x", "JOIN #lab"]);
    for number in 0..80 {
        let name = format!("member{number}");
        world.connect(&[&format!("REGISTER {name}"), "CLAIM password x", "JOIN #lab"]);
        for device in 1..32 {
            world.connect(&[&format!("LOGIN {name} device{device} password x")]);
        }
    }
    world.lines.clear();
    world.send(noy, "SAY #lab one");
    // `event` counts the lines.
    assert!(world.commit() > 80 * 32 / 1024);
}

#[test]
fn members_are_listed_in_parts_also_guests() {
    let mut world = World::new();
    let noy = world.connect(&["REGISTER Noy", "CLAIM password x", "JOIN #lab"]);
    for number in 0..3000 {
        world.connect(&[&format!("REGISTER guest{number}"), "OPEN #lab"]);
    }
    world.lines.clear();
    world.send(noy, "MEMBERS #lab");
    assert!(world.work() >= 3, "the list has several parts");
    let lines = world.hear(noy);
    assert_eq!((lines.len(), &*lines[0]), (3002, "MEMBER #lab Noy owner"));
    assert_eq!(lines[3001], "MEMBERS_OK #lab 3001");
}

#[test]
fn list_of_members_ends_for_a_reader_who_is_banned() {
    let mut world = World::new();
    let noy = world.connect(&["REGISTER Noy", "CLAIM password x", "JOIN #lab", "ROOM #lab guests none"]);
    let elias = world.connect(&["REGISTER Elias", "CLAIM password x", "JOIN #lab"]);
    for number in 0..1500 {
        world.connect(&[&format!("REGISTER member{number}"), "CLAIM password x", "JOIN #lab"]);
    }
    world.lines.clear();
    world.send(elias, "MEMBERS #lab");
    world.send(noy, "BAN #lab Elias");
    world.work();
    let lines = world.hear(elias);
    assert!(lines.len() < 1500, "{} lines", lines.len());
    assert_eq!(lines.last().map(String::as_str), Some("ERROR NOT_A_MEMBER #lab"));
}

#[test]
fn rooms_that_a_session_may_not_know_of_are_passed_over_in_parts() {
    let mut world = World::new();
    for owner in 0..3 {
        let session = world.connect(&[&format!("REGISTER owner{owner}"), "CLAIM password x"]);
        for room in 0..900 {
            world.send(session, &format!("JOIN #room{owner}-{room}"));
            world.send(session, &format!("ROOM #room{owner}-{room} guests none"));
        }
        world.commit();
    }
    let guest = world.connect(&["REGISTER Guest"]);
    world.send(guest, "ROOMS");
    assert_eq!(world.hear(guest), [""; 0]);
    assert!(world.work() >= 2, "2,700 rooms take several parts");
    assert_eq!(world.hear(guest), ["ROOMS_OK 0"]);
}

#[test]
fn readers_fit_in_one_line() {
    let mut world = World::new();
    let noy = world.connect(&["REGISTER Noy", "CLAIM password x", "JOIN #lab", "SAY #lab hi"]);
    let mut read = |number: usize| {
        let name = format!("REGISTER reader-with-a-long-name-{number:03}");
        world.connect(&[&name, "CLAIM password x", "JOIN #lab", "READ #lab 2"]);
        world.lines.clear();
        world.send(noy, "READERS #lab 2");
        let [line] = &*world.hear(noy) else { panic!("READERS is one line") };
        line.clone()
    };
    let lines: Vec<_> = (0..140).map(&mut read).collect();
    // 27 bytes of a name and its comma: 3,840 bytes have 137 of them, and what is left takes no other one.
    assert!(!lines[136].contains("more"), "{}", lines[136]);
    for line in &lines[137..] {
        assert!(line.starts_with("@more=1 READERS #lab 2 "), "{line}");
        assert_eq!(line.split(',').count(), 137, "{line}");
    }
}
